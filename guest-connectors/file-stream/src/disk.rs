//! What the segment sink does to its disk, one operation at a time: a test can end the world, or let
//! someone else act, between any two of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Makes a file that must not be there yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    step()?;
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Writes all of `bytes` behind what was written before.
pub(crate) fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    step()?;
    file.write_all(bytes)
}

/// Returns when the content of `file` is on its disk.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_all()
}

/// Returns when the names in `folder` are on its disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    step()?;
    File::open(folder)?.sync_all()
}

/// Gives the file `from` the name `to` as well, which must not be there yet: of several who try,
/// one succeeds.
pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    fs::hard_link(from, to)
}

/// Renames a file; says whether it was still there.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<bool> {
    step()?;
    was_there(fs::rename(from, to))
}

/// Removes a file; says whether it was still there.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    step()?;
    was_there(fs::remove_file(path))
}

/// Makes a folder; says whether it is new.
pub(crate) fn make_folder(path: &Path) -> io::Result<bool> {
    step()?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    }
}

/// The names in a folder, none when there is no folder. What is no text is not ours.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<String>> {
    step()?;
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    names.filter_map(io::Result::transpose).collect()
}

/// A small file, none when it is not there.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    step()?;
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.map(Some),
    }
}

/// Bytes of a file, none when it is not there.
pub(crate) fn length(path: &Path) -> io::Result<Option<u64>> {
    step()?;
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        metadata => metadata.map(|metadata| Some(metadata.len())),
    }
}

fn was_there(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        done => done.map(|()| true),
    }
}

#[cfg(not(test))]
#[allow(clippy::unnecessary_wraps, reason = "tests put a disk in its place that dies")]
#[inline]
const fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use fate::step;

/// What a test has in store for the disk of its thread.
#[cfg(test)]
pub(crate) mod fate {
    use std::cell::RefCell;
    use std::io;

    type Event = Box<dyn FnOnce()>;

    thread_local! {
        static FATE: RefCell<Fate> = RefCell::default();
    }

    #[derive(Default)]
    struct Fate {
        steps: u32,
        dies_at: Option<u32>,
        event: Option<(u32, Event)>,
    }

    /// A disk that works, and how many steps it has done since the last call.
    pub(crate) fn reset() -> u32 {
        FATE.take().steps
    }

    /// From the step `at` on nothing is done any more.
    pub(crate) fn die(at: u32) {
        FATE.set(Fate { dies_at: Some(at), ..Fate::default() });
    }

    /// Before the step `at` is done, `event` happens.
    pub(crate) fn let_happen(at: u32, event: impl FnOnce() + 'static) {
        FATE.set(Fate { event: Some((at, Box::new(event))), ..Fate::default() });
    }

    pub(super) fn step() -> io::Result<()> {
        let (is_dead, event) = FATE.with_borrow_mut(|fate| {
            let now = fate.steps;
            fate.steps += 1;
            let is_dead = fate.dies_at.is_some_and(|at| now >= at);
            (is_dead, fate.event.take_if(|(at, _)| *at == now))
        });
        if let Some((_, event)) = event {
            event();
        }
        if is_dead { Err(io::Error::other("the world has ended")) } else { Ok(()) }
    }
}
