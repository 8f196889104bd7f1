//! What a record costs in instructions, beside what it cost when `counts.json` was written. A guard against
//! regressions that does not depend on the clock; `UPDATE_EXPECT=1` writes the file anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use cofferdam_instructions::{ROUNDS, WORKS};

/// How much more than before is a regression. Processors differ in which instructions they offer.
const MARGIN: f64 = 0.10;
const PROGRAM: &str = env!("CARGO_BIN_EXE_instructions");

/// Instructions a record, by the name of the work.
type Counts = BTreeMap<String, u64>;

#[test]
fn work_takes_no_more_instructions_than_before() {
    if skip_without_valgrind() {
        return;
    }
    let counts = count();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, format!("{}\n", serde_json::to_string_pretty(&counts).unwrap())).unwrap();
    }
    let before: Counts = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(counts.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    let mut worse = Vec::new();
    println!("instructions a record");
    for (name, count) in &counts {
        let ratio = *count as f64 / before.get(name).copied().unwrap() as f64;
        println!("{name:<34} {count:>7}  {:>+6.1} %", (ratio - 1.0) * 100.0);
        if ratio > 1.0 + MARGIN {
            worse.push(name);
        }
    }
    assert!(
        worse.is_empty(),
        "{worse:?} takes more instructions than before: mend it, or say in the commit what it buys and write \
         counts.json anew with `just instructions`"
    );
}

fn count() -> Counts {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    // Compiles the guests, which is not counted and takes long under valgrind.
    let run = Command::new(PROGRAM).arg(&dir).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=*cofferdam_instructions*boundary*"])
        .arg(format!("--callgrind-out-file={}", dir.join("out").display()))
        .arg(PROGRAM)
        .arg(&dir)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    // Two parts for each work: what came before it, and the work.
    let works = WORKS.iter().enumerate();
    works
        .map(|(index, (name, records))| {
            let part = std::fs::read_to_string(dir.join(format!("out.{}", 2 * index + 2))).unwrap();
            let totals = part.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
            let total: u64 = totals.trim().parse().unwrap();
            ((*name).to_owned(), total / (ROUNDS * records) as u64)
        })
        .collect()
}

fn skip_without_valgrind() -> bool {
    if Command::new("valgrind").arg("--version").output().is_ok() {
        return false;
    }
    let text = "SKIPPED counts of instructions: valgrind is missing; `apt-get install valgrind` installs it";
    assert!(std::env::var_os("COFFERDAM_REQUIRE_ALL").is_none(), "{text}");
    println!("{text}");
    true
}
