//! A task's life, whichever way its records go: what it is made from, its statuses, its end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cofferdam_api::{ConfigMap, Schemas, State, TargetState, TaskId};
use cofferdam_config::connector::{
    Boundary, ConnectorSettings, ExactlyOnceSettings, RestartSettings, TopicGroup, topic_groups,
};
use cofferdam_config::worker::WorkerSettings;
use cofferdam_kafka::{Admin, ClientConfig, Producer, Role};
use cofferdam_plugins::{CallError, Label, PluginInfo, PluginKind, Plugins, Spec, Usage};
use cofferdam_stdx::time::now;
use cofferdam_storage::OffsetStore;
use cofferdam_telemetry::{GuestUsage, Metrics, TaskMetrics};
use cofferdam_worker_api::Listener;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::Error;
use crate::control::Control;
use crate::errors::{DeadLetters, Reporter};
use crate::hooks::WorkerHooks;
use crate::restart::{Next, Restarts};
use crate::stage::convert::{Converters, Order};
use crate::stage::topics::TopicCreation;

/// What a task is made from.
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) settings: Arc<WorkerSettings>,
    pub(crate) plugins: Plugins,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) metrics: TaskMetrics,
    pub(crate) control: Control,
    pub(crate) connector: ConnectorSettings,
    /// How a source delivers exactly once; none when it does not.
    pub(crate) exactly_once: Option<ExactlyOnceSettings>,
    /// How a source's topics are made; none when that is left to the broker.
    topic_groups: Vec<TopicGroup>,
    class: String,
    config: ConfigMap,
    schemas: Arc<Schemas>,
    usage: Arc<Usage>,
    status: Status,
    embedded_broker: bool,
    /// Records of a source are sent one by one, so that it is known which of them Kafka refuses.
    pub(crate) one_by_one: bool,
}

/// What the worker hands over to start a task.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) id: TaskId,
    pub(crate) info: PluginInfo,
    pub(crate) connector_config: ConfigMap,
    pub(crate) config: ConfigMap,
    pub(crate) settings: Arc<WorkerSettings>,
    pub(crate) plugins: Plugins,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) metrics: TaskMetrics,
    pub(crate) control: Control,
    pub(crate) status: Status,
    pub(crate) embedded_broker: bool,
}

/// Tells what a task is.
#[derive(Clone)]
pub(crate) struct Status(Arc<Shared>);

struct Shared {
    id: TaskId,
    listener: Arc<dyn Listener>,
    metrics: TaskMetrics,
    worker: Metrics,
    /// Whether it ever ran, for the count of starts.
    was_up: AtomicBool,
    /// Nothing is told any more: the task was dropped.
    muted: AtomicBool,
}

/// Runs a task to its end, whatever that is, and tells of it. One that failed is run again where
/// `restart.policy` says so; until then it is FAILED.
pub(crate) async fn live(start: Start) {
    let (status, mut control) = (start.status.clone(), start.control.clone());
    let mut restarts = match RestartSettings::parse(&start.connector_config, &start.settings.raw) {
        Ok(settings) => Restarts::new(settings),
        Err(faults) => return status.fail(&Error::Settings(faults), None),
    };
    loop {
        let began = now();
        let error = match run(start.clone()).await {
            Ok(()) => return status.set(State::Unassigned),
            Err(error) => error,
        };
        // An error of a task that is to go anyway does not make it a failed one.
        if control.is_stopping() {
            tracing::warn!("the task failed while it was stopping: {}", error.failure().trace.trim_end());
            return status.set(State::Unassigned);
        }
        let Some(next) = restarts.next(&error, began.elapsed()) else { return status.fail(&error, None) };
        status.fail(&error, Some(&next));
        if !control.sleep(next.delay).await {
            return status.set(State::Unassigned);
        }
        tracing::info!("restart {} of the task, by restart.policy", next.attempt);
        start.metrics.restarted();
    }
}

/// Runs a task once.
async fn run(start: Start) -> Result<(), Error> {
    let kind = start.info.kind;
    let work = async move {
        let task = Task::new(start)?;
        let run: BoxFuture<'static, Result<(), Error>> = match kind {
            PluginKind::Sink => Box::pin(crate::sink::run(task)),
            _ => Box::pin(crate::source::run(task)),
        };
        run.await
    };
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
        Err(Error::Panic(text.to_owned()))
    })
}

// === impl Task ===

impl Task {
    fn new(start: Start) -> Result<Self, Error> {
        let connector = match start.info.kind {
            PluginKind::Sink => ConnectorSettings::parse_sink(&start.connector_config),
            _ => ConnectorSettings::parse(&start.connector_config),
        };
        let topic_groups = if start.info.kind == PluginKind::Source && start.settings.topic_creation_enable {
            topic_groups(&start.connector_config).map_err(Error::Settings)?
        } else {
            Vec::new()
        };
        let exactly_once = if start.info.kind == PluginKind::Source && start.settings.has_exactly_once() {
            Some(ExactlyOnceSettings::parse(&start.connector_config).map_err(Error::Settings)?)
        } else {
            None
        };
        // Creation was refused; the plugin may have changed since.
        let by_connector = |settings: &ExactlyOnceSettings| settings.boundary == Boundary::Connector;
        if exactly_once.as_ref().is_some_and(by_connector) && !start.info.defines_transactions() {
            return Err(Error::NoBoundary);
        }
        let usage: Arc<Usage> = Arc::default();
        let probe = Arc::clone(&usage);
        start.metrics.watch_guest(move || GuestUsage {
            cpu: std::time::Duration::from_nanos(probe.cpu_ns.load(Ordering::Relaxed)),
            memory_bytes: probe.memory_bytes.load(Ordering::Relaxed),
            memory_peak_bytes: probe.memory_peak.load(Ordering::Relaxed),
        });
        Ok(Self {
            connector: connector.map_err(Error::Settings)?,
            exactly_once,
            topic_groups,
            class: start.info.class,
            config: start.config,
            schemas: Arc::default(),
            usage,
            id: start.id,
            settings: start.settings,
            plugins: start.plugins,
            offsets: start.offsets,
            listener: start.listener,
            metrics: start.metrics,
            control: start.control,
            status: start.status,
            embedded_broker: start.embedded_broker,
            one_by_one: false,
        })
    }

    /// What makes the topics of a source, where its configuration says how.
    pub(crate) fn topic_creation(&self) -> Result<Option<TopicCreation>, Error> {
        if self.topic_groups.is_empty() {
            return Ok(None);
        }
        let (name, number) = (self.id.connector.as_str(), self.id.task);
        let config = self.settings.admin_config(name, Some(number), &self.connector.admin_overrides);
        let doing = "the admin client of this task could not be started";
        let admin = Admin::new(&self.client(Role::Admin, &config)?);
        let admin = admin.map_err(|error| Error::Kafka { doing, error })?;
        Ok(Some(TopicCreation::new(admin, self.topic_groups.clone())))
    }

    /// What a guest of this task is given; transforms bring their own class and configuration.
    pub(crate) fn spec(&self) -> Spec {
        Spec {
            class: self.class.clone(),
            config: self.config.clone(),
            label: Label { connector: self.id.connector.to_string(), task: Some(self.id.task) },
            schemas: Arc::clone(&self.schemas),
            usage: Arc::clone(&self.usage),
            hooks: Arc::new(WorkerHooks {
                connector: self.id.connector.clone(),
                offsets: Arc::clone(&self.offsets),
                listener: Arc::clone(&self.listener),
                metrics: Some(self.metrics.clone()),
                ends_transactions: self
                    .exactly_once
                    .as_ref()
                    .is_some_and(|settings| settings.boundary == Boundary::Connector),
            }),
        }
    }

    /// The connector's converters, or the worker's where it names none.
    pub(crate) async fn converters(&self, order: Order) -> Result<Converters, Error> {
        let Self { connector, settings, .. } = self;
        Converters::start(
            &self.plugins,
            &self.spec(),
            order,
            connector.key_converter.as_ref().unwrap_or(&settings.key_converter),
            connector.value_converter.as_ref().unwrap_or(&settings.value_converter),
            connector.header_converter.as_ref().unwrap_or(&settings.header_converter),
        )
        .await
    }

    /// The dead letter queue, if the connector has one.
    pub(crate) async fn dead_letters(&self) -> Result<Option<DeadLetters>, Error> {
        let Some(dlq) = &self.connector.errors.dlq else { return Ok(None) };
        let failed = |error| Error::DeadLetterTopic { topic: dlq.topic.clone(), error };
        let (name, number) = (self.id.connector.as_str(), self.id.task);
        let config = self.settings.admin_config(name, Some(number), &self.connector.admin_overrides);
        let admin = Admin::new(&self.client(Role::Admin, &config)?).map_err(failed)?;
        let config = self.settings.dlq_producer_config(name, number, &self.connector.producer_overrides);
        let producer = Producer::new(&self.client(Role::Producer, &config)?).map_err(failed)?;
        DeadLetters::open(dlq, producer, &admin).await.map(Some)
    }

    pub(crate) fn reporter(&self, dead_letters: Option<DeadLetters>) -> Reporter {
        let errors = self.connector.errors.clone();
        Reporter::new(self.id.clone(), errors, Arc::clone(&self.schemas), dead_letters, self.metrics.clone())
    }

    /// Configuration of a client from Java's keys.
    pub(crate) fn client(&self, role: Role, config: &ConfigMap) -> Result<ClientConfig, Error> {
        let doing = "the configuration of this task's Kafka clients cannot be used";
        let translated =
            ClientConfig::from_java(role, config).map_err(|error| Error::Kafka { doing, error })?;
        if !translated.ignored.is_empty() {
            tracing::info!(?role, "client settings without meaning here: {}", translated.ignored.join(", "));
        }
        let config = translated.config;
        let config = if self.one_by_one && role == Role::Producer { config.one_by_one() } else { config };
        Ok(if self.embedded_broker { config.for_embedded_broker() } else { config })
    }

    /// The task's own plugin failed.
    pub(crate) fn guest(&self, call: &'static str, error: CallError) -> Error {
        Error::Guest { class: self.class.clone(), call, error }
    }

    pub(crate) fn status(&self) -> Status {
        self.status.clone()
    }

    /// Waits until the task is not meant to be paused. Answers false when it is to end instead.
    pub(crate) async fn wait_while_paused(&self, control: &mut Control) -> bool {
        if control.target() == TargetState::Paused {
            self.status.set(State::Paused);
            control.changed_from(TargetState::Paused).await;
        }
        !control.is_stopping()
    }
}

// === impl Status ===

impl Status {
    pub(crate) fn new(
        id: TaskId,
        listener: Arc<dyn Listener>,
        metrics: TaskMetrics,
        worker: Metrics,
    ) -> Self {
        let (was_up, muted) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Shared { id, listener, metrics, worker, was_up, muted }))
    }

    /// The task is in `state` now.
    pub(crate) fn set(&self, state: State) {
        if matches!(state, State::Running | State::Paused) && !self.0.was_up.swap(true, Ordering::Relaxed) {
            self.0.worker.task_started(true);
        }
        self.tell(state, None);
    }

    /// The task failed; `next` tells when it is tried again, if it is.
    pub(crate) fn fail(&self, error: &Error, next: Option<&Next>) {
        if !self.0.was_up.load(Ordering::Relaxed) {
            self.0.worker.task_started(false);
        }
        let mut trace = error.failure().trace;
        let fate = match next {
            None => "Task is being killed and will not recover until manually restarted".to_owned(),
            Some(next) => {
                let fate = next.to_string();
                trace.push_str(&fate);
                trace.push('\n');
                fate
            }
        };
        tracing::error!("Task threw an uncaught and unrecoverable exception. {fate}\n{}", trace.trim_end());
        self.tell(State::Failed, Some(trace));
    }

    /// The task was dropped before its end: it is told to be unassigned, and nothing after that.
    pub(crate) fn mute(&self) {
        self.tell(State::Unassigned, None);
        self.0.muted.store(true, Ordering::Relaxed);
    }

    fn tell(&self, state: State, trace: Option<String>) {
        if self.0.muted.load(Ordering::Relaxed) {
            return;
        }
        self.0.metrics.state(state.as_str());
        self.0.listener.task(&self.0.id, state, trace);
    }
}
