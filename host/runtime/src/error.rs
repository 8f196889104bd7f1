//! Why a connector or task cannot go on.

use cofferdam_api::{Blame, Class, Classified};
use cofferdam_kafka::TransactionFault;
use cofferdam_plugins::CallError;
use cofferdam_worker_api::Failure;

use crate::errors::{CONFIG, CONNECT, DATA, Exception, FENCED, KAFKA};

/// The end of a connector or task, by the operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has faults: keys with what is wrong.
    #[error("the configuration is invalid: {}", join(.0))]
    Settings(Vec<(String, String)>),
    /// No plugin has this class.
    #[error(
        "Failed to find any class that implements {kind} and which name matches {class}, available are: {available}"
    )]
    UnknownClass {
        /// What was looked for: Connector, Transformation, Predicate.
        kind: &'static str,
        /// Name as configured.
        class: String,
        /// Classes that there are.
        available: String,
    },
    /// A converter cannot be made.
    #[error("cannot use the converter of {key}")]
    Converter {
        /// The key that names it.
        key: &'static str,
        /// Why.
        #[source]
        error: cofferdam_converters::Error,
    },
    /// A client of Kafka cannot be made, or fails for good.
    #[error("{doing}")]
    Kafka {
        /// What it was for.
        doing: &'static str,
        /// Why.
        #[source]
        error: cofferdam_kafka::Error,
    },
    /// A topic of a source is not there and cannot be made.
    #[error(
        "Task failed to create new topic {topic}. Ensure that the task is authorized to create topics or that the \
         topic exists and restart the task"
    )]
    CreateTopic {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        error: cofferdam_kafka::Error,
    },
    /// A plugin failed.
    #[error("{class} failed in {call}")]
    Guest {
        /// Its class.
        class: String,
        /// What it was asked for.
        call: &'static str,
        /// How.
        #[source]
        error: CallError,
    },
    /// A sink failed in put, flush, open or close.
    #[error("Exiting WorkerSinkTask due to unrecoverable exception.")]
    Put(#[source] CallError),
    /// A record failed and failures are not tolerated.
    #[error("Tolerance exceeded in error handler: {}", .0.0.headline())]
    Tolerance(Thrown),
    /// A plugin answered with something that cannot be used.
    #[error("the plugin answered with an unusable batch: {0}")]
    UnusableBatch(String),
    /// Kafka did not take a record.
    #[error("Unrecoverable exception from producer send callback: {0}")]
    SendCallback(String),
    /// Kafka refused a batch of records for one of them. Not the end: the task goes on from its last commit and
    /// sends them one by one.
    #[error("Kafka refused a batch of records: {0}")]
    RefusedInBatch(String),
    /// A record cannot even be handed to the producer.
    #[error("Unrecoverable exception trying to send")]
    Send(#[source] cofferdam_kafka::SendError),
    /// A transaction cannot be begun or committed.
    #[error("{}", transaction_text(task, error))]
    Transaction {
        /// The task.
        task: String,
        /// Why.
        #[source]
        error: cofferdam_kafka::Error,
    },
    /// Source offsets cannot be written in a transaction.
    #[error("the offsets cannot be written")]
    Offsets(#[source] cofferdam_storage::Error),
    /// A record without an offset comes again after a restart, or never.
    #[error(
        "the connector polled a record without source partition and offset, which cannot be delivered exactly once; \
         set exactly.once.support=requested to take it as it is"
    )]
    Untracked,
    /// The connector is to end its transactions itself, and has not said that it can.
    #[error(
        "transaction.boundary=connector: this connector cannot define its transactions; use poll or interval"
    )]
    NoBoundary,
    /// It would wait for its own transaction.
    #[error("Source tasks may not produce to their own offsets topics when exactly-once support is enabled")]
    OwnOffsetsTopic,
    /// The dead letter queue's topic is not there and cannot be made.
    #[error("Could not initialize dead letter queue with topic={topic}")]
    DeadLetterTopic {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        error: cofferdam_kafka::Error,
    },
    /// A dead letter did not reach its topic; its record would be lost.
    #[error("Could not write to the dead letter queue {topic}: {reason}")]
    DeadLetter {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
    /// More task configurations than allowed.
    #[error(
        "The connector {connector} has generated {n} tasks, which is greater than {max}, the maximum number of tasks it \
         is configured to create. This behaviour should be considered a bug and is disallowed. If necessary, it can be \
         permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option will be \
         removed in a future release of Kafka Connect."
    )]
    TooManyTasks {
        /// The connector.
        connector: String,
        /// How many it made.
        n: usize,
        /// How many it may have.
        max: u32,
    },
    /// Nothing was started that could be asked.
    #[error("the connector {0} is not running on this worker")]
    NotStarted(String),
    /// It was asked to stop while it waited: not a failure.
    #[error("the task is stopping")]
    Stopping,
    /// A fault of this program.
    #[error("the task ended by a fault of the worker: {0}")]
    Panic(String),
}

/// What a record failed with.
#[derive(Debug)]
pub struct Thrown(pub(crate) Exception);

impl Thrown {
    /// What a guest says of a record that it cannot handle, as a task would report it.
    #[must_use]
    pub fn by_record(message: &str) -> Self {
        Self(Exception::from_guest(message, DATA))
    }

    /// What a failed call into a guest means, as a task would report it.
    #[must_use]
    pub fn by_call(error: &CallError) -> Self {
        Self(Exception::from_call(error))
    }

    /// Java's class name.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.0.class
    }

    /// What it says, if anything.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }
}

fn transaction_text(task: &str, error: &cofferdam_kafka::Error) -> String {
    if error.transaction_fault() == Some(TransactionFault::Fenced) {
        return format!(
            "The task {task} was fenced: another producer took over its transactional id, or it was unable to finish \
             writing records to Kafka before its producer transaction expired. In the latter case increase \
             producer.override.transaction.timeout.ms, or decrease transaction.boundary.interval.ms, or use the 'poll' \
             transaction boundary."
        );
    }
    format!("Failed to flush offsets and/or records for task {task}")
}

fn join(problems: &[(String, String)]) -> String {
    let one = |(key, text): &(String, String)| {
        if key.is_empty() || text.contains(key.as_str()) { text.clone() } else { format!("{key}: {text}") }
    };
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// The same in the shape that Kafka Connect shows.
    pub(crate) fn exception(&self) -> Exception {
        match self {
            Self::Settings(_) => Exception::new(CONFIG, self.to_string()),
            Self::Converter { .. } => Exception::from_error(CONFIG, self),
            Self::Tolerance(exception) => {
                Exception::new(CONNECT, "Tolerance exceeded in error handler").caused_by(exception.0.clone())
            }
            Self::SendCallback(reason) => {
                Exception::new(CONNECT, "Unrecoverable exception from producer send callback")
                    .caused_by(Exception::from_guest(reason, KAFKA))
            }
            // Kafka Connect shows what start and poll threw as it is.
            Self::Guest { error, .. } => Exception::from_call(error),
            Self::Transaction { error, .. }
                if error.transaction_fault() == Some(TransactionFault::Fenced) =>
            {
                Exception::new(CONNECT, self.to_string()).caused_by(Exception::from_error(FENCED, error))
            }
            Self::Put(error) => {
                Exception::new(CONNECT, self.to_string()).caused_by(Exception::from_call(error))
            }
            _ => Exception::from_error(CONNECT, self),
        }
    }

    /// For the status and the REST answer.
    pub(crate) fn failure(&self) -> Failure {
        let exception = self.exception();
        let message = match self {
            Self::Guest { .. } => exception.message.clone().unwrap_or_else(|| exception.headline()),
            _ => cofferdam_api::chain(self),
        };
        Failure { message, trace: exception.trace(), class: self.class() }
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::Settings(_) | Self::Converter { .. } | Self::NoBoundary | Self::OwnOffsetsTopic => {
                Class::Config
            }
            Self::Offsets(error) => error.class(),
            Self::UnknownClass { .. } | Self::NotStarted(_) => Class::NotFound,
            Self::Kafka { error, .. }
            | Self::Transaction { error, .. }
            | Self::CreateTopic { error, .. }
            | Self::DeadLetterTopic { error, .. } => error.class(),
            Self::Send(error) => error.error.class(),
            Self::Guest { error, .. } | Self::Put(error) => error.class(),
            Self::Tolerance(_) => Class::Data,
            Self::Panic(_) => Class::Bug,
            Self::Stopping | Self::RefusedInBatch(_) => Class::Retriable,
            Self::UnusableBatch(_)
            | Self::Untracked
            | Self::SendCallback(_)
            | Self::DeadLetter { .. }
            | Self::TooManyTasks { .. } => Class::Fatal,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Settings(_)
            | Self::UnknownClass { .. }
            | Self::Converter { .. }
            | Self::NotStarted(_)
            | Self::NoBoundary
            | Self::OwnOffsetsTopic => Blame::User,
            Self::Offsets(error) => error.blame(),
            Self::Kafka { error, .. }
            | Self::Transaction { error, .. }
            | Self::CreateTopic { error, .. }
            | Self::DeadLetterTopic { error, .. } => error.blame(),
            Self::Send(error) => error.error.blame(),
            Self::Guest { error, .. } | Self::Put(error) => error.blame(),
            Self::Tolerance(_) => Blame::User,
            Self::UnusableBatch(_) | Self::Untracked | Self::TooManyTasks { .. } => Blame::Guest,
            Self::SendCallback(_) | Self::RefusedInBatch(_) | Self::DeadLetter { .. } => Blame::Broker,
            Self::Panic(_) | Self::Stopping => Blame::Host,
        }
    }
}
