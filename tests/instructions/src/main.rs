//! `instructions DIR`: the work, done once, to be run under callgrind by the test of this crate.

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let dir = std::env::args().nth(1).context("usage: instructions DIR")?;
    // One thread beside those for files: what they do is the same each time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(cofferdam_instructions::run(dir.as_ref()))
}
