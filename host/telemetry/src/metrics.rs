//! The registry: who is counted, and the text of `/metrics`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

use cofferdam_stdx::time::wall_ms;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelValue, LabelValueEncoder, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use crate::table::{Number, Shape, TASK_SERIES};
use crate::task::{TaskKind, TaskMetrics, TaskSeries, lock, real};

/// `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one worker; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

/// Counts for one connector. Its series go when this is dropped.
#[derive(Clone, Debug)]
pub struct ConnectorMetrics(Arc<ConnectorSeries>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    known: Arc<Known>,
}

/// All that is counted. Tasks and connectors are held weakly: they are shown while somebody counts.
#[derive(Debug)]
struct Known {
    started_ms: i64,
    tasks: Mutex<BTreeMap<(String, u32), Weak<TaskSeries>>>,
    connectors: Mutex<BTreeMap<String, Weak<ConnectorSeries>>>,
    connector_starts: Starts,
    task_starts: Starts,
}

#[derive(Debug)]
struct ConnectorSeries {
    name: String,
    class: String,
    kind: String,
    version: String,
    state: Mutex<&'static str>,
}

#[derive(Debug, Default)]
struct Starts {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry that knows of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let known = Arc::new(Known {
            started_ms: wall_ms(),
            tasks: Mutex::default(),
            connectors: Mutex::default(),
            connector_starts: Starts::default(),
            task_starts: Starts::default(),
        });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(&known)));
        Self(Arc::new(Inner { registry, known }))
    }

    /// Starts counting for a task, from nothing. What was counted under the same name is no longer
    /// shown, even if its handle still lives.
    #[must_use]
    pub fn task(&self, connector: &str, task: u32, kind: TaskKind) -> TaskMetrics {
        let metrics = TaskMetrics::new(connector, task, kind);
        let mut tasks = lock(&self.0.known.tasks);
        tasks.retain(|_, series| series.strong_count() > 0);
        tasks.insert((connector.to_owned(), task), Arc::downgrade(&metrics.0));
        metrics
    }

    /// Starts showing a connector; `kind` is `source` or `sink`.
    #[must_use]
    pub fn connector(&self, name: &str, class: &str, kind: &str, version: &str) -> ConnectorMetrics {
        let series = Arc::new(ConnectorSeries {
            name: name.to_owned(),
            class: class.to_owned(),
            kind: kind.to_owned(),
            version: version.to_owned(),
            state: Mutex::new("UNASSIGNED"),
        });
        let mut connectors = lock(&self.0.known.connectors);
        connectors.retain(|_, series| series.strong_count() > 0);
        connectors.insert(name.to_owned(), Arc::downgrade(&series));
        ConnectorMetrics(series)
    }

    /// A connector was started, or could not be.
    pub fn connector_started(&self, succeeded: bool) {
        self.0.known.connector_starts.count(succeeded);
    }

    /// A task was started, or could not be.
    pub fn task_started(&self, succeeded: bool) {
        self.0.known.task_starts.count(succeeded);
    }

    /// Everything as text, of type [`CONTENT_TYPE`].
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string fails only where an encoder refuses a value; what was written stands.
        if text::encode(&mut out, &self.0.registry).is_err() {
            tracing::error!("a metric could not be printed; /metrics is incomplete");
        }
        out
    }
}

impl ConnectorMetrics {
    /// The connector is now in this state (`RUNNING`, `PAUSED`, …).
    pub fn state(&self, state: &'static str) {
        *lock(&self.0.state) = state;
    }
}

impl Starts {
    fn count(&self, succeeded: bool) {
        if succeeded { &self.succeeded } else { &self.failed }.fetch_add(1, Relaxed);
    }
}

// === rendering ===

impl Collector for Known {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let tasks: Vec<_> = lock(&self.tasks).values().filter_map(Weak::upgrade).collect();
        let connectors: Vec<_> = lock(&self.connectors).values().filter_map(Weak::upgrade).collect();
        self.worker(&mut page, &tasks, &connectors)?;
        connector_states(&mut page, &connectors)?;
        task_states(&mut page, &tasks)?;
        task_series(&mut page, &tasks)?;
        batch_times(&mut page, &tasks)?;
        lags(&mut page, &tasks)?;
        plugin_series(&mut page, &tasks)
    }
}

impl Known {
    fn worker(
        &self,
        page: &mut Page<'_>,
        tasks: &[Arc<TaskSeries>],
        connectors: &[Arc<ConnectorSeries>],
    ) -> fmt::Result {
        let version = ([("version", env!("CARGO_PKG_VERSION"))], Number::Whole(1));
        page.family(
            "cofferdam_build_info",
            "Version of this worker",
            Shape::Gauge,
            std::iter::once(version),
        )?;
        let started = Number::Real(real(u64::try_from(self.started_ms).unwrap_or(0)) / 1e3);
        page.one("kafka_connect_start_time_seconds", "When the worker started", Shape::Gauge, started)?;
        for (name, help, value) in process() {
            let shape = if name.contains("cpu") { Shape::Counter } else { Shape::Gauge };
            page.one(name, help, shape, value)?;
        }
        let counts = [
            ("kafka_connect_worker_connector_count", "Connectors that run here", connectors.len()),
            ("kafka_connect_worker_task_count", "Tasks that run here", tasks.len()),
        ];
        for (name, help, n) in counts {
            page.one(name, help, Shape::Gauge, Number::Whole(n as u64))?;
        }
        for (what, starts) in [("connector", &self.connector_starts), ("task", &self.task_starts)] {
            let (succeeded, failed) = (starts.succeeded.load(Relaxed), starts.failed.load(Relaxed));
            for (which, n) in [("attempts", succeeded + failed), ("success", succeeded), ("failure", failed)]
            {
                let name = format!("kafka_connect_worker_{what}_startup_{which}");
                page.one(&name, &format!("Starts of a {what}: {which}"), Shape::Counter, Number::Whole(n))?;
            }
        }
        task_counts(page, tasks)
    }
}

/// `kafka_connect_worker_connector_running_task_count{connector}` and its sisters.
fn task_counts(page: &mut Page<'_>, tasks: &[Arc<TaskSeries>]) -> fmt::Result {
    let mut by_connector: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for task in tasks {
        by_connector.entry(&task.connector).or_default().push(lock(&task.state).state);
    }
    for state in ["total", "running", "paused", "failed", "unassigned", "restarting"] {
        let name = format!("kafka_connect_worker_connector_{state}_task_count");
        let rows = by_connector.iter().map(|(connector, states)| {
            let n = states.iter().filter(|s| state == "total" || s.eq_ignore_ascii_case(state)).count();
            ([("connector", *connector)], Number::Whole(n as u64))
        });
        page.family(&name, &format!("Tasks of a connector on this worker: {state}"), Shape::Gauge, rows)?;
    }
    Ok(())
}

fn connector_states(page: &mut Page<'_>, connectors: &[Arc<ConnectorSeries>]) -> fmt::Result {
    let one = Number::Whole(1);
    let rows = connectors.iter().map(|c| {
        let state = lock(&c.state).to_ascii_lowercase();
        ([("connector", c.name.clone()), ("status", state)], one)
    });
    page.family("kafka_connect_connector_status", "State of a connector", Shape::Gauge, rows)?;
    type Get = fn(&ConnectorSeries) -> &String;
    let texts: [(&str, &str, Get); 3] = [
        ("connector_class", "Class of a connector", |c| &c.class),
        ("connector_type", "Whether a connector is a source or a sink", |c| &c.kind),
        ("connector_version", "Version of a connector's plugin", |c| &c.version),
    ];
    for (label, help, get) in texts {
        let rows =
            connectors.iter().map(|c| ([("connector", c.name.as_str()), (label, get(c).as_str())], one));
        page.family(&format!("kafka_connect_connector_{label}"), help, Shape::Gauge, rows)?;
    }
    Ok(())
}

fn task_states(page: &mut Page<'_>, tasks: &[Arc<TaskSeries>]) -> fmt::Result {
    let rows = tasks.iter().map(|task| {
        let state = lock(&task.state).state.to_ascii_lowercase();
        let labels = [
            ("connector", Label::Text(&task.connector)),
            ("task", Label::Number(task.task.into())),
            ("status", Label::Owned(state)),
        ];
        (labels, Number::Whole(1))
    });
    page.family("kafka_connect_connector_task_status", "State of a task", Shape::Gauge, rows)
}

fn task_series(page: &mut Page<'_>, tasks: &[Arc<TaskSeries>]) -> fmt::Result {
    for series in TASK_SERIES {
        let rows = tasks
            .iter()
            .filter(|task| series.of.is_none_or(|kind| kind == task.kind))
            .filter_map(|task| Some((id(task), (series.read)(task)?)));
        page.family(series.name, series.help, series.shape, rows)?;
    }
    Ok(())
}

fn batch_times(page: &mut Page<'_>, tasks: &[Arc<TaskSeries>]) -> fmt::Result {
    let families = [
        (TaskKind::Source, "cofferdam_poll_seconds", "Time of a poll"),
        (TaskKind::Sink, "cofferdam_put_seconds", "Time of a put"),
    ];
    for (kind, name, help) in families {
        let mut tasks = tasks.iter().filter(|task| task.kind == kind).peekable();
        if tasks.peek().is_none() {
            continue;
        }
        let mut family = page.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for task in tasks {
            let (sum, count, buckets) = task.batch_time.read();
            let none: Option<&std::collections::HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
            family.encode_family(&id(task))?.encode_histogram(sum, count, &buckets, none)?;
        }
    }
    Ok(())
}

fn lags(page: &mut Page<'_>, tasks: &[Arc<TaskSeries>]) -> fmt::Result {
    let mut rows = Vec::new();
    for task in tasks {
        for ((topic, partition), lag) in &*lock(&task.lags) {
            let [connector, number] = id(task);
            let topic = ("topic", Label::Owned(topic.clone()));
            let partition = ("partition", Label::Number((*partition).into()));
            let lag = Number::Whole(u64::try_from(*lag).unwrap_or(0));
            rows.push(([connector, number, topic, partition], lag));
        }
    }
    page.family(
        "cofferdam_sink_lag_records",
        "Records that a sink has not read yet",
        Shape::Gauge,
        rows.into_iter(),
    )
}

fn plugin_series(page: &mut Page<'_>, tasks: &[Arc<TaskSeries>]) -> fmt::Result {
    let (mut counts, mut gauges) = (Vec::new(), Vec::new());
    for task in tasks {
        let labels = |name: &String| {
            let [connector, number] = id(task);
            [connector, number, ("name", Label::Owned(name.clone()))]
        };
        counts.extend(lock(&task.plugin_counts).iter().map(|(name, n)| (labels(name), Number::Whole(*n))));
        gauges.extend(lock(&task.plugin_gauges).iter().map(|(name, v)| (labels(name), Number::Real(*v))));
    }
    page.family(
        "cofferdam_plugin_count",
        "What plugins count of their own",
        Shape::Counter,
        counts.into_iter(),
    )?;
    page.family(
        "cofferdam_plugin_value",
        "What plugins measure of their own",
        Shape::Gauge,
        gauges.into_iter(),
    )
}

fn id(task: &TaskSeries) -> [(&'static str, Label<'_>); 2] {
    [("connector", Label::Text(&task.connector)), ("task", Label::Number(task.task.into()))]
}

/// Processor time and memory of this process, where the system tells.
fn process() -> Vec<(&'static str, &'static str, Number)> {
    /// What Linux counts processor time in, on every architecture: 1/100 s.
    const TICKS: f64 = 100.0;
    let mut found = Vec::new();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold blanks: fields are counted behind it, from the third.
    if let Some((_, fields)) = stat.rsplit_once(')') {
        let ticks: Vec<u64> =
            fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse().ok()).collect();
        let seconds = real(ticks.iter().sum()) / TICKS;
        found.push(("process_cpu_seconds", "Processor time of this process", Number::Real(seconds)));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    if let Some(kib) = rss {
        found.push(("process_resident_memory_bytes", "Memory of this process", Number::Whole(kib * 1024)));
    }
    found
}

/// What is being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A series of the worker as a whole.
    fn one(&mut self, name: &str, help: &str, shape: Shape, value: Number) -> fmt::Result {
        let labels: [(&str, &str); 0] = [];
        self.family(name, help, shape, std::iter::once((labels, value)))
    }

    /// A family without rows is left out altogether.
    fn family<V: EncodeLabelValue, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        shape: Shape,
        rows: impl Iterator<Item = ([(&'static str, V); N], Number)>,
    ) -> fmt::Result {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let kind = match shape {
            Shape::Counter => MetricType::Counter,
            Shape::Gauge => MetricType::Gauge,
        };
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            // An empty set of labels would be printed as `{}`.
            if N == 0 {
                write(&mut family, shape, value)?;
            } else {
                write(&mut family.encode_family(&labels)?, shape, value)?;
            }
        }
        Ok(())
    }
}

fn write(metric: &mut MetricEncoder<'_>, shape: Shape, value: Number) -> fmt::Result {
    match (shape, value) {
        (Shape::Counter, Number::Whole(n)) => metric.encode_counter::<NoLabelSet, _, f64>(&n, None),
        (Shape::Counter, Number::Real(n)) => metric.encode_counter::<NoLabelSet, _, f64>(&n, None),
        (Shape::Gauge, Number::Whole(n)) => metric.encode_gauge(&n),
        (Shape::Gauge, Number::Real(n)) => metric.encode_gauge(&n),
    }
}

/// The value of a label.
#[derive(Clone, Debug)]
enum Label<'a> {
    Text(&'a str),
    Owned(String),
    Number(i64),
}

impl EncodeLabelValue for Label<'_> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => EncodeLabelValue::encode(text, encoder),
            Self::Owned(text) => EncodeLabelValue::encode(text, encoder),
            Self::Number(n) => EncodeLabelValue::encode(n, encoder),
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
