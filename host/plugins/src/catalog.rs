//! Which artifacts there are, and which class each offers. A pure table: no I/O, no guests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use wasmtime::component::InstancePre;

use crate::contract::Exports;
use crate::host::State;
use crate::{Artifact, InstallError, Origin, PluginInfo, PluginKind, RemoveError};

/// A component ready to be instantiated. Instances keep theirs alive when it is replaced.
pub(crate) struct Installed {
    pub(crate) artifact: Artifact,
    pub(crate) component: InstancePre<State>,
    pub(crate) exports: Exports,
}

/// Artifacts by digest, classes by name.
#[derive(Default)]
pub(crate) struct Catalog {
    artifacts: BTreeMap<String, Arc<Installed>>,
    /// Digest of the artifact that offers each class.
    classes: BTreeMap<String, String>,
    /// Classes by every name that means exactly one of them.
    names: HashMap<String, Vec<String>>,
}

impl Catalog {
    /// Whether `new` may be installed: an uploaded class may be replaced by an upload, no other.
    ///
    /// # Errors
    /// [`InstallError::Taken`].
    pub(crate) fn check(&self, new: &Artifact) -> Result<(), InstallError> {
        for plugin in &new.plugins {
            let Some(holder) = self.holder(&plugin.class) else { continue };
            let (digest, origin) = (&holder.artifact.digest, holder.artifact.origin);
            let replaces = origin == Origin::Upload && new.origin == Origin::Upload;
            if *digest != new.digest && !replaces {
                return Err(InstallError::Taken {
                    class: plugin.class.clone(),
                    origin,
                    digest: digest.clone(),
                });
            }
        }
        Ok(())
    }

    /// Installs what [`Catalog::check`] accepted. Answers the digests of uploads that now offer
    /// nothing and are gone.
    pub(crate) fn insert(&mut self, new: Arc<Installed>) -> Vec<String> {
        let digest = new.artifact.digest.clone();
        for plugin in &new.artifact.plugins {
            self.classes.insert(plugin.class.clone(), digest.clone());
        }
        self.artifacts.insert(digest, new);
        let gone: Vec<String> = self
            .artifacts
            .keys()
            .filter(|digest| !self.classes.values().any(|holder| holder == *digest))
            .cloned()
            .collect();
        for digest in &gone {
            self.artifacts.remove(digest);
        }
        self.index();
        gone
    }

    /// The uploaded artifact that `name`, a class or a digest, means.
    ///
    /// # Errors
    /// When there is none, or it was not uploaded.
    pub(crate) fn uploaded(&self, name: &str) -> Result<Arc<Installed>, RemoveError> {
        let found = self.artifacts.get(name).or_else(|| self.holder(name));
        let found = found.ok_or_else(|| RemoveError::NotFound(name.to_owned()))?;
        match found.artifact.origin {
            Origin::Upload => Ok(Arc::clone(found)),
            origin => Err(RemoveError::NotUploaded { class: name.to_owned(), origin }),
        }
    }

    /// Forgets an artifact and its classes.
    pub(crate) fn remove(&mut self, digest: &str) {
        self.artifacts.remove(digest);
        self.classes.retain(|_, holder| holder != digest);
        self.index();
    }

    /// Every artifact, with the classes that it still offers.
    pub(crate) fn artifacts(&self) -> Vec<Artifact> {
        let offered = |artifact: &Artifact| {
            let mut artifact = artifact.clone();
            artifact.plugins.retain(|plugin| self.classes.get(&plugin.class) == Some(&artifact.digest));
            artifact
        };
        self.artifacts.values().map(|installed| offered(&installed.artifact)).collect()
    }

    /// Every plugin, by class.
    pub(crate) fn plugins(&self) -> Vec<PluginInfo> {
        self.classes.keys().filter_map(|class| self.by_class(class)).map(|(info, _)| info).collect()
    }

    /// The plugin that `name` means, if it is one of `kinds`: a full name, or a simple name or alias
    /// that means only one.
    pub(crate) fn find(&self, name: &str, kinds: &[PluginKind]) -> Option<(PluginInfo, Arc<Installed>)> {
        let of_kind = |class: &str| self.by_class(class).filter(|(info, _)| kinds.contains(&info.kind));
        if self.classes.contains_key(name) {
            return of_kind(name);
        }
        let mut found = self.names.get(name)?.iter().filter_map(|class| of_kind(class));
        match (found.next(), found.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    fn by_class(&self, class: &str) -> Option<(PluginInfo, Arc<Installed>)> {
        let installed = self.holder(class)?;
        let info = installed.artifact.plugins.iter().find(|plugin| plugin.class == class)?;
        Some((info.clone(), Arc::clone(installed)))
    }

    fn holder(&self, class: &str) -> Option<&Arc<Installed>> {
        self.artifacts.get(self.classes.get(class)?)
    }

    fn index(&mut self) {
        let mut names: HashMap<String, Vec<String>> = HashMap::new();
        for plugin in self.plugins() {
            for name in other_names(&plugin) {
                names.entry(name).or_default().push(plugin.class.clone());
            }
        }
        self.names = names;
    }
}

/// Kafka Connect's ways to write a class short: without its package, and without the word that says
/// what it is; and what the plugin itself says.
fn other_names(plugin: &PluginInfo) -> Vec<String> {
    let simple = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let mut names = Vec::new();
    for full in std::iter::once(&plugin.class).chain(&plugin.aliases) {
        let simple = simple(full);
        let pruned = simple.strip_suffix(plugin.kind.suffix()).filter(|pruned| !pruned.is_empty());
        names.extend(pruned.map(str::to_owned));
        names.push(simple);
        names.push(full.clone());
    }
    names.sort();
    names.dedup();
    names.retain(|name| *name != plugin.class);
    names
}
