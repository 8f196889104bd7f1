//! Everything that talks to Kafka: the only crate that sees rdkafka.
//!
//! Clients are configured with the Java client's keys ([`ClientConfig::from_java`]). A [`Consumer`]
//! and a [`Producer`] move whole frames, an [`Admin`] asks the cluster, a [`TopicLog`] keeps a
//! compacted topic in step with whoever reads it. No call blocks a thread of tokio: librdkafka says
//! when there is something to fetch, and the few calls that only exist in a blocking form run aside.

mod admin;
mod config;
mod consumer;
mod delivery;
#[cfg(feature = "embedded-broker")]
pub mod embedded;
mod error;
mod events;
mod log;
mod native;
mod on_demand;
mod producer;
mod rescue;
mod transaction;

pub use admin::{Admin, Created, NewTopic, OffsetSpec};
pub use config::{ClientConfig, Role, Translated};
pub use consumer::{Consumer, Event};
pub use delivery::{Delivery, DeliveryFailure, RefusedRecord};
pub use error::{Cause, Error, Refused, TransactionFault};
pub use log::{LogRecord, LogSettings, TopicLog};
pub use on_demand::OnDemand;
pub use producer::{Producer, SendError};
