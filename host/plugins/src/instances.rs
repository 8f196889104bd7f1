//! Live plugins, one type for each kind: the functions of the contract, with everything that a guest
//! answers checked.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{ConfigMap, JsonText, Schemas, TopicOffset, TopicPartition};
use cofferdam_frame::{Flags, Frame};

use crate::bindings::exported::{
    connector_api, converter_api, predicate_api, sink_api, source_api, transform_api,
};
use crate::bindings::imports::connect_types as wit;
use crate::convert::{Expect, answer, bad_records, check_frame, config_in, config_out};
use crate::guest::Guest;
use crate::host::partition_out;
use crate::{
    BadRecord, BatchResult, CallError, Format, Part, PluginInfo, SinkRequests, TransactionEnds, TransformStep,
};

/// What every kind of instance has.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) guest: Guest,
    pub(crate) info: PluginInfo,
    pub(crate) config: ConfigMap,
    pub(crate) schemas: Arc<Schemas>,
    /// Of transforms: how many were configured.
    pub(crate) steps: usize,
}

macro_rules! instance {
    ($(#[$doc:meta])* $name:ident, $api:path) => {
        $(#[$doc])*
        pub struct $name {
            pub(crate) parts: Parts,
            pub(crate) api: $api,
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("class", &self.parts.info.class).finish_non_exhaustive()
            }
        }

        impl $name {
            /// The plugin that this is an instance of.
            #[must_use]
            pub const fn info(&self) -> &PluginInfo {
                &self.parts.info
            }

            /// Whether the next call can be made: no call trapped, ran out of time, or was dropped
            /// before its end.
            #[must_use]
            pub const fn is_alive(&self) -> bool {
                self.parts.guest.is_alive()
            }
        }
    };
}

/// One call into a guest; the store is out of the guest while it runs.
macro_rules! call {
    ($self:ident, $what:literal, extra $extra:expr, $method:ident($($argument:expr),*)) => {{
        let mut call = $self.parts.guest.begin($what, $extra)?;
        let (deadline, what) = (call.deadline, (call.name, call.after));
        if $self.parts.guest.has_files {
            let api = $self.api.clone();
            let work = async move {
                let outcome = api.$method(&mut call.store, $($argument),*).await;
                (call, outcome)
            };
            let outcome = $self.parts.guest.drive_aside(deadline, work).await;
            $self.parts.guest.end_aside(what, outcome)
        } else {
            let work = $self.api.$method(&mut call.store, $($argument),*);
            let outcome = $self.parts.guest.drive(deadline, work).await;
            $self.parts.guest.end(call, outcome)
        }
    }};
    ($self:ident, $what:literal, $method:ident($($argument:expr),*)) => {
        call!($self, $what, extra Duration::ZERO, $method($($argument),*))
    };
}

/// As [`call!`], for the functions that take a batch: the generated ones want it as a `&Vec<u8>`,
/// which would make callers copy.
macro_rules! call_with_batch {
    ($self:ident, $what:literal, $function:ident, $batch:expr => $answer:ty) => {
        call_with_batch!($self, $what, $function, $batch, kept $batch.to_vec() => $answer)
    };
    // `kept` is the batch for a call that may outlive its deadline, and this borrow with it.
    ($self:ident, $what:literal, $function:ident, $batch:expr, kept $kept:expr => $answer:ty) => {{
        let mut call = $self.parts.guest.begin($what, Duration::ZERO)?;
        let (deadline, what) = (call.deadline, (call.name, call.after));
        let function = *$self.api.$function().func();
        let outcome = if $self.parts.guest.has_files {
            let batch = $kept;
            let work = async move {
                let outcome = match function.typed::<(&[u8],), (Result<$answer, wit::Error>,)>(&call.store) {
                    Ok(function) => function.call_async(&mut call.store, (batch.as_slice(),)).await,
                    Err(error) => Err(error),
                };
                (call, outcome)
            };
            let outcome = $self.parts.guest.drive_aside(deadline, work).await;
            $self.parts.guest.end_aside(what, outcome)
        } else {
            let outcome = match function.typed::<(&[u8],), (Result<$answer, wit::Error>,)>(&call.store) {
                Ok(function) => {
                    let work = function.call_async(&mut call.store, ($batch,));
                    $self.parts.guest.drive(deadline, work).await
                }
                Err(error) => Ok(Err(error)),
            };
            $self.parts.guest.end(call, outcome)
        };
        outcome.map(|(answer,)| answer)
    }};
}

// === connector ===

instance! {
    /// A connector's own instance: makes the configurations of its tasks.
    ConnectorInstance, connector_api::Guest
}

impl ConnectorInstance {
    /// Starts it with the configuration of its [`crate::Spec`].
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn start(&mut self) -> Result<(), CallError> {
        let config = config_out(&self.parts.config);
        let class = self.parts.info.class.clone();
        answer(call!(self, "start", call_start(&class, &config))?, 0, 0)
    }

    /// Configurations of at most `max_tasks` tasks.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>, CallError> {
        let configs = answer(call!(self, "taskConfigs", call_task_configs(max_tasks))?, 0, 0)?;
        Ok(configs.into_iter().map(config_in).collect())
    }

    /// Lets it end its work.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn stop(&mut self) -> Result<(), CallError> {
        call!(self, "stop", call_stop())
    }
}

// === source ===

instance! {
    /// A source task.
    SourceInstance, source_api::Guest
}

impl SourceInstance {
    /// Starts it with the configuration of its [`crate::Spec`].
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn start(&mut self) -> Result<(), CallError> {
        let config = config_out(&self.parts.config);
        let class = self.parts.info.class.clone();
        answer(call!(self, "start", call_start(&class, &config))?, 0, 0)
    }

    /// Asks for records: a checked frame, empty when there are none now, of about as many records
    /// and bytes as asked for (what bounds it is `frame_max`). May take `wait` and then the usual
    /// time of a call.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn poll(
        &mut self,
        max_records: u32,
        max_bytes: u32,
        wait: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let frame = call!(self, "poll", extra wait, call_poll(max_records, max_bytes, wait_ms))?;
        let frame = answer(frame, 0, 0).inspect_err(|_| drop(self.take_transaction_ends()))?;
        let expect = Expect {
            inputs: 0,
            key_format: self.parts.info.key_format,
            value_format: self.parts.info.value_format,
            schemas: &self.parts.schemas,
        };
        check_frame(&frame, &expect)?;
        if let Some(host) = self.parts.guest.host() {
            host.ends.check(&frame)?;
        }
        Ok(frame)
    }

    /// Where in the records of the last poll the guest ends transactions; nothing unless its
    /// [`crate::Hooks`] let it.
    pub fn take_transaction_ends(&mut self) -> TransactionEnds {
        self.parts.guest.host().map(|host| std::mem::take(&mut host.ends)).unwrap_or_default()
    }

    /// Tells it that everything up to these (source partition, source offset) pairs is safe.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn committed(&mut self, offsets: &[(JsonText, JsonText)]) -> Result<(), CallError> {
        let offsets = offsets.to_vec();
        answer(call!(self, "commit", call_committed(&offsets))?, 0, 0)
    }

    /// Lets it end its work.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn stop(&mut self) -> Result<(), CallError> {
        call!(self, "stop", call_stop())
    }
}

// === sink ===

instance! {
    /// A sink task.
    SinkInstance, sink_api::Guest
}

impl SinkInstance {
    /// Starts it with the configuration of its [`crate::Spec`].
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn start(&mut self) -> Result<(), CallError> {
        let config = config_out(&self.parts.config);
        let class = self.parts.info.class.clone();
        answer(call!(self, "start", call_start(&class, &config))?, 0, 0)
    }

    /// Sets what the guest hears when it asks for its assignment. Does nothing for an instance that
    /// is gone.
    pub fn set_assignment(&mut self, partitions: Vec<TopicPartition>) {
        if let Some(host) = self.parts.guest.host() {
            host.assignment = partitions;
        }
    }

    /// What the guest asked of its consumer since the last call of this.
    pub fn take_requests(&mut self) -> SinkRequests {
        self.parts.guest.host().map(|host| std::mem::take(&mut host.requests)).unwrap_or_default()
    }

    /// Partitions were assigned.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn open(&mut self, partitions: &[TopicPartition]) -> Result<(), CallError> {
        let partitions: Vec<_> = partitions.iter().map(partition_out).collect();
        answer(call!(self, "open", call_open(&partitions))?, 0, 0)
    }

    /// Partitions are taken away.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), CallError> {
        let partitions: Vec<_> = partitions.iter().map(partition_out).collect();
        answer(call!(self, "close", call_close(&partitions))?, 0, 0)
    }

    /// Hands over a batch, possibly empty. Answers the records to dead-letter; all others were
    /// accepted.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn put(&mut self, batch: &Arc<Vec<u8>>) -> Result<Vec<BadRecord>, CallError> {
        let records = records_of(batch)?;
        let put = call_with_batch!(
            self, "put", func_put, batch.as_slice(), kept Arc::clone(batch) => Vec<wit::BadRecord>
        );
        let bad = answer(put?, records, 0)?;
        bad_records(bad, records, 0)
    }

    /// Offsets that are safe to commit, of those that were delivered; only of partitions that were
    /// asked about.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn pre_commit(&mut self, delivered: &[TopicOffset]) -> Result<Vec<TopicOffset>, CallError> {
        let asked: Vec<wit::TopicOffset> = delivered
            .iter()
            .map(|offset| wit::TopicOffset {
                topic: offset.partition.topic.to_string(),
                partition: offset.partition.partition,
                offset: offset.offset,
            })
            .collect();
        let safe = answer(call!(self, "preCommit", call_pre_commit(&asked))?, 0, 0)?;
        let safe = safe.into_iter().map(|offset| TopicOffset {
            partition: TopicPartition::new(offset.topic, offset.partition),
            offset: offset.offset,
        });
        Ok(safe.filter(|safe| delivered.iter().any(|asked| asked.partition == safe.partition)).collect())
    }

    /// Lets it end its work.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn stop(&mut self) -> Result<(), CallError> {
        call!(self, "stop", call_stop())
    }
}

// === transform and predicate ===

instance! {
    /// A run of neighbouring transforms of one component.
    TransformInstance, transform_api::Guest
}

impl TransformInstance {
    /// Sets the transforms of the run, once, before the first batch; see [`crate::Plugins::transform`].
    pub(crate) async fn configure(&mut self, steps: &[TransformStep]) -> Result<(), CallError> {
        let list: Vec<transform_api::Step> = steps
            .iter()
            .map(|step| transform_api::Step {
                class: step.class.clone(),
                config: config_out(&step.config),
                condition: step.condition.as_ref().map(|condition| transform_api::Condition {
                    class: condition.class.clone(),
                    config: config_out(&condition.config),
                    negate: condition.negate,
                }),
            })
            .collect();
        answer(call!(self, "configure", call_configure(&list))?, 0, steps.len())?;
        self.parts.steps = steps.len();
        Ok(())
    }

    /// Runs the transforms on a batch.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn apply(&mut self, batch: &[u8]) -> Result<BatchResult, CallError> {
        let records = records_of(batch)?;
        let result = answer(
            call_with_batch!(self, "apply", func_apply, batch => wit::BatchResult)?,
            records,
            self.parts.steps,
        )?;
        let expect = Expect {
            inputs: u32::try_from(records).unwrap_or(u32::MAX),
            key_format: self.parts.info.key_format,
            value_format: self.parts.info.value_format,
            schemas: &self.parts.schemas,
        };
        check_frame(&result.output, &expect)?;
        Ok(BatchResult { output: result.output, bad: bad_records(result.bad, records, self.parts.steps)? })
    }
}

instance! {
    /// A predicate.
    PredicateInstance, predicate_api::Guest
}

impl PredicateInstance {
    /// Configures it with the configuration of its [`crate::Spec`].
    pub(crate) async fn configure(&mut self) -> Result<(), CallError> {
        let config = config_out(&self.parts.config);
        let class = self.parts.info.class.clone();
        answer(call!(self, "configure", call_configure(&class, &config))?, 0, 0)
    }

    /// One answer for each record of the batch.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn test(&mut self, batch: &[u8]) -> Result<Vec<bool>, CallError> {
        let records = records_of(batch)?;
        let answers = answer(call_with_batch!(self, "test", func_test, batch => Vec<bool>)?, records, 0)?;
        if answers.len() == records {
            Ok(answers)
        } else {
            Err(CallError::BadFrame(format!("{} answers for {records} records", answers.len())))
        }
    }
}

instance! {
    /// A converter.
    ConverterInstance, converter_api::Guest
}

impl ConverterInstance {
    /// Configures it with the configuration of its [`crate::Spec`].
    pub(crate) async fn configure(&mut self, part: Part) -> Result<(), CallError> {
        let config = config_out(&self.parts.config);
        let class = self.parts.info.class.clone();
        let part = match part {
            Part::Key => converter_api::Part::Key,
            Part::Value => converter_api::Part::Value,
            Part::Header => converter_api::Part::Header,
        };
        answer(call!(self, "configure", call_configure(&class, &config, part))?, 0, 0)
    }

    /// Reads the bytes of a topic: the values of `batch`. Answers one record for each that is not bad.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn to_connect(&mut self, batch: &[u8]) -> Result<BatchResult, CallError> {
        let records = records_of(batch)?;
        let result = call_with_batch!(self, "toConnectData", func_to_connect, batch => wit::BatchResult)?;
        self.converted(result, records, self.parts.info.value_format)
    }

    /// Writes the values of `batch` as bytes for a topic. Answers one record for each that is not bad.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub async fn from_connect(&mut self, batch: &[u8]) -> Result<BatchResult, CallError> {
        let records = records_of(batch)?;
        let result = call_with_batch!(self, "fromConnectData", func_from_connect, batch => wit::BatchResult)?;
        self.converted(result, records, Format::Raw)
    }

    fn converted(
        &self,
        result: Result<wit::BatchResult, wit::Error>,
        records: usize,
        value_format: Format,
    ) -> Result<BatchResult, CallError> {
        let result = answer(result, records, 0)?;
        let expect = Expect {
            inputs: u32::try_from(records).unwrap_or(u32::MAX),
            key_format: Format::Raw,
            value_format,
            schemas: &self.parts.schemas,
        };
        check_frame(&result.output, &expect)?;
        let bad = bad_records(result.bad, records, 0)?;
        check_one_for_one(&result.output, &bad, records)?;
        Ok(BatchResult { output: result.output, bad })
    }
}

/// Each record of a converter's input has to be in its output or among the bad ones, once, in order.
fn check_one_for_one(output: &[u8], bad: &[BadRecord], records: usize) -> Result<(), CallError> {
    let output = Frame::trust(output)?;
    let (mut made, mut bad) = (output.iter().peekable(), bad.iter().peekable());
    for index in 0..u32::try_from(records).unwrap_or(u32::MAX) {
        let is_bad = bad.next_if(|bad| bad.index == index).is_some();
        let is_made = made.next_if(|record| record.entry.src == Some(index)).is_some_and(|record| {
            // The bytes of an input are not a value of the output.
            !record.entry.flags.has(Flags::KEEP_VALUE)
        });
        if is_bad == is_made {
            return Err(CallError::BadFrame(format!(
                "a converter has to answer record {index}, of a batch of {records}, once and in its place"
            )));
        }
    }
    match made.next() {
        None => Ok(()),
        Some(_) => {
            Err(CallError::BadFrame(format!("a converter answered more than the {records} records asked")))
        }
    }
}

/// Records of a frame that the host built: only its head is read again.
fn records_of(batch: &[u8]) -> Result<usize, CallError> {
    Ok(Frame::trust(batch)?.len())
}
