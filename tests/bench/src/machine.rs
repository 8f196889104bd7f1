//! What the figures were measured on.

use std::fs;
use std::process::Command;

/// A name and what it is here.
pub(crate) type Fact = (&'static str, String);

/// The machine and the versions of what was compared; what cannot be found out is left out.
pub(crate) fn facts() -> Vec<Fact> {
    let cores = std::thread::available_parallelism().ok().map(|n| n.to_string());
    let all = [
        ("Processor", field("/proc/cpuinfo", "model name")),
        ("Cores", cores),
        ("Memory", field("/proc/meminfo", "MemTotal")),
        ("Kernel", fs::read_to_string("/proc/sys/kernel/osrelease").ok()),
        ("Java", java()),
        ("Kafka and Kafka Connect", cofferdam_e2e::kafka_version()),
        ("librdkafka", Some(rdkafka::util::get_rdkafka_version().1)),
        ("Cofferdam", Some(format!("{}, release build{}", env!("CARGO_PKG_VERSION"), commit()))),
    ];
    let known = |(name, value): (&'static str, Option<String>)| Some((name, value?.trim().to_owned()));
    all.into_iter().filter_map(known).collect()
}

/// Writes to most of the memory that is free, once. A virtual machine gets a page from its host when it is first written
/// to, which takes far longer than anything later, and would be counted against who has its turn first.
pub(crate) fn touch_memory() {
    let available = field("/proc/meminfo", "MemAvailable").and_then(|kib| {
        let kib: usize = kib.trim().trim_end_matches(" kB").parse().ok()?;
        kib.checked_mul(1024)
    });
    let bytes = available.unwrap_or_default() / 4 * 3;
    drop(std::hint::black_box(vec![1_u8; bytes]));
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let (_, value) = text.lines().find(|line| line.starts_with(name))?.split_once(':')?;
    Some(value.to_owned())
}

/// The commit of the checkout that this was built from.
fn commit() -> String {
    let mut git = Command::new("git");
    let output = git.args(["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short", "HEAD"]).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.and_then(|text| String::from_utf8(text).ok())
        .map(|text| format!(", commit {}", text.trim()))
        .unwrap_or_default()
}

fn java() -> Option<String> {
    let output = Command::new("java").arg("-version").output().ok()?;
    String::from_utf8(output.stderr).ok()?.lines().nth(1).map(str::to_owned)
}
