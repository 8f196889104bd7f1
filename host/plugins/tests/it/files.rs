//! A connector's file: its folder is there, under the name that was configured, and nothing else is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_frame::Frame;
use cofferdam_plugins::{CallError, GuestError, SourceInstance, Spec};

use super::{Bench, Recorder, batch, spec};

async fn read(source: &mut SourceInstance) -> Result<String, CallError> {
    source.start().await?;
    let bytes = source.poll(10, 1 << 20, Duration::ZERO).await?;
    let value = Frame::parse(&bytes).unwrap().get(0).unwrap().value().unwrap().to_vec();
    Ok(String::from_utf8(value).unwrap())
}

#[tokio::test]
async fn an_absolute_path_is_read_as_written() {
    let bench = Bench::new().await;
    std::fs::create_dir_all(bench.dir.path().join("in")).unwrap();
    std::fs::write(bench.dir.path().join("in/a.txt"), "12345").unwrap();
    for path in ["in/a.txt", "in/../in/a.txt", "in//a.txt"] {
        let path = format!("{}/{path}", bench.dir.path().display());
        assert_eq!(read(&mut bench.source(&[("file", &path)]).await).await.unwrap(), "5 bytes", "{path}");
    }
}

#[tokio::test]
async fn a_relative_path_is_read_as_written() {
    let bench = Bench::new().await;
    // Tests run in the folder of their package.
    let size = std::fs::metadata("Cargo.toml").unwrap().len();
    let lib = std::fs::metadata("src/lib.rs").unwrap().len();
    for (path, size) in
        [("Cargo.toml", size), ("./Cargo.toml", size), ("src/lib.rs", lib), ("../plugins/src/lib.rs", lib)]
    {
        let value = read(&mut bench.source(&[("file", path)]).await).await.unwrap();
        assert_eq!(value, format!("{size} bytes"), "{path}");
    }
}

#[tokio::test]
async fn a_sink_writes_and_a_source_cannot() {
    let bench = Bench::new().await;
    let path = bench.dir.path().join("out.txt").display().to_string();
    let mut sink = bench.sink(&[("file", &path)]).await;
    sink.start().await.unwrap();
    sink.put(&batch(&["one", "two"])).await.unwrap();
    sink.put(&batch(&["three"])).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    // A source's grant is for reading: the same code in a source may not write.
    let mut source = bench.source(&[("file", &path), ("fault.start", &format!("append={path}"))]).await;
    let error = source.start().await.unwrap_err();
    assert!(
        matches!(&error, CallError::Guest(GuestError::Fatal(text)) if text.starts_with("cannot append")),
        "{error}"
    );
}

#[tokio::test]
async fn neighbours_of_the_folder_stay_hidden() {
    let bench = Bench::new().await;
    let (inside, beside) = (bench.dir.path().join("inside"), bench.dir.path().join("beside"));
    for folder in [&inside, &beside] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::write(inside.join("a.txt"), "1").unwrap();
    std::fs::write(beside.join("secret.txt"), "1").unwrap();
    std::os::unix::fs::symlink(beside.join("secret.txt"), inside.join("link.txt")).unwrap();
    let file = inside.join("a.txt").display().to_string();
    let tries = [
        beside.join("secret.txt").display().to_string(),
        inside.join("../beside/secret.txt").display().to_string(),
        inside.join("link.txt").display().to_string(),
    ];
    for path in tries {
        let mut source = bench.source(&[("file", &file), ("fault.start", &format!("read={path}"))]).await;
        let error = source.start().await.unwrap_err().to_string();
        assert!(error.starts_with("cannot read"), "{path}: {error}");
    }
}

/// A pipe that nobody writes to stands for a disk that hangs. The runtime of this test has one thread.
#[tokio::test]
async fn a_call_that_hangs_in_a_file_ends_at_its_deadline_and_holds_nobody_up() {
    let bench = Bench::new().await;
    let (file, pipe) = (bench.dir.path().join("a.txt"), bench.dir.path().join("pipe"));
    std::fs::write(&file, "12345").unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let file = file.display().to_string();
    let hangs = format!("read={}", pipe.display());
    let mut stuck = bench.source(&[("file", &file), ("fault.start", &hangs)]).await;
    let mut other = bench.source(&[("file", &file)]).await;
    let (ended, read) = tokio::join!(stuck.start(), read(&mut other));
    assert_eq!(read.unwrap(), "5 bytes");
    assert!(matches!(ended, Err(CallError::Deadline { call: "start", .. })), "{ended:?}");
    assert!(!stuck.is_alive());
    // Lets the thread go.
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
}

#[tokio::test]
async fn what_may_not_be_granted_is_refused_by_name() {
    let allowed = tempfile::TempDir::new().unwrap();
    let root = allowed.path().to_owned();
    let bench = Bench::with(|settings| settings.file_roots = vec![root]).await;
    let refused = |path: String| {
        let plugins = bench.plugins.clone();
        async move { plugins.source(spec("test.Source", &[("file", &path)])).await.unwrap_err().to_string() }
    };
    let outside = refused("/etc/passwd".to_owned()).await;
    assert!(
        outside.contains("the folder /etc is outside") && outside.contains("cofferdam.file.roots"),
        "{outside}"
    );
    let missing = allowed.path().join("none/a.txt").display().to_string();
    assert!(refused(missing.clone()).await.contains("none of the file"), "{missing}");
    // No file configured: nothing granted, nothing refused.
    bench.source(&[]).await;
    // A connector's own instance does without a missing folder, but not outside of the roots.
    bench.plugins.connector(spec("test.Source", &[("file", &missing)])).await.unwrap();
    let error = bench.plugins.connector(spec("test.Source", &[("file", "/etc/passwd")])).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "{error}");
    assert!(Path::new("/etc/passwd").exists());
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_ends() {
    let bench = Bench::with(|settings| settings.limits.call_timeout = Duration::from_hours(1)).await;
    let file = bench.dir.path().join("a.txt").display().to_string();
    std::fs::write(&file, "1").unwrap();
    let hooks = Arc::new(Recorder::default());
    let looping = spec("test.Source", &[("file", &file), ("fault.poll", "loop")]);
    let mut source = bench.plugins.source(Spec { hooks: hooks.clone(), ..looping }).await.unwrap();
    source.start().await.unwrap();
    let poll = source.poll(10, 1 << 20, Duration::ZERO);
    tokio::time::timeout(Duration::from_millis(50), poll).await.unwrap_err();
    drop(source);
    // The instance goes when its call ends.
    let gone = async {
        while Arc::strong_count(&hooks) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}
