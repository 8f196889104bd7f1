//! Figures, not assertions: `cargo test -p cofferdam-plugins --test it -- --ignored --nocapture measure`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cofferdam_plugins::{Limits, Origin, Plugins, TransformStep};
use cofferdam_stdx::time;

use super::{Bench, batch, config, programs, settings, spec};

const WAIT: Duration = Duration::ZERO;

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = status.lines().find(|line| line.starts_with("Rss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "measures"]
async fn instances_and_calls() {
    let bench = Bench::with(|settings| settings.limits = Limits::default()).await;
    for round in 0..3 {
        let from = time::now();
        for _ in 0..200 {
            bench.source(&[]).await.start().await.unwrap();
        }
        println!("instance + start + drop, round {round}: {:?}", from.elapsed() / 200);
    }
    let mut source = bench.source(&[("records", "0")]).await;
    source.start().await.unwrap();
    let from = time::now();
    for _ in 0..10_000 {
        source.poll(500, 1 << 20, WAIT).await.unwrap();
    }
    println!("empty poll: {:?}", from.elapsed() / 10_000);

    let mut sink = bench.sink(&[]).await;
    sink.start().await.unwrap();
    for n in [1, 10, 500] {
        let values = vec!["x".repeat(100); n];
        let frame = batch(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let rounds = 20_000 / (n as u32 + 1) + 100;
        let from = time::now();
        for _ in 0..rounds {
            sink.put(&frame).await.unwrap();
        }
        println!("put of {n} records of 100 B: {:?}", from.elapsed() / rounds);
    }
    let mut source = bench.source(&[("records", "100000000")]).await;
    source.start().await.unwrap();
    let from = time::now();
    for _ in 0..500 {
        source.poll(500, 1 << 20, WAIT).await.unwrap();
    }
    println!("poll of 500 records: {:?}", from.elapsed() / 500);

    let before = rss_kib();
    let mut all = Vec::new();
    for _ in 0..1_500 {
        let mut source = bench.source(&[]).await;
        source.start().await.unwrap();
        source.poll(100, 1 << 20, WAIT).await.unwrap();
        all.push(source);
    }
    println!("resident memory of 100 instances after a call: {} KiB", (rss_kib() - before) / 15);
    drop(all);

    bench.plugins.install(programs::program("only-transform").into(), Origin::Upload).await.unwrap();
    let step = TransformStep { class: "OnlyTransform".to_owned(), config: config(&[]), condition: None };
    let spec = spec("", &[]);
    let usage = Arc::clone(&spec.usage);
    let mut chain = bench.plugins.transform(spec, &[step]).await.unwrap();
    for n in [1, 500] {
        let values = vec!["x".repeat(100); n];
        let frame = batch(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let (from, cpu, guest) = (time::now(), cpu_ns(), usage.cpu_ns.load(Ordering::Relaxed));
        for _ in 0..5_000 {
            chain.apply(&frame).await.unwrap();
        }
        let (took, cpu) = (from.elapsed() / 5_000, (cpu_ns() - cpu) / 5_000);
        let guest = (usage.cpu_ns.load(Ordering::Relaxed) - guest) / 5_000;
        println!(
            "there and back, {n} records of 100 B: {took:?}, CPU {cpu} ns, of it {guest} ns in the call"
        );
    }
}

#[tokio::test]
#[ignore = "measures"]
async fn start() {
    for round in ["compiled", "cached", "cached"] {
        static DIR: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
        let mut settings = settings(DIR.get_or_init(|| tempfile::TempDir::new().unwrap()));
        settings.limits = Limits::default();
        let from = time::now();
        let plugins = Plugins::new(settings).unwrap();
        let engine = from.elapsed();
        plugins.load_builtin().await.unwrap();
        println!("{round}: engine {engine:?}, engine and built-in plugins {:?}", from.elapsed());
    }
    let before = ticker_jiffies();
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("jiffies of idle tickers in 3 s: {}", ticker_jiffies() - before);
}

fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn ticker_jiffies() -> i64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path());
    let stats = tasks.filter_map(|path| std::fs::read_to_string(path.join("stat")).ok());
    let jiffies = |stat: String| {
        let fields: Vec<i64> = stat.split(' ').filter_map(|field| field.parse().ok()).collect();
        fields.get(11).copied().unwrap_or(0) + fields.get(12).copied().unwrap_or(0)
    };
    stats.filter(|stat| stat.contains("guest-epoch")).map(jiffies).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "measures"]
async fn files() {
    let bench = Bench::with(|settings| settings.limits = Limits::default()).await;
    let path = bench.dir.path().join("big").display().to_string();
    std::fs::write(&path, vec![b'x'; 100 << 20]).unwrap();
    for buffer in ["8192", "65536", "1048576"] {
        for round in 0..2 {
            let mut source = bench.source(&[("file", &path), ("buffer", buffer)]).await;
            source.start().await.unwrap();
            let from = time::now();
            source.poll(1, 1 << 20, WAIT).await.unwrap();
            println!("read 100 MB, buffer {buffer}, round {round}: {:?}", from.elapsed());
        }
    }
    let out = bench.dir.path().join("out").display().to_string();
    let mut sink = bench.sink(&[("file", &out)]).await;
    sink.start().await.unwrap();
    let line = "x".repeat(1 << 20);
    let from = time::now();
    for _ in 0..100 {
        sink.put(&batch(&[&line])).await.unwrap();
    }
    println!("write 100 MB in batches of 1 MB: {:?}", from.elapsed());
}
