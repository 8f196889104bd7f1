//! Settings and bounds of everything that runs guests.

use std::path::PathBuf;
use std::time::Duration;

use cofferdam_stdx::ByteCount;

/// Settings of [`crate::Plugins`].
#[derive(Clone, Debug)]
pub struct PluginSettings {
    /// Folder of compiled components; ours alone.
    pub cache_dir: PathBuf,
    /// Folder of uploaded components.
    pub store_dir: PathBuf,
    /// Bounds of guests.
    pub limits: Limits,
    /// Folders that files of connectors may be in (`cofferdam.file.roots`).
    pub file_roots: Vec<PathBuf>,
}

/// Bounds of one guest instance, and of all together.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of one instance (`cofferdam.guest.memory.max`).
    pub memory_max: ByteCount,
    /// Time for one call (`cofferdam.guest.call.timeout.ms`).
    pub call_timeout: Duration,
    /// Bytes that one call may hand to the host (`cofferdam.guest.frame.max`).
    pub frame_max: ByteCount,
    /// Log lines of one instance a second; more are dropped and counted.
    pub log_lines_per_s: u32,
    /// Elements of one table of functions.
    pub table_elements_max: usize,
    /// Instances at one time.
    pub instances_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_max: ByteCount::mib(256),
            call_timeout: Duration::from_secs(60),
            frame_max: ByteCount::mib(64),
            log_lines_per_s: 100,
            table_elements_max: 100_000,
            instances_max: 2_500,
        }
    }
}
