//! `cofferdam plugin …`

use anyhow::{Context as _, ensure};
use serde_json::Value;
use ureq::http::Method;

use super::{list, text};
use crate::cli::Plugin;
use crate::client::{Body, segment};
use crate::show::columns;

pub(crate) fn run(command: &Plugin) -> anyhow::Result<()> {
    match command {
        Plugin::Upload { file, remote } => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            ensure!(!bytes.is_empty(), "{} is empty", file.display());
            let answer = remote
                .client()?
                .call(Method::POST, "/connector-plugins", &Body::Wasm(&bytes))
                .with_context(|| format!("{} was not installed", file.display()))?;
            remote.show(&answer, |artifact| {
                let digest = text(artifact, "/digest");
                format!("installed {} ({digest})\n{}", file.display(), table(list(artifact, "/plugins")))
            })
        }
        Plugin::List { remote } => {
            let answer = remote.client()?.get("/connector-plugins?connectorsOnly=false")?;
            remote.show(&answer, |plugins| table(list(plugins, "")))
        }
        Plugin::Delete { class, remote } => {
            let path = format!("/connector-plugins/{}", segment(class));
            let answer = remote.client()?.call(Method::DELETE, &path, &Body::None)?;
            remote.show(&answer, |_| format!("removed {class}\n"))
        }
    }
}

fn table(plugins: &[Value]) -> String {
    let row = |plugin: &Value| ["/class", "/type", "/version"].map(|field| text(plugin, field));
    columns(["CLASS", "TYPE", "VERSION"], &plugins.iter().map(row).collect::<Vec<_>>())
}
