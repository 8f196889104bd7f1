//! The short form of some rows, as a part of the test run.

use cofferdam_e2e::skip_without_kafka;
use cofferdam_faults::{Scale, rows};

fn holds(name: &str) -> anyhow::Result<()> {
    let row = rows().find(|row| row.name == name);
    let row = row.ok_or_else(|| anyhow::anyhow!("no row is called {name}"))?;
    if skip_without_kafka(&format!("faults {name}")) {
        return Ok(());
    }
    let outcome = row.run(Scale::Short)?;
    println!("{}: {outcome:?}", row.fault);
    anyhow::ensure!(outcome.is_good(), "{}: {outcome:?}", row.fault);
    Ok(())
}

macro_rules! rows {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() -> anyhow::Result<()> { holds($name) })*
    };
}

// One of each kind, so that the test run stays short; `just faults --short` runs them all.
rows! {
    kill_source: "kill-source",
    kill_sink: "kill-sink",
    kill_sink_exactly_once: "kill-sink-exactly-once",
    broker_kill: "broker-kill",
    dlq_refused: "dlq-refused",
    too_large_all: "too-large-all",
    trap_transform: "trap-transform",
    trap_idempotent_sink: "trap-idempotent-sink",
    damage: "damage",
    member_comes_and_goes: "member-comes-and-goes",
}
