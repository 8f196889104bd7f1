//! Handing a batch to a sink.
//!
//! However long the guest takes, the consumer keeps its place in the group. A sink that crashes fails
//! its task, since nobody knows what it did with the batch; one that promises to be idempotent is
//! started anew and given the batch in halves, until the record that fails is alone.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::TopicPartition;
use cofferdam_kafka::Error as KafkaError;
use cofferdam_plugins::{CallError, GuestError, Plugins, SinkInstance, SinkRequests, Spec};
use cofferdam_stdx::Backoff;

use super::Stage;
use super::consume::Consume;
use crate::Error;
use crate::batch::Batch;
use crate::chain::Layout;
use crate::errors::{DATA, Exception, Failed};

/// First pause before a batch is put again; doubled each time, up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(300);
/// Longest pause of the host's own choice before a batch is put again.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// What Kafka Connect names when put reports a record.
const SINK_TASK: &str = "org.apache.kafka.connect.sink.SinkTask";

/// The guest of a sink task.
pub(crate) struct Put {
    pub(crate) instance: SinkInstance,
    pub(crate) layout: Layout,
    plugins: Plugins,
    spec: Spec,
    idempotent: bool,
    retry: Backoff,
}

/// How a put went.
pub(crate) enum Outcome {
    /// The sink has the batch, except for these records.
    Done(Vec<Failed>),
    /// It wants the batch again after a pause, except for these records.
    Again(Duration, Vec<Failed>),
}

impl Put {
    /// A guest that was started.
    pub(crate) fn new(instance: SinkInstance, plugins: Plugins, spec: Spec) -> Self {
        let info = instance.info();
        Self {
            layout: Layout::of(info),
            idempotent: info.idempotent,
            instance,
            plugins,
            spec,
            retry: Backoff::new(RETRY_FIRST, RETRY_MAX),
        }
    }

    /// Hands `batch` over.
    pub(crate) async fn put(&mut self, batch: &Batch, consume: &mut Consume) -> Result<Outcome, Error> {
        let mut failed = Vec::new();
        let mut todo: Vec<Vec<u32>> = vec![(0..batch.len() as u32).collect()];
        while let Some(mut indexes) = todo.pop() {
            let origin =
                |at: u32| indexes.get(at as usize).map_or(u32::MAX, |index| batch.origin(*index as usize));
            let view = batch.view_of(&self.layout.needs, &indexes);
            match consume.while_busy(self.instance.put(&view)).await {
                Ok(bad) => {
                    failed.extend(bad.iter().map(|bad| rejected(origin(bad.index), &bad.message)));
                }
                Err(CallError::Guest(GuestError::Retriable { message, backoff })) => {
                    let pause = backoff.unwrap_or_else(|| self.retry.next_delay());
                    tracing::warn!(
                        "the sink asks for the batch again in {} ms: {message}",
                        pause.as_millis()
                    );
                    return Ok(Outcome::Again(pause, failed));
                }
                Err(CallError::Guest(GuestError::BadRecords(list))) if !list.is_empty() => {
                    // The call had no effect for the others: they are put without the bad ones.
                    failed.extend(list.iter().map(|bad| rejected(origin(bad.index), &bad.message)));
                    let is_bad = |at: u32| list.iter().any(|bad| bad.index == at);
                    let rest = (0_u32..).zip(indexes).filter(|(at, _)| !is_bad(*at)).map(|(_, index)| index);
                    todo.push(rest.collect());
                }
                Err(error) if error.poisons() && self.idempotent && !indexes.is_empty() => {
                    tracing::warn!(
                        records = indexes.len(),
                        "the sink failed; a new instance tries the batch in parts: {error}"
                    );
                    if let [index] = indexes.as_slice() {
                        let (class, exception) = (Arc::from(SINK_TASK), Exception::from_call(&error));
                        failed.push(Failed {
                            origin: batch.origin(*index as usize),
                            stage: Stage::TaskPut,
                            class,
                            exception,
                        });
                    } else {
                        let second = indexes.split_off(indexes.len() / 2);
                        todo.extend([second, indexes]);
                    }
                    self.restart(consume.assignment()).await?;
                }
                Err(error) => return Err(Error::Put(error)),
            }
        }
        self.retry.reset();
        Ok(Outcome::Done(failed))
    }

    /// A new guest in the place of one that crashed.
    async fn restart(&mut self, assignment: Vec<TopicPartition>) -> Result<(), Error> {
        let mut instance = self.plugins.sink(self.spec.clone()).await.map_err(Error::Put)?;
        instance.set_assignment(assignment.clone());
        instance.start().await.map_err(Error::Put)?;
        instance.open(&assignment).await.map_err(Error::Put)?;
        self.instance = instance;
        Ok(())
    }

    /// Carries out what the guest asked of its consumer. Answers whether it wants a commit.
    pub(crate) fn heed(&mut self, consume: &mut Consume) -> Result<bool, KafkaError> {
        let requests = self.instance.take_requests();
        if requests.is_empty() {
            return Ok(false);
        }
        let SinkRequests { pause, resume, seek, commit } = requests;
        consume.hold(&pause, &resume)?;
        consume.seek(&seek)?;
        Ok(commit)
    }
}

fn rejected(origin: u32, message: &str) -> Failed {
    Failed {
        origin,
        stage: Stage::TaskPut,
        class: SINK_TASK.into(),
        exception: Exception::from_guest(message, DATA),
    }
}
