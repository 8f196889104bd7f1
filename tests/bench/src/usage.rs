//! Processor time and memory of a process, as `/proc` tells them.

use std::fs;

use anyhow::Context;

/// What Linux counts processor time in for programs: `USER_HZ`, 100 on every machine it runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time that this process and those it started and waited for have used.
///
/// # Errors
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    ticks(&stat).map(|ticks| ticks / TICKS_PER_SECOND).with_context(|| format!("the stat of process {pid}"))
}

/// The most memory that this process ever held, in KiB.
///
/// # Errors
/// When there is no such process.
pub fn peak_kib(pid: u32) -> anyhow::Result<u64> {
    status(pid, "VmHWM:")
}

/// The memory that this process holds now, in KiB.
///
/// # Errors
/// When there is no such process.
pub fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    status(pid, "VmRSS:")
}

fn status(pid: u32, name: &str) -> anyhow::Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
    kib(&status, name).with_context(|| format!("{name} of process {pid}"))
}

/// utime, stime, cutime and cstime. The name before them is in brackets and may hold brackets and spaces itself.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<f64> =
        fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, kib, peak_kib, resident_kib, ticks};

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 3 4 20 0 9 0 1 2 3";
        assert_eq!(ticks(stat), Some(307.0));
        assert_eq!(ticks("7 (short) S 1 7"), None);
    }

    #[test]
    fn memory_is_found_by_its_name() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kib(status, "VmHWM:"), Some(2048));
        assert_eq!(kib(status, "VmRSS:"), Some(1024));
        assert_eq!(kib(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let own = std::process::id();
        assert!(cpu_seconds(own).unwrap() >= 0.0);
        assert!(peak_kib(own).unwrap() >= resident_kib(own).unwrap() / 2);
        assert!(cpu_seconds(u32::MAX).is_err());
    }
}
