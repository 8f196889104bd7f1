//! The drawing of ARCHITECTURE.md as a test: a crate uses rows above its own only, and each of the
//! large libraries is seen by one crate. A new arrow is a design decision: change the drawing, this
//! test and `docs/adr` together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Rows from the bottom of the map (used by all) to its top.
const ROWS: [&[&str]; 7] = [
    &["stdx", "frame"],
    &["api", "config", "telemetry"],
    &["kafka", "converters", "plugins", "worker-api"],
    &["storage"],
    &["runtime", "herder"],
    &["rest"],
    &["cofferdam"],
];

/// Arrows within a row.
const SIDEWAYS: [(&str, &str); 1] = [
    // ConfigDef speaks of configurations as `api` defines them.
    ("config", "api"),
];

/// Libraries that one crate wraps, so that they can be exchanged and their traps lie in one place.
const WRAPPED: [(&str, &[&str]); 5] = [
    ("rdkafka", &["kafka"]),
    ("noida-db", &["kafka"]),
    ("wasmtime", &["plugins"]),
    ("wasmtime-wasi", &["plugins"]),
    ("axum", &["rest"]),
];

/// Normal dependencies of each host crate, by folder name.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let host = |package: &&Value| package["manifest_path"].as_str().unwrap().contains("/host/");
    let folder = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        manifest.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
    };
    let normal = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().filter(host).map(|package| (folder(package), normal(package))).collect()
}

fn row(name: &str) -> usize {
    ROWS.iter().position(|row| row.contains(&name)).unwrap_or_else(|| panic!("{name} is not on the map"))
}

#[test]
fn crates_use_only_rows_above_their_own() {
    let crates = dependencies();
    assert_eq!(
        crates.len(),
        ROWS.iter().map(|row| row.len()).sum::<usize>(),
        "crates missing or not on the map"
    );
    for (user, used) in &crates {
        for used in used.iter().filter_map(|name| name.strip_prefix("cofferdam-")) {
            let allowed = row(used) < row(user) || SIDEWAYS.contains(&(user, used));
            assert!(allowed, "{user} (row {}) must not use {used} (row {})", row(user), row(used));
        }
    }
}

#[test]
fn each_large_library_is_seen_by_one_crate() {
    for (user, used) in dependencies() {
        for (library, owners) in WRAPPED {
            let seen = used.iter().any(|name| name == library);
            assert!(
                !seen || owners.contains(&user.as_str()),
                "{user} uses {library}, which belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn the_frame_codec_needs_nothing_that_guests_could_not_compile() {
    assert_eq!(dependencies()["frame"], ["simdutf8"], "guests compile it too");
}
