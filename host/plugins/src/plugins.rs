//! [`Plugins`]: installing, finding and starting plugins.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use cofferdam_api::{ConfigMap, Schemas};
use wasmtime::component::Instance;

use crate::cache::{Cache, digest_of, private_dir, write_atomically};
use crate::catalog::{Catalog, Installed};
use crate::contract::{Exports, check_bytes, check_component};
use crate::convert::{config_out, key_errors};
use crate::engine::Runtime;
use crate::grants::{Missing, preopens};
use crate::guest::Guest;
use crate::instances::Parts;
use crate::{
    Artifact, CallError, ConnectorInstance, ConverterInstance, InstallError, KeyErrors, Label, NoHooks,
    Origin, Part, PluginInfo, PluginKind, PluginSettings, PredicateInstance, RemoveError, SetupError,
    SinkInstance, SourceInstance, Spec, TransformInstance, TransformStep, Usage,
};

/// Time for a component to say what it contains, or whether a configuration is right: people and
/// REST clients wait for both.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// All plugins of a worker. Cheap to clone.
#[derive(Clone)]
pub struct Plugins(Arc<Inner>);

struct Inner {
    runtime: Arc<Runtime>,
    cache: Arc<Cache>,
    catalog: RwLock<Catalog>,
    /// One installation at a time: it compiles with every core, and what it checks must still hold
    /// when it enters the catalog.
    installing: tokio::sync::Mutex<()>,
    settings: PluginSettings,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

// === installing ===

impl Plugins {
    /// Plugins without any artifact yet.
    ///
    /// # Errors
    /// When the machine cannot run guests or the folders cannot be used.
    pub fn new(settings: PluginSettings) -> Result<Self, SetupError> {
        let folder = |path: &Path, error| SetupError::Folder { path: path.to_owned(), error };
        private_dir(&settings.store_dir).map_err(|error| folder(&settings.store_dir, error))?;
        let runtime = Runtime::new(settings.limits.clone())?;
        let cache = Cache::open(&settings.cache_dir, &runtime.engine);
        let cache = cache.map_err(|error| folder(&settings.cache_dir, error))?;
        Ok(Self(Arc::new(Inner {
            runtime,
            cache: Arc::new(cache),
            catalog: RwLock::default(),
            installing: tokio::sync::Mutex::default(),
            settings,
        })))
    }

    /// Installs a component: checks it, compiles it, asks it what it contains. An upload is kept for
    /// the next start and replaces earlier uploads of the same classes; what runs of those goes on.
    ///
    /// # Errors
    /// When it is no component of this worker's contract, or offers what something else offers.
    pub async fn install(&self, bytes: Bytes, origin: Origin) -> Result<Artifact, InstallError> {
        let _one = self.0.installing.lock().await;
        let installed = Arc::new(self.prepare(&bytes, origin).await?);
        let artifact = installed.artifact.clone();
        self.catalog().check(&artifact)?;
        if origin == Origin::Upload {
            let path = self.store_path(&artifact.digest);
            let kept =
                blocking(move || write_atomically(&path, &bytes).map_err(|error| (path, error))).await?;
            kept.map_err(|(path, error)| InstallError::File { path, error })?;
        }
        let gone = self.0.catalog.write().unwrap_or_else(PoisonError::into_inner).insert(installed);
        for digest in gone {
            let path = self.store_path(&digest);
            if let Err(error) = tokio::fs::remove_file(&path).await {
                tracing::warn!(path = %path.display(), "a replaced plugin's file stays: {error}");
            }
        }
        Ok(artifact)
    }

    /// Removes the uploaded artifact that offers the class `name`, or has the digest `name`, with
    /// all its plugins. Whether one is in use is the caller's question.
    ///
    /// # Errors
    /// When there is none, or it was not uploaded.
    pub async fn remove(&self, name: &str) -> Result<Artifact, RemoveError> {
        let _one = self.0.installing.lock().await;
        let installed = self.catalog().uploaded(name)?;
        let path = self.store_path(&installed.artifact.digest);
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RemoveError::File { path, error });
            }
            _ => {}
        }
        let mut catalog = self.0.catalog.write().unwrap_or_else(PoisonError::into_inner);
        catalog.remove(&installed.artifact.digest);
        Ok(installed.artifact.clone())
    }

    /// Installs the components that are part of this binary.
    ///
    /// # Errors
    /// The first that cannot be installed: a fault of the build.
    pub async fn load_builtin(&self) -> Result<(), InstallError> {
        for bytes in crate::builtin::COMPONENTS {
            self.install(Bytes::from_static(bytes), Origin::Builtin).await?;
        }
        Ok(())
    }

    /// Installs the `.wasm` files in these folders and the folders in them (Kafka Connect's
    /// `plugin.path`). A file that cannot be installed is logged and left out.
    pub async fn load_folder(&self, paths: &[PathBuf]) {
        for path in paths {
            let path = path.clone();
            let files = blocking(move || wasm_files(&path, 2)).await;
            self.load_files(files.unwrap_or_default(), Origin::Folder).await;
        }
    }

    /// Installs what was uploaded before, oldest first. A file that cannot be installed is logged
    /// and left out.
    pub async fn load_store(&self) {
        let dir = self.0.settings.store_dir.clone();
        let files = blocking(move || {
            let mut files = wasm_files(&dir, 1);
            // Later uploads replace earlier ones, as they did when they came.
            files.sort_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
            files
        });
        self.load_files(files.await.unwrap_or_default(), Origin::Upload).await;
    }

    async fn load_files(&self, files: Vec<PathBuf>, origin: Origin) {
        for path in files {
            if let Err(error) = self.load_file(&path, origin).await {
                let error = cofferdam_api::chain(&error);
                tracing::error!(path = %path.display(), "a plugin is not available: {error}");
            }
        }
    }

    async fn load_file(&self, path: &Path, origin: Origin) -> Result<(), InstallError> {
        let bytes = tokio::fs::read(path).await;
        let bytes = bytes.map_err(|error| InstallError::File { path: path.to_owned(), error })?;
        let bytes = Bytes::from(bytes);
        let _one = self.0.installing.lock().await;
        let installed = Arc::new(self.prepare(&bytes, origin).await?);
        self.catalog().check(&installed.artifact)?;
        // Files that offer nothing any more stay until the next upload: loading never deletes.
        self.0.catalog.write().unwrap_or_else(PoisonError::into_inner).insert(installed);
        Ok(())
    }

    async fn prepare(&self, bytes: &Bytes, origin: Origin) -> Result<Installed, InstallError> {
        check_bytes(bytes)?;
        let (runtime, cache) = (Arc::clone(&self.0.runtime), Arc::clone(&self.0.cache));
        let (theirs, size) = (bytes.clone(), bytes.len());
        let (digest, component, compile_ms) = blocking(move || {
            let digest = digest_of(&theirs);
            let compiled = cache.load_or_compile(&runtime.engine, &digest, &theirs);
            compiled.map(|(component, compile_ms)| (digest, component, compile_ms))
        })
        .await??;
        check_component(&component)?;
        let component = self.0.runtime.linker.instantiate_pre(&component);
        let component = component.map_err(|error| InstallError::Import(error.into()))?;
        let exports = Exports::find(&component).map_err(|error| InstallError::Invalid(error.into()))?;
        let mut installed = Installed {
            artifact: Artifact { digest, size, origin, plugins: Vec::new(), compile_ms },
            component,
            exports,
        };
        installed.artifact.plugins = self.describe(&installed).await?;
        Ok(installed)
    }

    async fn describe(&self, installed: &Installed) -> Result<Vec<PluginInfo>, InstallError> {
        let ask = async {
            let mut guest = self.stranger(installed).await?;
            let (store, instance) = guest.parts()?;
            installed.exports.check_types(store, &instance).map_err(|error| mismatch(&error))?;
            let api = installed.exports.plugin.load(store, &instance).map_err(|error| mismatch(&error))?;
            let mut call = guest.begin("describe", Duration::ZERO)?;
            let outcome = guest.drive(call.deadline, api.call_describe(&mut call.store)).await;
            guest.end(call, outcome)
        };
        let list = ask.await.map_err(InstallError::Describe)?;
        crate::describe::plugins(list, &installed.exports.kinds(), &installed.artifact.digest)
    }

    /// An instance to ask something, with nothing granted.
    async fn stranger(&self, installed: &Installed) -> Result<Guest, CallError> {
        let spec = Spec {
            class: String::new(),
            config: ConfigMap::default(),
            label: Label::default(),
            schemas: Arc::new(Schemas::default()),
            usage: Arc::new(Usage::default()),
            hooks: Arc::new(NoHooks),
        };
        let timeout = ASK_TIMEOUT.min(self.0.settings.limits.call_timeout);
        Guest::start(&self.0.runtime, &installed.component, &spec, &[], timeout).await
    }

    fn store_path(&self, digest: &str) -> PathBuf {
        self.0.settings.store_dir.join(format!("{digest}.wasm"))
    }
}

// === finding ===

impl Plugins {
    /// Every artifact, with the plugins that it still offers.
    #[must_use]
    pub fn artifacts(&self) -> Vec<Artifact> {
        self.catalog().artifacts()
    }

    /// Every plugin, by class.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginInfo> {
        self.catalog().plugins()
    }

    /// The plugin of one of `kinds` that `class` means: its full name, or its simple name or alias
    /// where only one has it.
    #[must_use]
    pub fn plugin(&self, class: &str, kinds: &[PluginKind]) -> Option<PluginInfo> {
        self.catalog().find(class, kinds).map(|(info, _)| info)
    }

    fn find(&self, class: &str, kinds: &[PluginKind]) -> Result<(PluginInfo, Arc<Installed>), CallError> {
        self.catalog().find(class, kinds).ok_or_else(|| CallError::UnknownClass(class.to_owned()))
    }

    fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.0.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }
}

// === running ===

const CONNECTORS: [PluginKind; 2] = [PluginKind::Source, PluginKind::Sink];
const ALL: [PluginKind; 6] = [
    PluginKind::Source,
    PluginKind::Sink,
    PluginKind::Transform,
    PluginKind::Predicate,
    PluginKind::Converter,
    PluginKind::HeaderConverter,
];

impl Plugins {
    /// Lets the plugin `class` check what its definition cannot express, in an instance of its own
    /// with nothing granted.
    ///
    /// # Errors
    /// When the class is unknown or the guest fails.
    pub async fn validate(&self, class: &str, config: &ConfigMap) -> Result<Vec<KeyErrors>, CallError> {
        let (info, installed) = self.find(class, &ALL)?;
        let mut guest = self.stranger(&installed).await?;
        let (store, instance) = guest.parts()?;
        let api = installed.exports.plugin.load(store, &instance).map_err(|error| mismatch(&error))?;
        let config = config_out(config);
        let mut call = guest.begin("validate", Duration::ZERO)?;
        let outcome =
            guest.drive(call.deadline, api.call_validate(&mut call.store, &info.class, &config)).await;
        guest.end(call, outcome).map(key_errors)
    }

    /// A connector's own instance. A folder of its configuration that this machine does not have is
    /// left out: its tasks may run elsewhere.
    ///
    /// # Errors
    /// When the class is unknown, a grant is refused, or the instance does not start.
    pub async fn connector(&self, spec: Spec) -> Result<ConnectorInstance, CallError> {
        let started = self.start(spec, &CONNECTORS, Missing::Skip).await?;
        let (mut parts, installed, instance) = started;
        let index = installed.exports.connector.as_ref();
        let (store, _) = parts.guest.parts()?;
        let api =
            index.ok_or(CallError::Poisoned)?.load(store, &instance).map_err(|error| mismatch(&error))?;
        Ok(ConnectorInstance { parts, api })
    }

    /// A source task.
    ///
    /// # Errors
    /// When the class is unknown, a grant is refused, or the instance does not start.
    pub async fn source(&self, spec: Spec) -> Result<SourceInstance, CallError> {
        let (mut parts, installed, instance) =
            self.start(spec, &[PluginKind::Source], Missing::Refuse).await?;
        let index = installed.exports.source.as_ref();
        let (store, _) = parts.guest.parts()?;
        let api =
            index.ok_or(CallError::Poisoned)?.load(store, &instance).map_err(|error| mismatch(&error))?;
        Ok(SourceInstance { parts, api })
    }

    /// A sink task.
    ///
    /// # Errors
    /// When the class is unknown, a grant is refused, or the instance does not start.
    pub async fn sink(&self, spec: Spec) -> Result<SinkInstance, CallError> {
        let (mut parts, installed, instance) = self.start(spec, &[PluginKind::Sink], Missing::Refuse).await?;
        let index = installed.exports.sink.as_ref();
        let (store, _) = parts.guest.parts()?;
        let api =
            index.ok_or(CallError::Poisoned)?.load(store, &instance).map_err(|error| mismatch(&error))?;
        Ok(SinkInstance { parts, api })
    }

    /// A run of neighbouring transforms, configured. All classes, those of conditions included, have
    /// to be of one artifact ([`PluginInfo::digest`]); the class and configuration of `spec` are not
    /// used, those of the steps are.
    ///
    /// # Errors
    /// When a class is unknown or another artifact's, or the guest refuses its configuration.
    pub async fn transform(
        &self,
        spec: Spec,
        steps: &[TransformStep],
    ) -> Result<TransformInstance, CallError> {
        let Some(first) = steps.first() else {
            return Err(CallError::Refused("a chain of no transforms".to_owned()));
        };
        let spec = Spec { class: first.class.clone(), config: first.config.clone(), ..spec };
        let (mut parts, installed, instance) =
            self.start(spec, &[PluginKind::Transform], Missing::Refuse).await?;
        let full = |class: &str, kind| {
            let (info, of) = self.find(class, &[kind])?;
            if of.artifact.digest == installed.artifact.digest {
                Ok(info.class)
            } else {
                Err(CallError::Refused(format!("{class} and {} are plugins of two artifacts", first.class)))
            }
        };
        let mut steps = steps.to_vec();
        for step in &mut steps {
            step.class = full(&step.class, PluginKind::Transform)?;
            if let Some(condition) = &mut step.condition {
                condition.class = full(&condition.class, PluginKind::Predicate)?;
            }
        }
        let index = installed.exports.transform.as_ref();
        let (store, _) = parts.guest.parts()?;
        let api =
            index.ok_or(CallError::Poisoned)?.load(store, &instance).map_err(|error| mismatch(&error))?;
        let mut chain = TransformInstance { parts, api };
        chain.configure(&steps).await?;
        Ok(chain)
    }

    /// A predicate, configured.
    ///
    /// # Errors
    /// When the class is unknown, or the guest refuses its configuration.
    pub async fn predicate(&self, spec: Spec) -> Result<PredicateInstance, CallError> {
        let (mut parts, installed, instance) =
            self.start(spec, &[PluginKind::Predicate], Missing::Refuse).await?;
        let index = installed.exports.predicate.as_ref();
        let (store, _) = parts.guest.parts()?;
        let api =
            index.ok_or(CallError::Poisoned)?.load(store, &instance).map_err(|error| mismatch(&error))?;
        let mut predicate = PredicateInstance { parts, api };
        predicate.configure().await?;
        Ok(predicate)
    }

    /// A converter for `part`, configured.
    ///
    /// # Errors
    /// When the class is unknown, or the guest refuses its configuration.
    pub async fn converter(&self, spec: Spec, part: Part) -> Result<ConverterInstance, CallError> {
        let kinds: &[PluginKind] = match part {
            Part::Key | Part::Value => &[PluginKind::Converter],
            Part::Header => &[PluginKind::HeaderConverter, PluginKind::Converter],
        };
        let (mut parts, installed, instance) = self.start(spec, kinds, Missing::Refuse).await?;
        let index = installed.exports.converter.as_ref();
        let (store, _) = parts.guest.parts()?;
        let api =
            index.ok_or(CallError::Poisoned)?.load(store, &instance).map_err(|error| mismatch(&error))?;
        let mut converter = ConverterInstance { parts, api };
        converter.configure(part).await?;
        Ok(converter)
    }

    async fn start(
        &self,
        spec: Spec,
        kinds: &[PluginKind],
        missing: Missing,
    ) -> Result<(Parts, Arc<Installed>, Instance), CallError> {
        let (info, installed) = self.find(&spec.class, kinds)?;
        let folders = if info.capabilities.is_empty() {
            Vec::new()
        } else {
            // Looking at folders may block: they may be remote.
            let (info, config) = (info.clone(), spec.config.clone());
            let roots = self.0.settings.file_roots.clone();
            let granted = blocking(move || preopens(&info, &config, &roots, missing)).await;
            granted.map_err(|error| CallError::Refused(cofferdam_api::chain(&error)))??
        };
        let timeout = self.0.settings.limits.call_timeout;
        let mut guest = Guest::start(&self.0.runtime, &installed.component, &spec, &folders, timeout).await?;
        let (_, instance) = guest.parts()?;
        let parts = Parts { guest, info, config: spec.config, schemas: spec.schemas, steps: 0 };
        Ok((parts, installed, instance))
    }
}

/// An export has another type than the contract says.
fn mismatch(error: &wasmtime::Error) -> CallError {
    CallError::Refused(format!("the plugin's functions are not those of the contract: {error:#}"))
}

/// Runs `work` off the runtime's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, InstallError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| InstallError::Compiler(Box::new(error)))
}

/// The `.wasm` files of a folder in the order of their names, `depth` folders deep; or the one file
/// that `path` is.
fn wasm_files(path: &Path, depth: u32) -> Vec<PathBuf> {
    if path.is_file() {
        let is_wasm = path.extension().is_some_and(|extension| extension == "wasm");
        return if is_wasm { vec![path.to_owned()] } else { Vec::new() };
    }
    if depth == 0 {
        return Vec::new();
    }
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(path = %path.display(), "a folder of plugins cannot be read: {error}");
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| wasm_files(path, depth - 1)).collect()
}
