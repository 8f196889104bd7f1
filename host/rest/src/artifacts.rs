//! What the upload routes need of the plugins: a seam, so that the API can be tested without an engine.

use async_trait::async_trait;
use bytes::Bytes;
use cofferdam_api::{Class, Classified, chain};
use cofferdam_plugins::{Artifact, Origin, PluginKind, Plugins};

/// Why an artifact was not installed or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ArtifactError {
    /// What can be done.
    pub class: Class,
    /// The whole text.
    pub message: String,
}

/// Installed components.
#[async_trait]
pub trait Artifacts: Send + Sync {
    /// Every artifact.
    fn artifacts(&self) -> Vec<Artifact>;

    /// The artifact with this digest, or the one that offers this class or alias.
    fn find(&self, name: &str) -> Option<Artifact>;

    /// Installs an uploaded component.
    ///
    /// # Errors
    /// When it is no component of this worker's contract.
    async fn install(&self, bytes: Bytes) -> Result<Artifact, ArtifactError>;

    /// Removes an uploaded artifact.
    ///
    /// # Errors
    /// When there is none or it was not uploaded.
    async fn remove(&self, name: &str) -> Result<(), ArtifactError>;
}

#[async_trait]
impl Artifacts for Plugins {
    fn artifacts(&self) -> Vec<Artifact> {
        Self::artifacts(self)
    }

    fn find(&self, name: &str) -> Option<Artifact> {
        const ALL: [PluginKind; 6] = [
            PluginKind::Source,
            PluginKind::Sink,
            PluginKind::Transform,
            PluginKind::Predicate,
            PluginKind::Converter,
            PluginKind::HeaderConverter,
        ];
        let by_class = self.plugin(name, &ALL).map(|plugin| plugin.digest);
        let all = Self::artifacts(self);
        all.into_iter()
            .find(|artifact| artifact.digest == name || Some(&artifact.digest) == by_class.as_ref())
    }

    async fn install(&self, bytes: Bytes) -> Result<Artifact, ArtifactError> {
        Self::install(self, bytes, Origin::Upload).await.map_err(|error| ArtifactError::of(&error))
    }

    async fn remove(&self, name: &str) -> Result<(), ArtifactError> {
        Self::remove(self, name).await.map(|_| ()).map_err(|error| ArtifactError::of(&error))
    }
}

impl ArtifactError {
    fn of(error: &(impl Classified + 'static)) -> Self {
        Self { class: error.class(), message: chain(error) }
    }
}
