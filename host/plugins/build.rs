//! Builds the guests that are part of the binary and embeds them: `guest-connectors` is a workspace
//! of its own for another target, so cargo cannot do it as a dependency.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

const TARGET: &str = "wasm32-wasip2";

/// Packages and the component that each becomes.
const GUESTS: [(&str, &str); 3] = [
    ("cofferdam-file-stream", "file_stream.wasm"),
    ("cofferdam-datagen", "datagen.wasm"),
    ("cofferdam-transforms", "transforms.wasm"),
];

/// Variables of cargo that are the user's, not those of the build that runs this.
const KEPT: [&str; 6] =
    ["CARGO_HOME", "CARGO_HTTP_", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_REGISTR", "CARGO_TERM_"];

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), String> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let host = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = host.ancestors().nth(2).ok_or("host/plugins is two folders deep")?.to_owned();
    let guests = root.join("guest-connectors");
    watch(&root, &guests)?;
    let target_dir = target_dir(&out).unwrap_or_else(|| root.join("target")).join("guests");
    build(&guests.join("Cargo.toml"), &target_dir)?;
    let mut list = String::from("&[\n");
    for (_, file) in GUESTS {
        // A copy of our own: the next build of the guests must not change what this one compiles.
        let (from, to) = (target_dir.join(TARGET).join("release").join(file), out.join(file));
        fs::copy(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
        list.push_str(&format!("    include_bytes!({to:?}),\n"));
    }
    list.push_str("]\n");
    fs::write(out.join("builtin.rs"), list).map_err(|error| format!("builtin.rs: {error}"))
}

/// Names everything that the guests are made of. Not the whole of `guest-connectors`: whoever works
/// on a guest has a `target` there.
fn watch(root: &Path, guests: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", root.join("wit").display());
    println!("cargo::rerun-if-changed={}", root.join("host/frame").display());
    let entries = fs::read_dir(guests).map_err(|error| format!("{}: {error}", guests.display()))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.file_name().is_some_and(|name| name != "target") {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    Ok(())
}

fn build(manifest: &Path, target_dir: &Path) -> Result<(), String> {
    if !target_is_installed()? {
        return Err(format!("the guests need the target {TARGET}; add it with: rustup target add {TARGET}"));
    }
    let mut cargo = command(&variable("CARGO")?);
    cargo.args(["build", "--release", "--locked", "--target", TARGET, "--manifest-path"]).arg(manifest);
    // Cargo looks for it from the folder that it is called in, which is the host's.
    cargo.arg("--config").arg(manifest.with_file_name(".cargo/config.toml"));
    cargo.arg("--target-dir").arg(target_dir);
    for (package, _) in GUESTS {
        cargo.args(["--package", package]);
    }
    let status = cargo.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the guests of {} do not build", manifest.display())) }
}

/// Cargo would say so as well, as an error in the first crate that it compiles.
fn target_is_installed() -> Result<bool, String> {
    let rustc = variable("RUSTC")?;
    let output = command(&rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let output = output.map_err(|error| format!("{rustc} cannot be started: {error}"))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(output.status.success() && folder.is_dir())
}

/// A command that does not hear what this build was told by its own cargo: flags for the host's
/// target, wrappers, profiles.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let of_cargo = name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept));
        if of_cargo || name.starts_with("RUSTC") || name.starts_with("RUSTFLAGS") || name == "TARGET" {
            command.env_remove(&*name);
        }
    }
    command
}

/// The outermost folder above `out` that cargo marked as its own.
fn target_dir(out: &Path) -> Option<PathBuf> {
    out.ancestors().filter(|folder| folder.join("CACHEDIR.TAG").exists()).last().map(Path::to_owned)
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
