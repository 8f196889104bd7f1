//! The REST API: Kafka Connect's paths, shapes, texts and status codes, and on top of them uploads of
//! plugins and `/metrics`.
//!
//! This is the only crate that sees axum, and the only place where the JSON of the API is written
//! down (`dto.rs`). Handlers translate; every decision is the herder's. Whatever goes wrong, the
//! answer is a JSON object with `error_code` and `message`: clients parse it blindly.

mod artifacts;
mod body;
mod connectors;
mod dto;
mod error;
mod plugins;
mod refused;
mod routes;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;

use cofferdam_herder::Herder;
use cofferdam_stdx::{ByteCount, Supervisor, TaskKind};
use cofferdam_telemetry::Metrics;
use tokio::net::{TcpListener, ToSocketAddrs};

pub use artifacts::{ArtifactError, Artifacts};

/// Version of Kafka Connect whose API this is: clients decide by it what they may use.
pub const KAFKA_CONNECT_VERSION: &str = "4.3.1";

/// Largest component that may be uploaded, unless [`App::upload_max`] says otherwise.
pub const UPLOAD_MAX: ByteCount = ByteCount::mib(256);

/// What the API is an API of.
#[derive(Clone)]
pub struct App {
    /// The control path.
    pub herder: Arc<dyn Herder>,
    /// Installed components.
    pub artifacts: Arc<dyn Artifacts>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Largest component that may be uploaded.
    pub upload_max: ByteCount,
}

/// An address that is ours but not answered yet: its port is known before the worker that it names
/// is made.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Takes the address; port 0 takes any.
    ///
    /// # Errors
    /// When it is taken or not ours.
    pub async fn new(address: impl ToSocketAddrs + Send) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address with its port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until the supervisor stops, then finishes those under way.
    pub fn serve(self, app: App, supervisor: &Supervisor) {
        let stop = supervisor.stop_token().clone();
        let router = routes::router(app);
        let name = self.address.to_string();
        // A worker that nobody can reach is of no use: however this ends, the process ends too.
        let end = stop.clone().drop_guard();
        _ = supervisor.spawn(TaskKind::RestServer, &name, async move {
            let _end = end;
            let served = axum::serve(self.listener, router)
                .with_graceful_shutdown(async move { stop.cancelled().await })
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the REST server ended");
            }
        });
        tracing::info!(address = %self.address, "REST API ready");
    }
}

/// Binds and serves in one go; for callers that know their port.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn serve(
    address: impl ToSocketAddrs + Send,
    app: App,
    supervisor: &Supervisor,
) -> std::io::Result<SocketAddr> {
    let bound = Bound::new(address).await?;
    let address = bound.address();
    bound.serve(app, supervisor);
    Ok(address)
}
