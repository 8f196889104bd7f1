//! The component's imports and exports: `wit/` on one side, [`crate::guest`] on the other, and
//! nothing but translation in between.

use std::cell::RefCell;
use std::time::Duration;

use crate::config::{self, Pairs};
use crate::converter::{Direction, Target};
use crate::error::{BadRecord, Error, Problem};
use crate::guest::{ConditionSpec, Instance, Offer, StepSpec};
use crate::info::{Format, Kind, PluginInfo};
use crate::sink::{TopicOffset, TopicPartition};
use crate::transform::PredicateError;

use bindings::cofferdam::connect::connect_types as types;
use bindings::exports::cofferdam::connect::{
    connector_api, converter_api, plugin_api, predicate_api, sink_api, source_api, transform_api,
};

/// What `wit-bindgen` makes of `wit/`.
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "bundle",
        pub_export_macro: true,
        default_bindings_module: "cofferdam_sdk::wasm::bindings",
        runtime_path: "cofferdam_sdk::wasm::runtime",
        generate_unused_types: true,
    });
}

pub use wit_bindgen::rt as runtime;

/// A component: the plugins in it.
pub trait Component: 'static {
    /// The plugins.
    const PLUGINS: &'static [Offer];
}

/// Exports the plugins of a component.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugins:ident) => {
        struct CofferdamComponent;

        impl $crate::wasm::Component for CofferdamComponent {
            const PLUGINS: &'static [$crate::guest::Offer] = $plugins;
        }

        $crate::wasm::bindings::export!(CofferdamComponent with_types_in $crate::wasm::bindings);
    };
}

thread_local! {
    static INSTANCE: RefCell<Option<Instance>> = const { RefCell::new(None) };
}

fn with<C: Component, T>(call: impl FnOnce(&mut Instance) -> T) -> T {
    INSTANCE.with_borrow_mut(|slot| call(slot.get_or_insert_with(|| Instance::new(C::PLUGINS))))
}

impl<C: Component> plugin_api::Guest for C {
    fn describe() -> Vec<plugin_api::PluginInfo> {
        with::<C, _>(|instance| instance.describe().into_iter().map(info).collect())
    }

    fn validate(class: String, config: Pairs) -> Vec<plugin_api::KeyErrors> {
        let problems = with::<C, _>(|instance| instance.validate(&class, config));
        let mut keys: Vec<plugin_api::KeyErrors> = Vec::new();
        for Problem { key, message } in problems {
            match keys.iter_mut().find(|known| known.name == key) {
                Some(known) => known.errors.push(message),
                None => keys.push(plugin_api::KeyErrors { name: key, errors: vec![message] }),
            }
        }
        keys
    }
}

impl<C: Component> connector_api::Guest for C {
    fn start(class: String, config: Pairs) -> Result<(), types::Error> {
        with::<C, _>(|instance| instance.start_connector(&class, config)).map_err(error)
    }

    fn task_configs(max_tasks: u32) -> Result<Vec<Pairs>, types::Error> {
        with::<C, _>(|instance| instance.task_configs(max_tasks)).map_err(error)
    }

    fn stop() {
        with::<C, _>(Instance::stop_connector);
    }
}

impl<C: Component> source_api::Guest for C {
    fn start(class: String, config: Pairs) -> Result<(), types::Error> {
        with::<C, _>(|instance| instance.start_source(&class, config)).map_err(error)
    }

    fn poll(max_records: u32, max_bytes: u32, wait_ms: u32) -> Result<Vec<u8>, types::Error> {
        let wait = Duration::from_millis(wait_ms.into());
        with::<C, _>(|instance| instance.poll(max_records, max_bytes, wait)).map_err(error)
    }

    fn committed(offsets: Vec<(String, String)>) -> Result<(), types::Error> {
        with::<C, _>(|instance| instance.committed(&offsets)).map_err(error)
    }

    fn stop() {
        with::<C, _>(Instance::stop_source);
    }
}

impl<C: Component> sink_api::Guest for C {
    fn start(class: String, config: Pairs) -> Result<(), types::Error> {
        with::<C, _>(|instance| instance.start_sink(&class, config)).map_err(error)
    }

    fn open(partitions: Vec<types::TopicPartition>) -> Result<(), types::Error> {
        with::<C, _>(|instance| instance.open(&from_partitions(partitions))).map_err(error)
    }

    fn close(partitions: Vec<types::TopicPartition>) -> Result<(), types::Error> {
        with::<C, _>(|instance| instance.close(&from_partitions(partitions))).map_err(error)
    }

    fn put(batch: Vec<u8>) -> Result<Vec<types::BadRecord>, types::Error> {
        with::<C, _>(|instance| instance.put(&batch)).map(bad_records).map_err(error)
    }

    fn pre_commit(delivered: Vec<types::TopicOffset>) -> Result<Vec<types::TopicOffset>, types::Error> {
        let delivered = delivered
            .into_iter()
            .map(|types::TopicOffset { topic, partition, offset }| TopicOffset { topic, partition, offset })
            .collect();
        with::<C, _>(|instance| instance.pre_commit(delivered)).map(to_offsets).map_err(error)
    }

    fn stop() {
        with::<C, _>(Instance::stop_sink);
    }
}

impl<C: Component> transform_api::Guest for C {
    fn configure(steps: Vec<transform_api::Step>) -> Result<(), types::Error> {
        let steps = steps
            .into_iter()
            .map(|transform_api::Step { class, config, condition }| StepSpec {
                class,
                config,
                condition: condition.map(|transform_api::Condition { class, config, negate }| {
                    ConditionSpec { class, config, negate }
                }),
            })
            .collect();
        with::<C, _>(|instance| instance.configure_chain(steps)).map_err(error)
    }

    fn apply(batch: Vec<u8>) -> Result<types::BatchResult, types::Error> {
        with::<C, _>(|instance| instance.apply(&batch)).map(batch_result).map_err(error)
    }
}

impl<C: Component> predicate_api::Guest for C {
    fn configure(class: String, config: Pairs) -> Result<(), types::Error> {
        with::<C, _>(|instance| instance.configure_predicate(&class, config)).map_err(error)
    }

    fn test(batch: Vec<u8>) -> Result<Vec<bool>, types::Error> {
        with::<C, _>(|instance| instance.test(&batch)).map_err(|failed| match failed {
            PredicateError::Bad(records) => types::Error::BadRecords(bad_records(records)),
            PredicateError::Failed(failed) => error(failed),
        })
    }
}

impl<C: Component> converter_api::Guest for C {
    fn configure(class: String, config: Pairs, part: converter_api::Part) -> Result<(), types::Error> {
        let target = match part {
            converter_api::Part::Key => Target::Part(crate::Part::Key),
            converter_api::Part::Value => Target::Part(crate::Part::Value),
            converter_api::Part::Header => Target::Headers,
        };
        with::<C, _>(|instance| instance.configure_converter(&class, config, target)).map_err(error)
    }

    fn to_connect(batch: Vec<u8>) -> Result<types::BatchResult, types::Error> {
        convert::<C>(Direction::ToConnect, &batch)
    }

    fn from_connect(batch: Vec<u8>) -> Result<types::BatchResult, types::Error> {
        convert::<C>(Direction::FromConnect, &batch)
    }
}

fn convert<C: Component>(direction: Direction, batch: &[u8]) -> Result<types::BatchResult, types::Error> {
    with::<C, _>(|instance| instance.convert(direction, batch)).map(batch_result).map_err(error)
}

fn batch_result((output, bad): crate::guest::Applied) -> types::BatchResult {
    types::BatchResult { output, bad: bad_records(bad) }
}

fn error(error: Error) -> types::Error {
    match error {
        Error::Retriable { message, backoff } => types::Error::Retriable(types::Retry {
            message,
            backoff_ms: backoff.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
        }),
        // Where no single record is at hand, nobody could tell which one is meant.
        Error::BadRecord(message) | Error::Fatal(message) => types::Error::Fatal(message),
        Error::Config(problems) => types::Error::Config(
            problems
                .into_iter()
                .map(|Problem { key, message }| types::ConfigProblem { key, message })
                .collect(),
        ),
    }
}

fn bad_records(records: Vec<BadRecord>) -> Vec<types::BadRecord> {
    records
        .into_iter()
        .map(|BadRecord { index, step, message }| types::BadRecord { index, step, message })
        .collect()
}

fn from_partitions(partitions: Vec<types::TopicPartition>) -> Vec<TopicPartition> {
    partitions
        .into_iter()
        .map(|types::TopicPartition { topic, partition }| TopicPartition { topic, partition })
        .collect()
}

fn to_partitions(partitions: Vec<TopicPartition>) -> Vec<types::TopicPartition> {
    partitions
        .into_iter()
        .map(|TopicPartition { topic, partition }| types::TopicPartition { topic, partition })
        .collect()
}

fn to_offsets(offsets: Vec<TopicOffset>) -> Vec<types::TopicOffset> {
    offsets
        .into_iter()
        .map(|TopicOffset { topic, partition, offset }| types::TopicOffset { topic, partition, offset })
        .collect()
}

fn info(info: PluginInfo) -> plugin_api::PluginInfo {
    let format = |format| match format {
        Format::Raw => plugin_api::Format::Raw,
        Format::Rows => plugin_api::Format::Rows,
        Format::Json => plugin_api::Format::Json,
        Format::Cbor => plugin_api::Format::Cbor,
    };
    plugin_api::PluginInfo {
        class: info.class,
        aliases: info.aliases,
        kind: match info.kind {
            Kind::Source => plugin_api::Kind::Source,
            Kind::Sink => plugin_api::Kind::Sink,
            Kind::Transform => plugin_api::Kind::Transform,
            Kind::Predicate => plugin_api::Kind::Predicate,
            Kind::Converter => plugin_api::Kind::Converter,
            Kind::HeaderConverter => plugin_api::Kind::HeaderConverter,
        },
        version: info.version,
        documentation: info.documentation,
        config_def: info.config_def.keys.into_iter().map(key).collect(),
        key_format: format(info.key_format),
        value_format: format(info.value_format),
        needs_key: info.needs_key,
        needs_value: info.needs_value,
        needs_headers: info.needs_headers,
        pure: info.pure,
        idempotent: info.idempotent,
        task_class: info.task_class,
        capabilities: info
            .capabilities
            .into_iter()
            .map(|capability| plugin_api::Capability { kind: capability.kind, value: capability.value })
            .collect(),
    }
}

fn key(key: config::Key) -> plugin_api::ConfigKey {
    use plugin_api::ConfigType as Type;
    let optional = key.default == config::Default::Null;
    plugin_api::ConfigKey {
        name: key.name,
        config_type: match key.value_type {
            config::Type::Boolean => Type::Boolean,
            config::Type::String => Type::String,
            config::Type::Int => Type::Int,
            config::Type::Short => Type::Short,
            config::Type::Long => Type::Long,
            config::Type::Double => Type::Double,
            config::Type::List => Type::List,
            config::Type::Class => Type::Class,
            config::Type::Password => Type::Password,
        },
        default: match key.default {
            config::Default::Value(value) => Some(value),
            config::Default::Required | config::Default::Null => None,
        },
        optional,
        importance: match key.importance {
            config::Importance::High => plugin_api::Importance::High,
            config::Importance::Medium => plugin_api::Importance::Medium,
            config::Importance::Low => plugin_api::Importance::Low,
        },
        documentation: key.documentation,
        group: key.group,
        order: key.order,
        width: match key.width {
            config::Width::None => plugin_api::Width::None,
            config::Width::Short => plugin_api::Width::Short,
            config::Width::Medium => plugin_api::Width::Medium,
            config::Width::Long => plugin_api::Width::Long,
        },
        display_name: key.display_name,
        dependents: key.dependents,
        validator: match key.validator {
            config::Validator::None => plugin_api::Validator::None,
            config::Validator::OneOf(values) => plugin_api::Validator::OneOf(values),
            config::Validator::OneOfIgnoreCase(values) => plugin_api::Validator::OneOfIgnoreCase(values),
            config::Validator::Range(least, most) => plugin_api::Validator::Range((least, most)),
            config::Validator::NonEmptyString => plugin_api::Validator::NonEmptyString,
            config::Validator::NonEmptyList => plugin_api::Validator::NonEmptyList,
            config::Validator::Regex => plugin_api::Validator::Regex,
        },
    }
}

/// The imports, in the SDK's own types.
pub(crate) mod imports {
    use cofferdam_frame::{Field, Kind, Schema, SchemaId};

    use super::bindings::cofferdam::connect::{
        connect_log, connect_metrics, connect_schemas, connector_context, sink_context,
        source_offsets as offsets, source_transactions as transactions,
    };
    use super::{TopicOffset, TopicPartition, from_partitions, to_offsets, to_partitions};
    use crate::log::Level;

    pub(crate) fn schema(id: SchemaId) -> Option<Schema> {
        let schema = connect_schemas::get(id)?;
        Some(Schema {
            kind: KINDS.iter().find(|(_, theirs)| *theirs == schema.kind)?.0,
            optional: schema.optional,
            name: schema.name,
            version: schema.version,
            doc: schema.doc,
            parameters: schema.parameters,
            default: schema.default,
            fields: schema
                .fields
                .into_iter()
                .map(|field| Field { name: field.name, schema: field.schema })
                .collect(),
            key: schema.key_schema,
            value: schema.value_schema,
        })
    }

    pub(crate) fn define(schema: &Schema) -> Result<SchemaId, String> {
        let kind = KINDS.iter().find(|(ours, _)| *ours == schema.kind).map(|(_, theirs)| *theirs);
        connect_schemas::define(&connect_schemas::Schema {
            kind: kind.ok_or("a kind that the contract does not have")?,
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
        })
    }

    const KINDS: [(Kind, connect_schemas::Kind); 12] = [
        (Kind::Int8, connect_schemas::Kind::Int8),
        (Kind::Int16, connect_schemas::Kind::Int16),
        (Kind::Int32, connect_schemas::Kind::Int32),
        (Kind::Int64, connect_schemas::Kind::Int64),
        (Kind::Float32, connect_schemas::Kind::Float32),
        (Kind::Float64, connect_schemas::Kind::Float64),
        (Kind::Boolean, connect_schemas::Kind::Boolean),
        (Kind::String, connect_schemas::Kind::String),
        (Kind::Bytes, connect_schemas::Kind::Bytes),
        (Kind::Array, connect_schemas::Kind::Array),
        (Kind::Map, connect_schemas::Kind::Map),
        (Kind::Struct, connect_schemas::Kind::Struct),
    ];

    pub(crate) fn source_offsets(partitions: Vec<String>) -> Result<Vec<Option<String>>, String> {
        offsets::get(&partitions)
    }

    pub(crate) fn ends_transactions() -> bool {
        transactions::enabled()
    }

    pub(crate) fn commit_transaction(behind: Option<u32>) {
        transactions::commit(behind);
    }

    pub(crate) fn abort_transaction(behind: Option<u32>) {
        transactions::abort(behind);
    }

    pub(crate) fn request_task_reconfiguration() {
        connector_context::request_task_reconfiguration();
    }

    pub(crate) fn assignment() -> Vec<TopicPartition> {
        from_partitions(sink_context::assignment())
    }

    pub(crate) fn pause(partitions: Vec<TopicPartition>) {
        sink_context::pause(&to_partitions(partitions));
    }

    pub(crate) fn resume(partitions: Vec<TopicPartition>) {
        sink_context::resume(&to_partitions(partitions));
    }

    pub(crate) fn seek(offsets: Vec<TopicOffset>) {
        sink_context::seek(&to_offsets(offsets));
    }

    pub(crate) fn request_commit() {
        sink_context::request_commit();
    }

    pub(crate) fn max_level() -> Level {
        match connect_log::max_level() {
            connect_log::Level::Trace => Level::Trace,
            connect_log::Level::Debug => Level::Debug,
            connect_log::Level::Info => Level::Info,
            connect_log::Level::Warn => Level::Warn,
            connect_log::Level::Error => Level::Error,
        }
    }

    pub(crate) fn write_log(level: Level, message: &str) {
        let level = match level {
            Level::Trace => connect_log::Level::Trace,
            Level::Debug => connect_log::Level::Debug,
            Level::Info => connect_log::Level::Info,
            Level::Warn => connect_log::Level::Warn,
            Level::Error => connect_log::Level::Error,
        };
        connect_log::write(level, message);
    }

    pub(crate) fn count(name: &str, by: u64) {
        connect_metrics::count(name, by);
    }

    pub(crate) fn gauge(name: &str, value: f64) {
        connect_metrics::gauge(name, value);
    }
}
