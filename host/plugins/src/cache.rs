//! Compiled components on disk: compiling takes seconds for a big guest, loading a millisecond.
//!
//! A compiled component is native code, and wasmtime runs what it is given. So a file counts only
//! when it lies in a folder of ours that nobody else may write, is ours, and has the checksum that
//! was written with it; anything else is compiled anew.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cofferdam_stdx::time;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::InstallError;

/// Compiled components on disk.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// What the code was compiled by and for: another wasmtime or CPU finds other names.
    fingerprint: u64,
}

impl Cache {
    /// # Errors
    /// When the folder cannot be made, or is not ours alone.
    pub(crate) fn open(dir: &Path, engine: &Engine) -> io::Result<Self> {
        private_dir(dir)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir: dir.to_owned(), fingerprint: hasher.finish() })
    }

    /// The compiled form of `bytes`, whose digest is `digest`, and the milliseconds that compiling
    /// took. Takes seconds for a big component: not for a thread of the runtime.
    pub(crate) fn load_or_compile(
        &self,
        engine: &Engine,
        digest: &str,
        bytes: &[u8],
    ) -> Result<(Component, u64), InstallError> {
        let path = self.dir.join(format!("{digest}-{:016x}.cwasm", self.fingerprint));
        match load(engine, &path) {
            Ok(component) => return Ok((component, 0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %path.display(), "compiling a plugin anew: {error}"),
        }
        let from = time::now();
        let code = engine.precompile_component(bytes).map_err(|error| InstallError::Invalid(error.into()))?;
        let compile_ms = u64::try_from(from.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        // The cache only saves time: without it, go on with what is in memory.
        let component = store(&path, &code).and_then(|()| load(engine, &path)).or_else(|error| {
            tracing::warn!(path = %path.display(), "a compiled plugin cannot be kept: {error}");
            from_memory(engine, &code)
        });
        Ok((component.map_err(|error| InstallError::Compiler(Box::new(error)))?, compile_ms))
    }
}

/// Makes `dir` and makes sure that it belongs to us and nobody else can write into it.
pub(crate) fn private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let metadata = fs::metadata(dir)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes a file that is whole or not there.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let n = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{n}.tmp", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Half a file is of no use; that it stays is no further fault.
        _ = fs::remove_file(&temporary);
    }
    written
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn checksum_path(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

fn store(path: &Path, code: &[u8]) -> io::Result<()> {
    write_atomically(path, code)?;
    write_atomically(&checksum_path(path), digest_of(code).as_bytes())
}

fn load(engine: &Engine, path: &Path) -> io::Result<Component> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let other = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(other("the compiled file belongs to another user or can be written by one"));
    }
    let mut code = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.read_to_end(&mut code)?;
    if fs::read_to_string(checksum_path(path))? != digest_of(&code) {
        return Err(other("the compiled file does not have the checksum it was written with"));
    }
    drop(code);
    // From the file, not from `code`: its pages are mapped and shared, not copied.
    // SAFETY: the file was written by `store`, which wrote only what this engine's compiler made:
    // it is in a folder that nobody else can write, is ours, and has the checksum of that moment.
    #[allow(unsafe_code, reason = "loading compiled code cannot be safe; see above")]
    unsafe { Component::deserialize_file(engine, path) }
        .map_err(|error| io::Error::other(format!("{error:#}")))
}

fn from_memory(engine: &Engine, code: &[u8]) -> io::Result<Component> {
    // SAFETY: `code` comes from this engine's own compiler, a moment ago.
    #[allow(unsafe_code, reason = "loading compiled code cannot be safe; see above")]
    unsafe { Component::deserialize(engine, code) }.map_err(|error| io::Error::other(format!("{error:#}")))
}
