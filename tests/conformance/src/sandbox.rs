//! The shipped guests, and instances of them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_plugins::{Label, Limits, NoHooks, PluginSettings, Plugins, Spec, Usage};

/// The worker's plugins with the shipped guests installed. Compiled code is kept beside the program,
/// so that only the first run compiles.
///
/// # Errors
/// When the machine cannot run guests.
pub async fn guests() -> anyhow::Result<Plugins> {
    let program = std::env::current_exe().context("this program's own file")?;
    let folder: PathBuf = program.parent().context("this program's folder")?.join("conformance-plugins");
    let plugins = Plugins::new(PluginSettings {
        cache_dir: folder.join("cache"),
        store_dir: folder.join("store"),
        limits: Limits::default(),
        file_roots: Vec::new(),
    })?;
    plugins.load_builtin().await?;
    Ok(plugins)
}

/// What an instance is made from.
#[must_use]
pub fn spec(class: &str, config: ConfigMap, schemas: &Arc<Schemas>, usage: &Arc<Usage>) -> Spec {
    Spec {
        class: class.to_owned(),
        config,
        label: Label { connector: "conformance".to_owned(), task: Some(0) },
        schemas: Arc::clone(schemas),
        usage: Arc::clone(usage),
        hooks: Arc::new(NoHooks),
    }
}
