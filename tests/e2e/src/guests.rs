//! Components for tests, built on first use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, bail, ensure};

/// The bytes of a component: `shop`, the example that people start from, or `misbehaving`, which does
/// every wrong thing on demand.
///
/// # Errors
/// When it does not build.
pub fn program(name: &str) -> anyhow::Result<Vec<u8>> {
    static SHOP: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    static MISBEHAVING: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let (built, manifest, target) = match name {
        "shop" => (&SHOP, "guest-connectors/examples/shop/Cargo.toml", "target/guests"),
        "misbehaving" => (&MISBEHAVING, "tests/programs/misbehaving/Cargo.toml", "target/programs"),
        other => bail!("there is no program {other}"),
    };
    let folder = built.get_or_init(|| build(manifest, target).map_err(|error| format!("{error:#}")));
    let folder = folder.as_ref().map_err(|error| anyhow::anyhow!(error.clone()))?;
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).with_context(|| path.display().to_string())
}

fn build(manifest: &str, target: &str) -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let target = root.join(target);
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2", "--manifest-path"])
        .arg(root.join(manifest))
        .arg("--target-dir")
        .arg(&target);
    // What this build was told by its cargo must not reach the other one.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let is_cargos = name.starts_with("CARGO_") && name != "CARGO_HOME" && !name.starts_with("CARGO_NET");
        if is_cargos
            || name.starts_with("RUSTFLAGS")
            || name.starts_with("RUSTC")
            || name == "LD_LIBRARY_PATH"
        {
            cargo.env_remove(&*name);
        }
    }
    let status = cargo.status().context("cargo starts")?;
    ensure!(
        status.success(),
        "{manifest} does not build; if the target is missing: rustup target add wasm32-wasip2"
    );
    Ok(target.join("wasm32-wasip2/release"))
}
