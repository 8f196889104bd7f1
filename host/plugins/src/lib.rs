//! WebAssembly plugins: the only crate that sees wasmtime.
//!
//! [`Plugins`] installs components (checked, compiled, cached, asked what they contain), finds
//! plugins by class, and starts instances: [`SourceInstance`], [`SinkInstance`],
//! [`TransformInstance`], [`PredicateInstance`], [`ConverterInstance`], [`ConnectorInstance`]. Each call has a deadline, each
//! instance bounds on memory and log lines, and sees nothing but what its configuration names.
//! Whatever a guest answers is checked here; nothing behind this crate has to distrust a frame.
//!
//! What becomes of a failed call is not decided here: see [`CallError`] and its class.

mod aside;
mod bindings;
mod builtin;
mod cache;
mod catalog;
mod contract;
mod convert;
mod describe;
mod engine;
mod error;
mod grants;
mod guest;
mod host;
mod info;
mod instances;
mod limiter;
mod log;
mod plugins;
mod settings;
mod spec;
mod streams;
mod ticker;
mod transactions;

pub use error::{BadRecord, BoxError, CallError, GuestError, InstallError, RemoveError, SetupError};
pub use info::{Artifact, Capability, Format, Origin, PluginInfo, PluginKind, Power};
pub use instances::{
    ConnectorInstance, ConverterInstance, PredicateInstance, SinkInstance, SourceInstance, TransformInstance,
};
pub use plugins::Plugins;
pub use settings::{Limits, PluginSettings};
pub use spec::{
    BatchResult, Condition, Hooks, KeyErrors, Label, Metric, NoHooks, Part, SinkRequests, Spec,
    TransformStep, Usage,
};
pub use transactions::{TransactionEnd, TransactionEnds};
