// The components of tests/programs, built on first use. A file to include, not a crate, because the tests that
// need it belong to two workspaces' worth of crates:
//
//     #[path = "../../../../tests/programs/support.rs"]
//     mod programs;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The component `name`: one of tests/programs, such as `misbehaving`, or an example that people start from: `shop`
/// or `csv-converter`.
pub(crate) fn program(name: &str) -> Vec<u8> {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    static EXAMPLES: OnceLock<PathBuf> = OnceLock::new();
    let folder = match name {
        "shop" | "csv-converter" => EXAMPLES.get_or_init(|| {
            build(
                "guest-connectors",
                "guests",
                &["-p", "cofferdam-example-shop", "-p", "cofferdam-example-csv"],
            )
        }),
        _ => PROGRAMS.get_or_init(|| build("tests/programs", "programs", &[])),
    };
    let path = folder.join(format!("{}.wasm", name.replace('-', "_")));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn build(workspace: &str, target: &str, packages: &[&str]) -> PathBuf {
    let root = root();
    let target = root.join("target").join(target);
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2", "--manifest-path"])
        .arg(root.join(workspace).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(packages);
    // What this build was told by its cargo must not reach the other one.
    const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_TERM_"];
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let of_cargo = name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept));
        if of_cargo || name.starts_with("RUSTFLAGS") || name.starts_with("RUSTC") || name == "LD_LIBRARY_PATH"
        {
            cargo.env_remove(&*name);
        }
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(
        status.success(),
        "{workspace} does not build; if the target is missing: rustup target add wasm32-wasip2"
    );
    target.join("wasm32-wasip2/release")
}

fn root() -> PathBuf {
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    while !folder.join("tests/programs/Cargo.toml").exists() {
        folder = folder.parent().expect("tests/programs is in a folder above");
    }
    folder.to_owned()
}
