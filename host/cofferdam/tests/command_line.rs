//! The binary as a user calls it: exit codes, and errors that say what to do next.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn cofferdam(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(arguments).env_remove("COFFERDAM_URL").env_remove("COFFERDAM_LOG").stdin(Stdio::null());
    command
}

/// Runs it to its end and expects this exit code and these parts in what it says.
fn check(arguments: &[&str], code: i32, parts: &[&str]) {
    let output = cofferdam(arguments).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for part in parts {
        assert!(text.contains(part), "{arguments:?}: no {part:?} in: {text}");
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An address where nobody answers.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn wrong_usage_is_2_and_shows_the_right_one() {
    check(&[], 2, &["Usage: cofferdam"]);
    check(&["connector", "create"], 2, &["<FILE>"]);
    check(&["dev", "--rest", "nowhere"], 2, &["HOST:PORT is expected"]);
    check(&["connector", "create", "x", "--wait", "long"], 2, &["a number of seconds"]);
    check(&["--version"], 0, &[env!("CARGO_PKG_VERSION")]);
    check(&["connector", "--help"], 0, &["pause", "restart"]);
}

#[test]
fn without_a_worker_commands_say_how_to_start_one() {
    let url = format!("http://{}", nobody());
    for command in [&["connector", "list"][..], &["connector", "status", "a"], &["plugin", "list"]] {
        let arguments = [command, &["--url", &url]].concat();
        check(&arguments, 1, &[&format!("no worker answers at {url}"), "cofferdam dev", "--url"]);
    }
    check(&["connector", "list", "--url", "nonsense"], 1, &["is no address of a worker"]);
    check(&["plugin", "upload", "/no/such.wasm"], 1, &["cannot read /no/such.wasm"]);
}

#[test]
fn faults_of_files_are_told_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let worker = dir.path().join("worker.properties");
    check(&["distributed", path(&worker)], 1, &["cannot read", "worker.properties"]);
    std::fs::write(&worker, "bootstrap.servers=127.0.0.1:9\ngroup.id=\n").unwrap();
    check(&["distributed", path(&worker)], 1, &["config.storage.topic", "key.converter"]);
    check(&["dev", "--log", "cofferdam=loud"], 1, &["is no log filter"]);

    let converter = "org.apache.kafka.connect.storage.StringConverter";
    let text = format!(
        "bootstrap.servers=127.0.0.1:9\nkey.converter={converter}\nvalue.converter={converter}\n\
         offset.storage.file.filename={}\n",
        dir.path().join("offsets").display()
    );
    std::fs::write(&worker, text).unwrap();
    let connector = dir.path().join("connector.json");
    std::fs::write(&connector, r#"{"connector.class": "X"}"#).unwrap();
    check(&["standalone", path(&worker), path(&connector)], 3, &["connector.json", "the key \"name\""]);
}

#[test]
fn a_broker_that_does_not_answer_ends_the_start_with_kafka_connects_text() {
    let dir = tempfile::tempdir().unwrap();
    let worker = dir.path().join("worker.properties");
    let converter = "org.apache.kafka.connect.storage.StringConverter";
    let text = format!(
        "bootstrap.servers={}\nkey.converter={converter}\nvalue.converter={converter}\nlisteners=http://127.0.0.1:0\n\
         default.api.timeout.ms=2000\nrequest.timeout.ms=1000\noffset.storage.file.filename={}\ncofferdam.data.dir={}\n",
        nobody(),
        dir.path().join("offsets").display(),
        dir.path().join("data").display()
    );
    std::fs::write(&worker, text).unwrap();
    let parts = ["Failed to connect to and describe Kafka cluster", "bootstrap.servers"];
    check(&["standalone", path(&worker)], 1, &parts);
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let data = ["--data", path(dir.path())];
    check(
        &[&["dev", "--rest", &taken, "--kafka", "127.0.0.1:0"][..], &data].concat(),
        1,
        &[&taken, "--rest"],
    );
    check(&[&["dev", "--kafka", &taken][..], &data].concat(), 1, &[&taken, "--kafka"]);
}

#[test]
fn dev_says_where_it_is_and_ends_in_good_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut worker = Dev::start(dir.path());
    assert!(worker.hello.contains("its topics live in memory"), "{}", worker.hello);
    let url = worker.url();

    check(&["connector", "list", "--url", &url], 0, &["no connectors"]);
    check(&["connector", "list", "--url", &url, "-o", "json"], 0, &["{}"]);
    check(&["connector", "status", "a", "--url", &url], 1, &["No status found for connector a"]);
    check(&["connector", "pause", "a b", "--url", &url], 1, &["Unknown connector a b"]);
    check(&["plugin", "list", "--url", &url], 0, &["CLASS", "StringConverter"]);
    check(&["plugin", "delete", "no.Such", "--url", &url], 1, &["no.Such"]);
    let text = dir.path().join("text.wasm");
    std::fs::write(&text, "not at all").unwrap();
    check(
        &["plugin", "upload", path(&text), "--url", &url],
        1,
        &["text.wasm was not installed", "not WebAssembly"],
    );
    let connector = dir.path().join("c.properties");
    std::fs::write(&connector, "name=c\nconnector.class=no.Such\n").unwrap();
    check(
        &["connector", "create", path(&connector), "--url", &url],
        1,
        &["c.properties was not created", "no.Such"],
    );

    worker.signal("TERM");
    assert_eq!(worker.end(), Some(0));
}

/// A worker of its own, killed with this value.
struct Dev {
    child: Child,
    hello: String,
}

impl Dev {
    fn start(data: &Path) -> Self {
        let mut command =
            cofferdam(&["dev", "--rest", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--data", path(data)]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut hello = String::new();
        // Ends when the worker is ready, or has ended.
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            hello += &line;
            hello.push('\n');
            if line == "ready" {
                break;
            }
        }
        Self { child, hello }
    }

    fn url(&self) -> String {
        let line = self.hello.lines().find(|line| line.contains("REST API")).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
