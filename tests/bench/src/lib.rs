//! Compares workers that do the same work on the same machine, one after the other and in turns: what
//! each used of the machine, and whether what it moved is what it was given.

mod case;
mod contestant;
mod data;
mod run;
pub mod spread;
mod table;
pub mod usage;

pub use case::{Case, Way, cases};
pub use contestant::Contestant;
pub use run::{Bench, Measured, Result, Size, Upkeep};
pub use table::Table;
