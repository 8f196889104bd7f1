//! Fixed work, whose instructions are counted: what a record costs on its way, without a clock.
//!
//! Each [`Work`] is done twice by the program of this crate, once to warm up and once, between two calls of
//! [`boundary`], to be counted. Callgrind is told to write what it has counted at each of them.

mod works;

use std::hint::black_box;
use std::path::Path;

use anyhow::ensure;

pub use works::{WORKS, Work, works};

/// How often the work is done while it is counted.
pub const ROUNDS: usize = 4;

/// Where callgrind writes what it has counted. A function of its own that does nothing, so that it is found by name.
#[inline(never)]
pub fn boundary(work: &str) {
    black_box(work);
}

/// Does all of the work; `dir` is for files, and keeps compiled guests from one run to the next.
///
/// # Errors
/// When some of it fails or does less than it should.
pub async fn run(dir: &Path) -> anyhow::Result<()> {
    for mut work in works(dir).await? {
        once(&mut work).await?;
        boundary(work.name);
        for _ in 0..ROUNDS {
            once(&mut work).await?;
        }
        boundary(work.name);
    }
    Ok(())
}

async fn once(work: &mut Work) -> anyhow::Result<()> {
    let records = work.once().await?;
    ensure!(records == work.records, "{} records, not {}: {}", records, work.records, work.name);
    Ok(())
}
