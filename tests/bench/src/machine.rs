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
        ("Cofferdam", Some(concat!(env!("CARGO_PKG_VERSION"), ", release build").to_owned())),
    ];
    let known = |(name, value): (&'static str, Option<String>)| Some((name, value?.trim().to_owned()));
    all.into_iter().filter_map(known).collect()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let (_, value) = text.lines().find(|line| line.starts_with(name))?.split_once(':')?;
    Some(value.to_owned())
}

fn java() -> Option<String> {
    let output = Command::new("java").arg("-version").output().ok()?;
    String::from_utf8(output.stderr).ok()?.lines().nth(1).map(str::to_owned)
}
