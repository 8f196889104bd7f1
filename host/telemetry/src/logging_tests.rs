//! Lines as an operator reads them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs through `f` and compares what was printed, without the times.
fn check(format: Format, filter: &str, f: impl FnOnce(), expected: &Expect) {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = subscriber(format, filter, false, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, f);
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let year = &utc(cofferdam_stdx::time::wall_ms())[..4];
    let mut out = String::new();
    for line in text.lines() {
        let start = line.find(year).filter(|at| *at < 12);
        match start {
            Some(at) => out.push_str(&format!("{}TIME{}\n", &line[..at], &line[at + 24..])),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    expected.assert_eq(&out);
}

#[test]
fn a_line_names_the_connector_and_task_it_is_about() {
    let work = || {
        tracing::info!(port = 8083, "listening");
        let connector = tracing::info_span!("connector", connector = "orders");
        let _in_connector = connector.entered();
        tracing::warn!(reason = "no such file", "waiting");
        let _in_task = tracing::info_span!("task", task = 3).entered();
        tracing::error!(topic = "t", "failed");
        tracing::info!(connector = %"other", "about another");
        tracing::debug!("not shown");
    };
    check(
        Format::Human,
        "info",
        work,
        &expect![[r#"
        TIME INFO  listening port=8083
        TIME WARN  [orders] waiting reason="no such file"
        TIME ERROR [orders-3] failed topic=t
        TIME INFO  [other] about another
    "#]],
    );
}

#[test]
fn work_of_the_supervisor_goes_by_its_name() {
    let work = || {
        let _span = tracing::info_span!("", task = ?Some(1), name = "connect-offsets").entered();
        tracing::info!("read to the end");
        tracing::info!(task = %"orders-eu-0", "running");
    };
    check(
        Format::Human,
        "info",
        work,
        &expect![[r#"
        TIME INFO  [connect-offsets] read to the end
        TIME INFO  [orders-eu-0] running
    "#]],
    );
}

#[test]
fn json_has_one_object_a_line() {
    let work = || {
        let _span = tracing::info_span!("x", connector = "orders", task = 0_u32).entered();
        tracing::info!(target: "cofferdam", records = 5, took_ms = 1.5, done = true, "put \"it\"\nthere");
    };
    check(
        Format::Json,
        "info",
        work,
        &expect![[r#"
        {"time":"TIME","level":"INFO","connector":"orders","task":0,"target":"cofferdam","message":"put \"it\"\nthere","records":5,"took_ms":1.5,"done":true}
    "#]],
    );
}

#[test]
fn text_from_outside_cannot_forge_a_line() {
    let work = || tracing::info!("first\nERROR second\x1b[2J");
    check(
        Format::Human,
        "info",
        work,
        &expect![[r#"
        TIME INFO  first
            ERROR second\u{1b}[2J
    "#]],
    );
}

#[test]
fn debug_lines_say_where_they_come_from_and_libraries_stay_quiet() {
    let work = || {
        tracing::debug!(target: "cofferdam_kafka", "x");
        tracing::debug!(target: "wasmtime", "y");
    };
    check(
        Format::Human,
        "debug",
        work,
        &expect![[r#"
        TIME DEBUG x (cofferdam_kafka)
    "#]],
    );
    check(
        Format::Human,
        "error,wasmtime=debug",
        work,
        &expect![[r#"
        TIME DEBUG y (wasmtime)
    "#]],
    );
}

#[test]
fn a_filter_that_cannot_be_read_is_refused() {
    let error = env_filter("cofferdam=loud").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("cofferdam=loud"), "{error}");
}

#[test]
fn times_are_those_of_the_calendar() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_377_099_840, "2026-11-22T19:51:39.840Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(utc(ms), text);
    }
}
