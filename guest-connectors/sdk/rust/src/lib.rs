//! Write Cofferdam plugins in Rust: sources, sinks, transforms, predicates and converters, compiled to
//! one WebAssembly component for `wasm32-wasip2`.
//!
//! A plugin is a type that implements [`Source`], [`Sink`], [`Transform`], [`Predicate`] or
//! [`Converter`], and a line in [`plugins!`]. The crate that holds them is a `cdylib`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! cofferdam-sdk = { path = "…/guest-connectors/sdk/rust" }
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` makes the component; upload the `.wasm`, or put it
//! into a folder of the worker's `plugin.path`.
//!
//! # A source
//!
//! ```
//! use cofferdam_sdk::{
//!     BatchWriter, Config, ConfigDef, Key, PluginInfo, Result, Source, SourceContext, json, schemas,
//! };
//!
//! /// Counts.
//! struct Counter {
//!     topic: String,
//!     next: i64,
//! }
//!
//! impl Source for Counter {
//!     fn info() -> PluginInfo {
//!         let keys = ConfigDef::new()
//!             .key(Key::string("topic").non_empty().high().doc("The topic to publish to"));
//!         PluginInfo::source("com.example.Counter").alias("Counter").version("1.0.0").config(keys)
//!     }
//!
//!     fn start(config: &Config, context: &SourceContext) -> Result<Self> {
//!         // Where the last record that is in Kafka left off.
//!         let offset = context.offset(r#"{"counter":"main"}"#)?;
//!         let offset = offset.as_deref().and_then(json::Object::parse);
//!         let next = offset.and_then(|offset| offset.int("n")).map_or(0, |n| n + 1);
//!         Ok(Self { topic: config.string("topic")?.to_owned(), next })
//!     }
//!
//!     fn poll(&mut self, out: &mut BatchWriter) -> Result<()> {
//!         let number = schemas::int64()?;
//!         let partition = out.partition(r#"{"counter":"main"}"#)?;
//!         while !out.is_full() {
//!             out.record(&self.topic)?
//!                 .value(number, &self.next.to_le_bytes())
//!                 .offset(partition, &json::object_of_int("n", self.next))
//!                 .send();
//!             self.next += 1;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! cofferdam_sdk::plugins! { source Counter; }
//! # fn main() {
//! # use std::time::Duration;
//! # let mut task = cofferdam_sdk::guest::Instance::new(PLUGINS);
//! # task.start_source("Counter", vec![("topic".into(), "t".into())]).unwrap();
//! # let bytes = task.poll(3, 1 << 20, Duration::ZERO).unwrap();
//! # let frame = cofferdam_sdk::frame::Frame::parse(&bytes).unwrap();
//! # assert_eq!(frame.len(), 3);
//! # assert_eq!(frame.get(2).unwrap().source_offset(), Some("{\"n\":2}"));
//! # }
//! ```
//!
//! # A transform
//!
//! ```
//! use cofferdam_sdk::{Config, ConfigDef, Error, Flow, Key, Part, PluginInfo, Record, Result, Transform};
//! use cofferdam_sdk::{Kind, schemas};
//!
//! /// Turns text values to upper case; the records of one topic are dropped.
//! struct Shout {
//!     drop_topic: Option<String>,
//! }
//!
//! impl Transform for Shout {
//!     fn info() -> PluginInfo {
//!         let keys = ConfigDef::new().key(Key::string("drop.topic").optional().doc("A topic to leave out"));
//!         // The worker need not hand over what the transform does not look at.
//!         PluginInfo::transform("com.example.Shout").config(keys).without_key().without_headers()
//!     }
//!
//!     fn configure(config: &Config) -> Result<Self> {
//!         Ok(Self { drop_topic: config.optional("drop.topic").map(str::to_owned) })
//!     }
//!
//!     fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
//!         if Some(record.topic()) == self.drop_topic.as_deref() {
//!             return Ok(Flow::Drop);
//!         }
//!         let schema = record.value_schema();
//!         if schemas::get(schema).is_none_or(|schema| schema.kind != Kind::String) {
//!             return Err(Error::bad_record("Shout is for text"));
//!         }
//!         record.rewrite(Part::Value, |old, out| {
//!             let bytes = old.value().unwrap_or_default();
//!             out.extend(bytes.iter().map(u8::to_ascii_uppercase));
//!             Ok(schema)
//!         })?;
//!         Ok(Flow::Keep)
//!     }
//! }
//!
//! cofferdam_sdk::plugins! { transform Shout; }
//! # fn main() {
//! # assert_eq!(PLUGINS[0].info().class, "com.example.Shout");
//! # }
//! ```
//!
//! # What to know
//!
//! * **Values.** Unless [`PluginInfo::formats`] says otherwise, keys, values and headers are [`rows`]
//!   where there is a schema and [`tape`] where there is none (schema id 0). A schema is known by its
//!   id, see [`schemas`]; work out once per schema what depends on it ([`BySchema`]).
//! * **Errors.** [`Error`] has four kinds, and the worker acts by them: try again, treat the record by
//!   `errors.tolerance`, refuse the configuration, fail. A panic is a trap: the instance is thrown
//!   away and the task fails, or for a pure transform the record that caused it is found and
//!   treated as bad.
//! * **Files.** `std::fs` works in the folders that the plugin asked for with
//!   [`PluginInfo::reads_file`] and [`PluginInfo::writes_file`], and nowhere else.
//! * **Logs** go to the worker's log: [`info!`], [`warn!`] and their like. **Metrics**: [`metrics`].
//! * **Waiting.** A source may sleep, or wait for a file or socket, up to [`BatchWriter::wait`]; no
//!   thread of the worker is held by it.
//! * **State** is what the type's fields hold. An instance may be dropped and made anew between any
//!   two calls: what must outlive it is a source offset or lies in the target system.
//! * **Tests.** Everything runs natively as well: drive the plugin with [`guest::Instance`] as the
//!   worker would, on the stand-in of the module `testing`.

// The generated bindings name this crate from wherever they are expanded.
#[cfg(target_family = "wasm")]
extern crate self as cofferdam_sdk;

pub mod config;
mod connector;
mod converter;
mod error;
pub mod guest;
mod host;
pub mod info;
pub mod json;
pub mod log;
pub mod metrics;
mod record;
pub mod schemas;
mod sink;
mod source;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod topics;
mod transform;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod wasm;

pub use cofferdam_frame as frame;
pub use cofferdam_frame::{Field, Header, Kind, Schema, SchemaId, Span, logical, rows, tape};

pub use config::{Config, ConfigDef, Key, Problems};
pub use connector::{Connector, ConnectorContext, Copies};
pub use converter::{Converted, Converter, Datum, Direction, Target};
pub use error::{BadRecord, Error, Problem, Result};
pub use info::{Capability, Format, PluginInfo};
pub use record::{HeaderWriter, Part, Record};
pub use schemas::BySchema;
pub use sink::{Batch, Sink, SinkContext, SinkRecord, TopicOffset, TopicPartition};
pub use source::{BatchWriter, NewRecord, Partition, Source, SourceContext, Topic, Transactions};
pub use topics::{ByTopic, Routes};
pub use transform::{Flow, Predicate, PredicateError, Transform};
