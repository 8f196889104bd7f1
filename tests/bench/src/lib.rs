//! What a comparison of workers on one machine is computed from: the use that a process tree makes of
//! the machine, and ratios over rounds. Starts nothing itself.

pub mod spread;
pub mod usage;
