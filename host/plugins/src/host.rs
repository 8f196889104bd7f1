//! The host's side of one instance: its state, and what answers its imports.

use std::sync::Arc;

use cofferdam_api::{Schemas, TopicOffset, TopicPartition};
use cofferdam_frame as frame;
use cofferdam_stdx::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use wasmtime::UpdateDeadline;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::bindings::imports::{
    connect_log, connect_metrics, connect_schemas, connect_types, connector_context, sink_context,
    source_offsets, source_transactions,
};
use crate::grants::Preopen;
use crate::limiter::Limiter;
use crate::log::{GuestLog, GuestStream, Stream};
use crate::{Hooks, Metric, SinkRequests, TransactionEnd, TransactionEnds};

/// Files, streams and pollables that one instance may hold.
const HANDLES_MAX: usize = 10_000;
/// Longest name of a plugin's own metric.
const METRIC_NAME_MAX: usize = 128;
/// Epochs that a guest runs before other work gets its thread: 10 ms.
const YIELD_EVERY: u32 = 2;

/// What a store holds.
pub(crate) struct State {
    wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) host: Host,
    /// End of the present call.
    pub(crate) deadline: Instant,
    /// The epoch callback ended the present call.
    pub(crate) interrupted: bool,
    /// Nobody waits for the present call any more.
    abandoned: CancellationToken,
    epochs: u32,
}

/// What answers the imports of our own.
pub(crate) struct Host {
    pub(crate) log: Arc<GuestLog>,
    pub(crate) schemas: Arc<Schemas>,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) assignment: Vec<TopicPartition>,
    pub(crate) requests: SinkRequests,
    pub(crate) ends: TransactionEnds,
}

impl State {
    /// # Errors
    /// When a granted folder cannot be opened.
    pub(crate) fn new(
        host: Host,
        limiter: Limiter,
        preopens: &[Preopen],
        abandoned: CancellationToken,
    ) -> wasmtime::Result<Self> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(GuestStream { log: Arc::clone(&host.log), stream: Stream::Out });
        wasi.stderr(GuestStream { log: Arc::clone(&host.log), stream: Stream::Err });
        // The library's defaults, said here because the sandbox rests on them.
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        // Its calls are made on threads that may wait for a disk: see `aside`.
        wasi.allow_blocking_current_thread(!preopens.is_empty());
        for preopen in preopens {
            wasi.preopened_dir(&preopen.folder, &preopen.name, preopen.perms)?;
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Ok(Self {
            wasi: wasi.build(),
            table,
            limiter,
            host,
            deadline: time::now(),
            interrupted: false,
            abandoned,
            epochs: 0,
        })
    }

    /// Called at each epoch while the guest runs.
    pub(crate) fn on_epoch(&mut self) -> UpdateDeadline {
        if self.abandoned.is_cancelled() || time::now() >= self.deadline {
            self.interrupted = true;
            return UpdateDeadline::Interrupt;
        }
        self.epochs += 1;
        if self.epochs.is_multiple_of(YIELD_EVERY) {
            UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
        } else {
            UpdateDeadline::Continue(1)
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

// === log and metrics ===

impl connect_log::Host for Host {
    fn max_level(&mut self) -> connect_log::Level {
        let max = LevelFilter::current();
        if max >= LevelFilter::TRACE {
            connect_log::Level::Trace
        } else if max >= LevelFilter::DEBUG {
            connect_log::Level::Debug
        } else if max >= LevelFilter::INFO {
            connect_log::Level::Info
        } else if max >= LevelFilter::WARN {
            connect_log::Level::Warn
        } else {
            connect_log::Level::Error
        }
    }

    fn write(&mut self, level: connect_log::Level, message: String) {
        let level = match level {
            connect_log::Level::Trace => Level::TRACE,
            connect_log::Level::Debug => Level::DEBUG,
            connect_log::Level::Info => Level::INFO,
            connect_log::Level::Warn => Level::WARN,
            connect_log::Level::Error => Level::ERROR,
        };
        // What nobody reads must not use up the lines of a second.
        if level <= LevelFilter::current() {
            self.log.line(level, &message);
        }
    }
}

impl connect_metrics::Host for Host {
    fn count(&mut self, name: String, by: u64) {
        if name.len() <= METRIC_NAME_MAX {
            self.hooks.metric(&name, Metric::Count(by));
        }
    }

    fn gauge(&mut self, name: String, value: f64) {
        if name.len() <= METRIC_NAME_MAX {
            self.hooks.metric(&name, Metric::Gauge(value));
        }
    }
}

// === schemas ===

impl connect_schemas::Host for Host {
    fn get(&mut self, id: u32) -> Option<connect_schemas::Schema> {
        self.schemas.get(id).map(|schema| schema_out(&schema))
    }

    fn define(&mut self, schema: connect_schemas::Schema) -> Result<u32, String> {
        self.schemas.define(schema_in(schema)).map_err(|error| error.to_string())
    }
}

fn schema_out(schema: &frame::Schema) -> connect_schemas::Schema {
    use connect_schemas::Kind;
    connect_schemas::Schema {
        kind: match schema.kind {
            frame::Kind::Int8 => Kind::Int8,
            frame::Kind::Int16 => Kind::Int16,
            frame::Kind::Int32 => Kind::Int32,
            frame::Kind::Int64 => Kind::Int64,
            frame::Kind::Float32 => Kind::Float32,
            frame::Kind::Float64 => Kind::Float64,
            frame::Kind::Boolean => Kind::Boolean,
            frame::Kind::String => Kind::String,
            frame::Kind::Bytes => Kind::Bytes,
            frame::Kind::Array => Kind::Array,
            frame::Kind::Map => Kind::Map,
            frame::Kind::Struct => Kind::Struct,
        },
        optional: schema.optional,
        name: schema.name.clone(),
        version: schema.version,
        doc: schema.doc.clone(),
        parameters: schema.parameters.clone(),
        default: schema.default.clone(),
        fields: schema
            .fields
            .iter()
            .map(|field| connect_schemas::Field { name: field.name.clone(), schema: field.schema })
            .collect(),
        key_schema: schema.key,
        value_schema: schema.value,
    }
}

fn schema_in(schema: connect_schemas::Schema) -> frame::Schema {
    use connect_schemas::Kind;
    frame::Schema {
        kind: match schema.kind {
            Kind::Int8 => frame::Kind::Int8,
            Kind::Int16 => frame::Kind::Int16,
            Kind::Int32 => frame::Kind::Int32,
            Kind::Int64 => frame::Kind::Int64,
            Kind::Float32 => frame::Kind::Float32,
            Kind::Float64 => frame::Kind::Float64,
            Kind::Boolean => frame::Kind::Boolean,
            Kind::String => frame::Kind::String,
            Kind::Bytes => frame::Kind::Bytes,
            Kind::Array => frame::Kind::Array,
            Kind::Map => frame::Kind::Map,
            Kind::Struct => frame::Kind::Struct,
        },
        optional: schema.optional,
        name: schema.name,
        version: schema.version,
        doc: schema.doc,
        parameters: schema.parameters,
        default: schema.default,
        fields: schema
            .fields
            .into_iter()
            .map(|field| frame::Field { name: field.name, schema: field.schema })
            .collect(),
        key: schema.key_schema,
        value: schema.value_schema,
    }
}

// === what reaches the worker ===

impl connect_types::Host for Host {}

impl source_offsets::Host for Host {
    async fn get(&mut self, partitions: Vec<String>) -> Result<Vec<Option<String>>, String> {
        self.hooks.source_offsets(partitions).await
    }
}

impl source_transactions::Host for Host {
    fn enabled(&mut self) -> bool {
        self.hooks.ends_transactions()
    }

    fn commit(&mut self, behind: Option<u32>) {
        if self.hooks.ends_transactions() {
            self.ends.ask(TransactionEnd::Commit, behind);
        }
    }

    fn abort(&mut self, behind: Option<u32>) {
        if self.hooks.ends_transactions() {
            self.ends.ask(TransactionEnd::Abort, behind);
        }
    }
}

impl connector_context::Host for Host {
    fn request_task_reconfiguration(&mut self) {
        self.hooks.request_task_reconfiguration();
    }
}

impl sink_context::Host for Host {
    fn assignment(&mut self) -> Vec<connect_types::TopicPartition> {
        self.assignment.iter().map(partition_out).collect()
    }

    fn pause(&mut self, partitions: Vec<connect_types::TopicPartition>) {
        for partition in self.assigned(partitions) {
            self.requests.resume.retain(|other| *other != partition);
            if !self.requests.pause.contains(&partition) {
                self.requests.pause.push(partition);
            }
        }
    }

    fn resume(&mut self, partitions: Vec<connect_types::TopicPartition>) {
        for partition in self.assigned(partitions) {
            self.requests.pause.retain(|other| *other != partition);
            if !self.requests.resume.contains(&partition) {
                self.requests.resume.push(partition);
            }
        }
    }

    fn seek(&mut self, offsets: Vec<connect_types::TopicOffset>) {
        for offset in offsets {
            let partition = TopicPartition::new(offset.topic, offset.partition);
            if self.assignment.contains(&partition) {
                self.requests.seek.retain(|other| other.partition != partition);
                self.requests.seek.push(TopicOffset { partition, offset: offset.offset });
            }
        }
    }

    fn request_commit(&mut self) {
        self.requests.commit = true;
    }
}

impl Host {
    /// Those of `partitions` that the task has. Others may have been revoked just now, which is no
    /// fault of the guest.
    fn assigned(&self, partitions: Vec<connect_types::TopicPartition>) -> Vec<TopicPartition> {
        partitions
            .into_iter()
            .map(|partition| TopicPartition::new(partition.topic, partition.partition))
            .filter(|partition| self.assignment.contains(partition))
            .collect()
    }
}

pub(crate) fn partition_out(partition: &TopicPartition) -> connect_types::TopicPartition {
    connect_types::TopicPartition { topic: partition.topic.to_string(), partition: partition.partition }
}
