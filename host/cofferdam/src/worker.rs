//! A worker's life: started in Kafka Connect's order, joined together here, ended in good order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use cofferdam_config::{ConverterSettings, Listener as Address, ModeSettings, Scheme, WorkerSettings};
use cofferdam_herder::{Herder, HerderParts, LocalHerder, Mode, WorkerConverters, reports};
use cofferdam_kafka::{Admin, ClientConfig, Role};
use cofferdam_plugins::{Limits, PluginSettings, Plugins};
use cofferdam_rest::{App, Bound, UPLOAD_MAX};
use cofferdam_runtime::{LocalWorker, WorkerParts};
use cofferdam_stdx::Supervisor;
use cofferdam_storage::kafka::{KafkaConfigStore, KafkaOffsetStore, KafkaParts, KafkaStatusStore};
use cofferdam_storage::{
    ConfigStore, FileOffsetStore, MemoryConfigStore, MemoryStatusStore, OffsetStore, StatusStore,
};
use cofferdam_telemetry::Metrics;

use crate::files::ConnectorFile;
use crate::settings::Plan;
use crate::show;
use crate::signals::Signals;

/// How long Kafka may stay silent at the start before that is said.
const SILENCE: Duration = Duration::from_secs(5);
/// What is left to do once tasks have ended: statuses are written, clients closed.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// A connector given on the command line cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("the connector of {} cannot be created", .0.display())]
pub(crate) struct ConnectorFault(pub(crate) PathBuf);

/// Runs a worker until a signal asks it to end.
pub(crate) fn run(plan: impl FnOnce() -> anyhow::Result<Plan>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let signals = Signals::new().context("signals cannot be received")?;
        Box::pin(live(plan()?, signals)).await
    });
    // Work that was told to end and did not is named by then; the process does not wait for it.
    runtime.shutdown_background();
    result
}

async fn live(plan: Plan, mut signals: Signals) -> anyhow::Result<()> {
    let supervisor = Supervisor::new();
    let settings = Arc::new(plan.settings);
    let herder = tokio::select! {
        started = start(&settings, plan.embedded_broker, &supervisor) => started?,
        asked = signals.next() => {
            tracing::info!("{} while starting: ending at once", asked.name());
            return Ok(());
        }
    };
    let lived = tokio::select! {
        created = create(&herder, plan.connectors) => match created {
            Ok(()) => await_end(&mut signals, &supervisor).await,
            Err(error) => Err(error),
        },
        asked = signals.next() => {
            tracing::info!("{}: stopping", asked.name());
            Ok(())
        }
    };
    tokio::select! {
        () = shut_down(&settings, herder, &supervisor) => lived,
        again = signals.next() => {
            tracing::error!("{} again: ending at once; what was not committed will be delivered again", again.name());
            std::process::exit(again.exit_code());
        }
    }
}

// === start ===

async fn start(
    settings: &Arc<WorkerSettings>,
    embedded_broker: bool,
    supervisor: &Supervisor,
) -> anyhow::Result<Arc<LocalHerder>> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "Cofferdam starts");
    if !settings.unused.is_empty() {
        tracing::warn!(
            "these keys of the worker's configuration mean nothing here: {}",
            settings.unused.join(", ")
        );
    }
    let clients = Clients { settings, embedded_broker };
    // Compiling plugins, where that was not done before, and Kafka's answers do not wait for each other.
    let connected = async {
        let admin = Admin::new(&clients.config(Role::Admin, "admin")?)?;
        let kafka_cluster_id = cluster_id(&admin, settings).await?;
        let bound = bind(&settings.listeners, embedded_broker).await?;
        let stores = Stores::open(&clients, &admin, supervisor).await?;
        anyhow::Ok((kafka_cluster_id, bound, stores))
    };
    let (plugins, (kafka_cluster_id, bound, stores)) = tokio::try_join!(load_plugins(settings), connected)?;
    let Some(first) = bound.first().map(Bound::address) else { bail!("there is no address in `listeners`") };

    let metrics = Metrics::new();
    // The data path reports to the herder, which is made from the data path: the queue comes first.
    let (listener, reports) = reports();
    let worker = LocalWorker::new(WorkerParts {
        settings: Arc::clone(settings),
        plugins: plugins.clone(),
        offsets: stores.offsets,
        metrics: metrics.clone(),
        supervisor: supervisor.clone(),
        listener,
        embedded_broker,
    });
    let class = |converter: &ConverterSettings| Some(converter.class.clone());
    let herder = cofferdam_herder::start(HerderParts {
        worker,
        configs: stores.configs,
        statuses: stores.statuses,
        reports,
        supervisor: supervisor.clone(),
        worker_id: settings.worker_id(first),
        generation: stores.generation,
        kafka_cluster_id,
        mode: stores.mode,
        converters: WorkerConverters {
            key: class(&settings.key_converter),
            value: class(&settings.value_converter),
            header: class(&settings.header_converter),
        },
    });
    let app = App {
        herder: Arc::clone(&herder) as Arc<dyn Herder>,
        artifacts: Arc::new(plugins),
        metrics,
        upload_max: UPLOAD_MAX,
    };
    for bound in bound {
        bound.serve(app.clone(), supervisor);
    }
    if embedded_broker {
        show::print(&hello(settings, first))?;
    }
    tracing::info!("Kafka Connect started");
    Ok(herder)
}

async fn load_plugins(settings: &WorkerSettings) -> anyhow::Result<Plugins> {
    let plugins = Plugins::new(PluginSettings {
        cache_dir: settings.data_dir.join("cache"),
        store_dir: settings.data_dir.join("plugins"),
        limits: Limits {
            memory_max: settings.guest.memory_max,
            call_timeout: settings.guest.call_timeout,
            frame_max: settings.guest.frame_max,
            ..Limits::default()
        },
        file_roots: settings.file_roots.clone(),
    })?;
    plugins.load_builtin().await.context("a built-in plugin cannot be loaded")?;
    plugins.load_folder(&settings.plugin_path).await;
    plugins.load_store().await;
    tracing::info!(n_plugins = plugins.plugins().len(), "plugins loaded");
    Ok(plugins)
}

/// Asks Kafka for its id, as the sign that it can be reached at all.
async fn cluster_id(admin: &Admin, settings: &WorkerSettings) -> anyhow::Result<String> {
    let servers = settings.bootstrap_servers.join(",");
    let asked = admin.cluster_id();
    tokio::pin!(asked);
    loop {
        match tokio::time::timeout(SILENCE, &mut asked).await {
            Ok(answer) => {
                let id = answer
                    .with_context(|| format!("Kafka at {servers} (`bootstrap.servers`) cannot be used"))?;
                tracing::info!(cluster_id = id, "connected to Kafka at {servers}");
                return Ok(id);
            }
            Err(_) => {
                let trouble = admin.trouble().unwrap_or_else(|| "no broker answers".to_owned());
                tracing::warn!("waiting for Kafka at {servers}: {trouble}");
            }
        }
    }
}

async fn bind(listeners: &[Address], dev: bool) -> anyhow::Result<Vec<Bound>> {
    let mut bound = Vec::new();
    for listener in listeners {
        if listener.scheme == Scheme::Https {
            bail!("{listener}: https is not available yet; listen on http behind a proxy that does TLS");
        }
        let host = if listener.host.is_empty() { "0.0.0.0" } else { &listener.host };
        let way_out = if dev { "--rest" } else { "`listeners`" };
        bound.push(Bound::new((host, listener.port)).await.with_context(|| {
            format!("the REST API cannot listen on {listener}; does another worker run there? Choose another address with {way_out}")
        })?);
    }
    Ok(bound)
}

fn hello(settings: &WorkerSettings, rest: std::net::SocketAddr) -> String {
    format!(
        "Cofferdam {}: a worker to try things out\n\
         \x20 REST API  http://{rest}\n\
         \x20 Kafka     {}  (in this process: its topics live in memory and end with it)\n\
         \x20 Data      {}  (uploaded plugins, compiled code)\n\
         ready\n",
        env!("CARGO_PKG_VERSION"),
        settings.bootstrap_servers.join(","),
        settings.data_dir.display(),
    )
}

/// The worker's own clients.
struct Clients<'a> {
    settings: &'a WorkerSettings,
    embedded_broker: bool,
}

impl Clients<'_> {
    fn config(&self, role: Role, purpose: &str) -> anyhow::Result<ClientConfig> {
        let mut java = self.settings.internal_config();
        java.insert("client.id".to_owned(), self.settings.internal_client_id(purpose));
        let translated = ClientConfig::from_java(role, &java)?;
        if !translated.ignored.is_empty() {
            tracing::debug!(
                purpose,
                "client settings without meaning here: {}",
                translated.ignored.join(", ")
            );
        }
        let config = translated.config;
        Ok(if self.embedded_broker { config.for_embedded_broker() } else { config })
    }
}

/// Where state is kept.
struct Stores {
    configs: Arc<dyn ConfigStore>,
    offsets: Arc<dyn OffsetStore>,
    statuses: Arc<dyn StatusStore>,
    mode: Mode,
    generation: i64,
}

impl Stores {
    async fn open(clients: &Clients<'_>, admin: &Admin, supervisor: &Supervisor) -> anyhow::Result<Self> {
        match &clients.settings.mode {
            ModeSettings::Standalone { offset_file } => Ok(Self {
                configs: Arc::new(MemoryConfigStore::new()),
                offsets: Arc::new(FileOffsetStore::open(offset_file).await?),
                statuses: Arc::new(MemoryStatusStore::new()),
                mode: Mode::Standalone,
                generation: 0,
            }),
            ModeSettings::Distributed(own) => {
                let [configs, offsets, statuses] =
                    ["configs", "offsets", "statuses"].map(|purpose| clients.config(Role::Log, purpose));
                let (mut configs, mut offsets, statuses) = (configs?, offsets?, statuses?);
                let exactly_once = clients.settings.has_exactly_once();
                if exactly_once {
                    configs = configs.with("isolation.level", "read_committed");
                    offsets = offsets.with("isolation.level", "read_committed");
                }
                let parts = |config| KafkaParts { admin, config, supervisor, exactly_once };
                let (configs, offsets, statuses) = tokio::try_join!(
                    KafkaConfigStore::start(parts(&configs), &own.config_topic),
                    KafkaOffsetStore::start(parts(&offsets), &own.offset_topic),
                    KafkaStatusStore::start(parts(&statuses), &own.status_topic),
                )?;
                Ok(Self {
                    configs: Arc::new(configs),
                    offsets: Arc::new(offsets),
                    statuses: Arc::new(statuses),
                    mode: Mode::Distributed { group_id: own.group_id.clone(), exactly_once },
                    // The only member of the group from its first generation on.
                    generation: 1,
                })
            }
        }
    }
}

// === life ===

/// Creates the connectors of the command line, in their order; the first that is refused ends the
/// worker.
async fn create(herder: &LocalHerder, connectors: Vec<(PathBuf, ConnectorFile)>) -> anyhow::Result<()> {
    for (path, connector) in connectors {
        let name = connector.name.as_str().into();
        let created = herder.create_connector(&name, connector.config, connector.initial_state).await;
        created.context(ConnectorFault(path))?;
        tracing::info!(connector = %name, "created");
    }
    Ok(())
}

async fn await_end(signals: &mut Signals, supervisor: &Supervisor) -> anyhow::Result<()> {
    tokio::select! {
        asked = signals.next() => {
            tracing::info!("{}: stopping", asked.name());
            Ok(())
        }
        () = supervisor.stop_token().cancelled() => bail!("a part that the worker cannot do without has ended; see the log"),
    }
}

/// Intake ends first: requests are refused from here on. Then tasks flush and commit, statuses say
/// that nobody runs them, and what is left gets a last grace.
async fn shut_down(settings: &WorkerSettings, herder: Arc<LocalHerder>, supervisor: &Supervisor) {
    let grace = settings.task_shutdown_timeout + settings.offset_flush_timeout + LAST_GRACE;
    if tokio::time::timeout(grace, herder.shut_down()).await.is_err() {
        tracing::error!(
            "connectors did not stop within {} s; what they did not commit will be delivered again",
            grace.as_secs()
        );
    }
    // The stores end with their last owner, and their readers with them.
    drop(herder);
    match supervisor.shut_down(LAST_GRACE).await {
        0 => tracing::info!("stopped"),
        n => tracing::warn!("{n} pieces of background work did not end in time"),
    }
}
