//! The short form of every row, as a part of the test run.

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

        #[test]
        fn no_row_is_left_out() {
            let tested = [$($name),*];
            let missing: Vec<&str> = rows().map(|row| row.name).filter(|name| !tested.contains(name)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    };
}

rows! {
    kill_source: "kill-source",
    kill_sink: "kill-sink",
    broker_kill: "broker-kill",
    broker_pause: "broker-pause",
    leader_move: "leader-move",
    dlq_refused: "dlq-refused",
    too_large: "too-large",
    too_large_all: "too-large-all",
    denied_write: "denied-write",
    denied_read: "denied-read",
    trap_transform: "trap-transform",
    trap_converter: "trap-converter",
    trap_idempotent_sink: "trap-idempotent-sink",
    trap_sink: "trap-sink",
    trap_source: "trap-source",
    poison: "poison",
    hog: "hog",
    damage: "damage",
    wrong_answers: "wrong-answers",
    tasks_restarted: "tasks-restarted",
    member_comes_and_goes: "member-comes-and-goes",
    two_workers: "two-workers",
}
