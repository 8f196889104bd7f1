//! Fencing tasks that may still write somewhere: a producer that lives just long enough to take over
//! their transactional ids. librdkafka has no call of the admin client for this.

use std::time::Duration;

use cofferdam_api::{ConfigMap, TaskId};
use cofferdam_config::connector::{Boundary, ConnectorSettings};
use cofferdam_config::worker::WorkerSettings;
use cofferdam_kafka::{ClientConfig, Producer, Role};
use cofferdam_stdx::time::{Instant, now};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::Error;
use crate::transaction::take_over;

/// Ids at a time.
const AT_ONCE: usize = 8;
/// How long all of it may take: Kafka Connect's bound of a call to the cluster.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Fences the producers of these tasks of one connector.
pub(crate) async fn fence(
    settings: &WorkerSettings,
    embedded_broker: bool,
    ids: &[TaskId],
    connector_config: &ConfigMap,
) -> Result<(), Error> {
    let connector = ConnectorSettings::parse(connector_config).map_err(Error::Settings)?;
    let deadline = now() + TIMEOUT;
    let mut fenced = Vec::with_capacity(ids.len());
    for id in ids {
        let (name, overrides) = (id.connector.as_str(), &connector.producer_overrides);
        let mut config = settings.transactional_config(name, id.task, Boundary::Poll, overrides);
        config.insert("client.id".to_owned(), format!("connector-fencer-{name}-{}", id.task));
        fenced.push(fence_one(id.clone(), config, embedded_broker, deadline));
    }
    stream::iter(fenced).buffer_unordered(AT_ONCE).try_collect().await
}

async fn fence_one(
    id: TaskId,
    config: ConfigMap,
    embedded_broker: bool,
    deadline: Instant,
) -> Result<(), Error> {
    let failed = |error| Error::Kafka { doing: "a producer of an earlier task could not be fenced", error };
    let config = ClientConfig::from_java(Role::Producer, &config).map_err(failed)?.config;
    let config = if embedded_broker { config.for_embedded_broker() } else { config };
    let producer = Producer::new(&config).map_err(failed)?;
    take_over(&producer, || now() < deadline).await.map_err(failed)?;
    tracing::debug!(task = %id, "fenced");
    Ok(())
}
