//! What happens when a guest does not behave: the fault is named, the instance is gone where it has
//! to be, and nothing else is hurt.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_api::{Blame, Class, Classified as _};
use cofferdam_plugins::{CallError, GuestError, TransformStep};
use cofferdam_stdx::{ByteCount, time};

use super::{Bench, batch, config, spec};

const WAIT: Duration = Duration::ZERO;

async fn start_fails(fault: &str) -> CallError {
    let bench = Bench::new().await;
    let mut source = bench.source(&[("fault.start", fault)]).await;
    source.start().await.unwrap_err()
}

async fn poll_fails(pairs: &[(&str, &str)]) -> CallError {
    let bench = Bench::new().await;
    let mut source = bench.source(pairs).await;
    source.start().await.unwrap();
    source.poll(100, 1 << 20, WAIT).await.unwrap_err()
}

fn fatal(error: CallError) -> String {
    let CallError::Guest(GuestError::Fatal(text)) = error else { panic!("{error:?}") };
    text
}

// === traps ===

#[tokio::test]
async fn a_panic_is_told_with_its_text_and_the_functions() {
    for (call, error) in [
        ("start", start_fails("trap").await),
        ("poll", poll_fails(&[("fault.poll", "trap")]).await),
        ("put", {
            let bench = Bench::new().await;
            let mut sink = bench.sink(&[("fault.put", "trap")]).await;
            sink.start().await.unwrap();
            sink.put(&batch(&["x"])).await.unwrap_err()
        }),
    ] {
        let text = error.to_string();
        assert!(text.starts_with(&format!("the plugin crashed in {call}: ")), "{text}");
        assert!(text.contains(&format!("told to panic in {call}")) && text.contains("unreachable"), "{text}");
        let trace = error.trace();
        assert!(trace.contains("misbehaving") && trace.contains("fault") && trace.contains("act"), "{trace}");
        assert_eq!((error.class(), error.blame()), (Class::Fatal, Blame::Guest));
    }
}

#[tokio::test]
async fn a_trapped_instance_is_gone_and_a_new_one_works() {
    let bench = Bench::new().await;
    let mut source = bench.source(&[("fault.poll", "unreachable")]).await;
    source.start().await.unwrap();
    assert!(source.poll(1, 1, WAIT).await.unwrap_err().poisons());
    assert!(!source.is_alive());
    assert!(matches!(source.poll(1, 1, WAIT).await, Err(CallError::Poisoned)));
    assert!(matches!(source.stop().await, Err(CallError::Poisoned)));
    let mut again = bench.source(&[]).await;
    again.start().await.unwrap();
    assert!(!again.poll(1, 1 << 20, WAIT).await.unwrap().is_empty());
}

#[tokio::test]
async fn endless_recursion_and_exit_are_traps() {
    let deep = start_fails("overflow").await.to_string();
    assert!(deep.contains("call stack exhausted"), "{deep}");
    let exit = start_fails("exit").await.to_string();
    assert!(exit.contains("crashed in start") && exit.contains("exit"), "{exit}");
}

// === time ===

#[tokio::test]
async fn a_busy_guest_and_a_sleeping_one_end_at_the_deadline() {
    for fault in ["loop", "sleep"] {
        let from = time::now();
        let error = poll_fails(&[("fault.poll", fault)]).await;
        assert!(
            matches!(error, CallError::Deadline { call: "poll", after } if after.as_millis() == 500),
            "{error:?}"
        );
        let took = from.elapsed();
        assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{fault}: {took:?}");
    }
}

/// On the only thread of a runtime, two busy guests and a timer share it.
#[tokio::test]
async fn a_busy_guest_does_not_stop_the_others() {
    let bench = Bench::with(|settings| settings.limits.call_timeout = Duration::from_secs(2)).await;
    let (mut one, mut two) = (bench.source(&[("fault.poll", "loop")]).await, bench.source(&[]).await);
    one.start().await.unwrap();
    two.start().await.unwrap();
    let busy = async { one.poll(1, 1, WAIT).await.unwrap_err() };
    let rest = async {
        let from = time::now();
        let mut beats = 0;
        while from.elapsed() < Duration::from_millis(500) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            two.poll(10, 1 << 20, WAIT).await.unwrap();
            beats += 1;
        }
        beats
    };
    let (error, beats) = tokio::join!(busy, rest);
    assert!(matches!(error, CallError::Deadline { .. }), "{error:?}");
    assert!(beats >= 5, "{beats} heartbeats in 500 ms");
}

#[tokio::test]
async fn a_dropped_call_ends_the_instance() {
    let bench = Bench::with(|settings| settings.limits.call_timeout = Duration::from_secs(60)).await;
    let mut source = bench.source(&[("fault.poll", "sleep")]).await;
    source.start().await.unwrap();
    tokio::time::timeout(Duration::from_millis(50), source.poll(1, 1, WAIT)).await.unwrap_err();
    assert!(matches!(source.poll(1, 1, WAIT).await, Err(CallError::Poisoned)));
}

#[tokio::test]
async fn cpu_is_counted_and_sleep_is_not() {
    let bench = Bench::new().await;
    for (fault, busy) in [("loop", true), ("sleep", false)] {
        let spec = spec("test.Source", &[("fault.poll", fault)]);
        let usage = Arc::clone(&spec.usage);
        let mut source = bench.plugins.source(spec).await.unwrap();
        source.start().await.unwrap();
        let before = usage.cpu_ns.load(Ordering::Relaxed);
        source.poll(1, 1, WAIT).await.unwrap_err();
        let ms = (usage.cpu_ns.load(Ordering::Relaxed) - before) / 1_000_000;
        assert_eq!(ms > 100, busy, "{fault}: {ms} ms");
    }
}

// === memory ===

#[tokio::test]
async fn memory_ends_at_its_bound() {
    let bench = Bench::new().await;
    let spec = spec("test.Source", &[("fault.poll", "grow")]);
    let usage = Arc::clone(&spec.usage);
    let mut source = bench.plugins.source(spec).await.unwrap();
    source.start().await.unwrap();
    let error = source.poll(1, 1, WAIT).await.unwrap_err();
    assert!(matches!(error, CallError::Memory { limit } if limit == ByteCount::mib(64)), "{error:?}");
    let peak = usage.memory_peak.load(Ordering::Relaxed);
    assert!((32 << 20..=64 << 20).contains(&peak), "{peak}");
    assert_eq!(usage.memory_bytes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_guest_may_take_no_for_an_answer() {
    let bench = Bench::new().await;
    let mut source = bench.source(&[("fault.poll", "shy-grow")]).await;
    source.start().await.unwrap();
    source.poll(1, 1 << 20, WAIT).await.unwrap();
    assert!(source.is_alive());
}

#[tokio::test]
async fn no_room_for_an_instance_is_said() {
    let bench = Bench::with(|settings| settings.limits.instances_max = 3).await;
    let mut all = Vec::new();
    let error = loop {
        match bench.plugins.source(spec("test.Source", &[])).await {
            Ok(source) => all.push(source),
            Err(error) => break error,
        }
    };
    assert_eq!(all.len(), 3);
    assert!(matches!(error, CallError::Exhausted(_)), "{error:?}");
    assert_eq!(error.class(), Class::Retriable);
    all.pop();
    bench.source(&[]).await;
}

// === frames ===

#[tokio::test]
async fn no_damaged_frame_gets_through() {
    for (damage, text) in [
        ("noise", "instead of CDF1"),
        ("short", "the frame says it has"),
        ("span", "has a bad value"),
        ("schema", "unknown schema 999"),
        ("src", "comes from record 7, of a batch of 0"),
    ] {
        let bench = Bench::new().await;
        let mut source = bench.source(&[("fault.frame", damage)]).await;
        source.start().await.unwrap();
        let error = source.poll(20, 1 << 20, WAIT).await.unwrap_err();
        assert!(matches!(&error, CallError::BadFrame(why) if why.contains(text)), "{damage}: {error:?}");
        assert!(source.is_alive(), "{damage}");
    }
}

#[tokio::test]
async fn a_huge_answer_is_refused_before_it_is_copied() {
    let bench = Bench::with(|settings| settings.limits.memory_max = ByteCount::mib(256)).await;
    let mut source = bench.source(&[("fault.frame", "huge")]).await;
    source.start().await.unwrap();
    let text = source.poll(1, 1, WAIT).await.unwrap_err().to_string();
    assert!(text.contains("more than 16 MiB in one call (cofferdam.guest.frame.max)"), "{text}");
}

#[tokio::test]
async fn bad_positions_are_refused() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(&[("fault.bad", "index")]).await;
    sink.start().await.unwrap();
    let error = sink.put(&batch(&["a", "b"])).await.unwrap_err();
    assert!(error.to_string().contains("calls record 2 bad, of a batch of 2 records"), "{error}");

    let mut sink = bench.sink(&[("fault.put", "bad-records=5")]).await;
    sink.start().await.unwrap();
    assert!(matches!(sink.put(&batch(&["a"])).await.unwrap_err(), CallError::BadFrame(_)));

    let mut predicate =
        bench.plugins.predicate(spec("test.Predicate", &[("fault.answers", "few")])).await.unwrap();
    let error = predicate.test(&batch(&["a", "b"])).await.unwrap_err();
    assert!(error.to_string().contains("1 answers for 2 records"), "{error}");

    for (key, value, text) in [
        ("fault.frame", "src", "comes from record 1, of a batch of 1"),
        ("fault.bad", "step", "transform 99"),
    ] {
        let step = TransformStep {
            class: "test.Transform".to_owned(),
            config: config(&[(key, value)]),
            condition: None,
        };
        let mut chain = bench.plugins.transform(spec("", &[]), &[step]).await.unwrap();
        let error = chain.apply(&batch(&["a"])).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_guest_s_own_errors_keep_the_instance() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(&[("fault.put", "retriable=250")]).await;
    sink.start().await.unwrap();
    let error = sink.put(&batch(&["a"])).await.unwrap_err();
    let backoff = Some(Duration::from_millis(250));
    assert!(matches!(&error, CallError::Guest(GuestError::Retriable { backoff: b, .. }) if *b == backoff));
    assert_eq!(error.class(), Class::Retriable);
    assert!(sink.is_alive());

    let error = start_fails("config").await;
    assert_eq!((error.class(), error.to_string().as_str()), (Class::Config, "topic: told to dislike it"));
    assert_eq!(fatal(start_fails("fatal").await), "told to fail");

    let mut sink = bench.sink(&[("fault.put", "bad-records=1")]).await;
    sink.start().await.unwrap();
    let error = sink.put(&batch(&["a", "b"])).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Guest(GuestError::BadRecords(list)) if list[0].index == 1),
        "{error:?}"
    );
}

// === the sandbox ===

#[tokio::test]
async fn nothing_outside_can_be_read_or_reached() {
    let text = fatal(start_fails("read=/etc/passwd").await);
    assert!(text.starts_with("cannot read /etc/passwd"), "{text}");
    assert_eq!(fatal(start_fails("env").await), "[] []");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = fatal(start_fails(&format!("connect={}", listener.local_addr().unwrap())).await);
    assert!(text.starts_with("cannot connect"), "{text}");
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_and_counted() {
    let out = Buffer::default();
    let writer = out.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let bench = Bench::with(|settings| settings.limits.log_lines_per_s = 20).await;
    let mut source = bench.source(&[("fault.start", "log=10000"), ("fault.poll", "print=hello")]).await;
    source.start().await.unwrap();
    drop(source);
    let mut source = bench.source(&[("fault.poll", "print=hello")]).await;
    source.start().await.unwrap();
    source.poll(1, 1 << 20, WAIT).await.unwrap();
    drop(source);
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().filter(|line| line.contains("line ")).count();
    assert!((20..400).contains(&lines), "{lines}");
    assert!(text.contains("log lines of this plugin were dropped"), "{text}");
    assert!(text.contains("guest: hello connector=\"test\" task=\"0\""), "{text}");
}
