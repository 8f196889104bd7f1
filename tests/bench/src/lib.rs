//! Compares workers that do the same work on the same machine, one after the other and in turns: what
//! each used of the machine, and whether what it moved is what it was given.

pub mod bare;
mod case;
mod contestant;
mod crowd;
mod data;
mod latency;
mod machine;
mod report;
mod run;
mod sample;
pub mod spread;
mod table;
pub mod usage;

pub use case::{Case, Way, cases};
pub use contestant::Contestant;
pub use report::report;
pub use run::{Bench, Cell, Plan, Size};
pub use sample::{Metric, Sample, Samples};
pub use table::Table;
