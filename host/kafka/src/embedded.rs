//! The in-process broker of `cofferdam dev` and of tests: everything is in memory and gone with the
//! process. Clients reach it over TCP like any other broker.
//!
//! It puts all it has into one fetch answer, so its clients need
//! [`ClientConfig::for_embedded_broker`](crate::ClientConfig::for_embedded_broker) (or the key
//! `receive.message.max.bytes`); a member that dies without leaving keeps its partitions; it cannot
//! be stopped before the process ends. Nothing expires and nothing is compacted.

mod front;

use std::io;
use std::net::{SocketAddr, TcpListener};

use noida::kafka::engine::Engine;

/// The broker could not start.
#[derive(Debug, thiserror::Error)]
#[error("starting the embedded broker on {addr}")]
pub struct StartError {
    /// Where it should have listened.
    pub addr: String,
    /// Why it could not.
    #[source]
    pub source: io::Error,
}

/// A running broker.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedBroker {
    addr: SocketAddr,
}

impl EmbeddedBroker {
    /// Starts one on `addr` (`host:port`, port 0 = any).
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(addr: &str) -> Result<Self, StartError> {
        let started = || {
            let listener = TcpListener::bind(addr)?;
            let addr = listener.local_addr()?;
            let engine = Engine::new(addr.ip().to_string(), i32::from(addr.port()));
            // Its cleaner stays off: once a second it would delete records by their timestamp, so
            // those of a source that reads last year's data would vanish as they arrive.
            let work = move || front::serve(&listener, &engine);
            std::thread::Builder::new().name("kafka-accept".into()).spawn(work)?;
            Ok(Self { addr })
        };
        started().map_err(|source| StartError { addr: addr.to_owned(), source })
    }

    /// Its address, for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addr.to_string()
    }
}
