//! What can fail between this worker and Kafka, with class and blame.
//!
//! An [`Error`] names the operation, its [`Cause`] what librdkafka or the broker said. Class and
//! blame follow from librdkafka's error code in one place, [`judge`].

use std::fmt;

use cofferdam_api::{Blame, Class, Classified};
use rdkafka::types::RDKafkaRespErr as Code;

/// What librdkafka or the broker said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Cause {
    pub(crate) text: String,
    pub(crate) class: Class,
    pub(crate) blame: Blame,
    pub(crate) code: Code,
}

/// A configuration key that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The key as it was given.
    pub key: String,
    /// Why, and what to write instead.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

/// An operation that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings of a client cannot be honoured.
    #[error("these client settings cannot be used: {}", join(.0))]
    Settings(Vec<Refused>),
    /// A client could not be started.
    #[error("starting the Kafka client {client}")]
    Start {
        /// Its `client.id`.
        client: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// A topic pattern is not a Java regular expression.
    #[error("{pattern:?} is not a topic pattern: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Subscribing to topics.
    #[error("subscribing to {topics}")]
    Subscribe {
        /// The topics.
        topics: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Taking partitions that the group assigned.
    #[error("taking the assigned partitions")]
    Assign(#[source] Cause),
    /// Giving partitions up.
    #[error("giving up the revoked partitions")]
    Unassign(#[source] Cause),
    /// Pausing or resuming partitions.
    #[error("pausing or resuming partitions")]
    Pause(#[source] Cause),
    /// Moving to another offset.
    #[error("seeking in {partition}")]
    Seek {
        /// The partition.
        partition: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Reading records.
    #[error("reading from {from}")]
    Consume {
        /// A partition, or the group.
        from: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Committing offsets.
    #[error("committing offsets")]
    Commit(#[source] Cause),
    /// Reading committed offsets.
    #[error("reading the committed offsets")]
    Committed(#[source] Cause),
    /// Leaving the group.
    #[error("leaving the consumer group")]
    Close(#[source] Cause),
    /// Handing a record to the producer, or its delivery.
    #[error("writing to topic {topic}")]
    Produce {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Waiting for the delivery of what was handed over.
    #[error("waiting for the delivery of {left} records")]
    Flush {
        /// Records still not settled.
        left: usize,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Creating a topic.
    #[error("creating topic {topic}")]
    CreateTopic {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Listing topics and partitions.
    #[error("reading the cluster's topics")]
    Topics(#[source] Cause),
    /// A topic that must exist does not.
    #[error("topic {topic} does not exist")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// Reading a topic's configuration.
    #[error("reading the configuration of topic {topic}")]
    TopicConfig {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Asking for the cluster's id: the first thing a worker does. The text is Kafka Connect's.
    #[error(
        "Failed to connect to and describe Kafka cluster. Check worker's broker connection and security properties."
    )]
    ClusterId(#[source] Cause),
    /// Asking for first or last offsets.
    #[error("asking for offsets of {topics}")]
    ListOffsets {
        /// The topics.
        topics: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// A step of a transaction.
    #[error("{doing}")]
    Transaction {
        /// The step.
        doing: &'static str,
        /// What is left to do.
        fault: TransactionFault,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The reader of a log has ended.
    #[error("the reader of topic {topic} has ended")]
    LogEnded {
        /// The topic.
        topic: String,
    },
}

/// What a failed step of a transaction leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionFault {
    /// The same step may be tried again, and goes on where it was.
    Again,
    /// The transaction has to be aborted; the producer can begin another one.
    Abort,
    /// Another producer has the transactional id, or the transaction took too long: this producer
    /// will never write again.
    Fenced,
    /// The producer cannot go on.
    Fatal,
}

/// The result of an operation.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What a failed step of a transaction leaves to do; none for other operations.
    #[must_use]
    pub const fn transaction_fault(&self) -> Option<TransactionFault> {
        match self {
            Self::Transaction { fault, .. } => Some(*fault),
            _ => None,
        }
    }

    fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Settings(_) | Self::Pattern { .. } | Self::NoTopic { .. } | Self::LogEnded { .. } => None,
            Self::Assign(cause)
            | Self::Unassign(cause)
            | Self::Pause(cause)
            | Self::Commit(cause)
            | Self::Committed(cause)
            | Self::Close(cause)
            | Self::Topics(cause)
            | Self::ClusterId(cause)
            | Self::Start { cause, .. }
            | Self::Subscribe { cause, .. }
            | Self::Seek { cause, .. }
            | Self::Consume { cause, .. }
            | Self::Produce { cause, .. }
            | Self::Transaction { cause, .. }
            | Self::Flush { cause, .. }
            | Self::CreateTopic { cause, .. }
            | Self::TopicConfig { cause, .. }
            | Self::ListOffsets { cause, .. } => Some(cause),
        }
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::Settings(_) | Self::Pattern { .. } => Class::Config,
            Self::NoTopic { .. } => Class::NotFound,
            Self::Transaction { fault: TransactionFault::Fenced, .. } => Class::Fatal,
            _ => self.cause().map_or(Class::Fatal, |cause| cause.class),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Settings(_) | Self::Pattern { .. } | Self::NoTopic { .. } => Blame::User,
            _ => self.cause().map_or(Blame::Host, |cause| cause.blame),
        }
    }
}

impl TransactionFault {
    /// What ended a producer for good.
    pub(crate) const fn of_fatal(cause: &Cause) -> Self {
        match cause.code {
            Code::RD_KAFKA_RESP_ERR__FENCED
            | Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED
            | Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH => Self::Fenced,
            _ => Self::Fatal,
        }
    }
}

// === impl Cause ===

impl Cause {
    /// What the code alone says.
    pub(crate) fn of(code: Code) -> Self {
        Self::said(code, crate::native::describe(code))
    }

    /// The code, with the text that came with it.
    pub(crate) fn said(code: Code, text: impl Into<String>) -> Self {
        let (class, blame) = judge(code);
        let text = text.into();
        let text = match exception(code) {
            Some(exception) => format!("org.apache.kafka.common.errors.{exception}: {text}"),
            None => text,
        };
        Self { text, class, blame, code }
    }

    /// Nothing came back in time.
    pub(crate) fn timeout(text: impl Into<String>) -> Self {
        Self::said(Code::RD_KAFKA_RESP_ERR__TIMED_OUT, text)
    }

    /// Whether this only says that there is no room now.
    pub(crate) fn is_full(&self) -> bool {
        self.code == Code::RD_KAFKA_RESP_ERR__QUEUE_FULL
    }

    /// The call makes no sense now: a fault of ours.
    pub(crate) fn bug(text: impl Into<String>) -> Self {
        Self::said(Code::RD_KAFKA_RESP_ERR__STATE, text)
    }
}

fn join(refused: &[Refused]) -> String {
    refused.iter().map(Refused::to_string).collect::<Vec<_>>().join("; ")
}

/// The name under which Java's clients throw what a broker refuses: people and their tools look for it.
const fn exception(code: Code) -> Option<&'static str> {
    use Code::*;
    Some(match code {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE => "RecordTooLargeException",
        RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE => "RecordBatchTooLargeException",
        RD_KAFKA_RESP_ERR_INVALID_RECORD => "InvalidRecordException",
        RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP => "InvalidTimestampException",
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => "TopicAuthorizationException",
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED => "GroupAuthorizationException",
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED => "ClusterAuthorizationException",
        RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED => "TransactionalIdAuthorizationException",
        RD_KAFKA_RESP_ERR_POLICY_VIOLATION => "PolicyViolationException",
        _ => return None,
    })
}

/// Class and blame of librdkafka's error codes: those below zero are its own, the others Kafka's.
fn judge(code: Code) -> (Class, Blame) {
    use Code::*;
    match code {
        RD_KAFKA_RESP_ERR__AUTHENTICATION
        | RD_KAFKA_RESP_ERR__SSL
        | RD_KAFKA_RESP_ERR__INVALID_ARG
        | RD_KAFKA_RESP_ERR__UNKNOWN_GROUP
        | RD_KAFKA_RESP_ERR__NOT_CONFIGURED
        | RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
        | RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
        | RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM
        | RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE
        | RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
        | RD_KAFKA_RESP_ERR_INVALID_PARTITIONS
        | RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR
        | RD_KAFKA_RESP_ERR_INVALID_REPLICA_ASSIGNMENT
        | RD_KAFKA_RESP_ERR_INVALID_CONFIG
        | RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS
        | RD_KAFKA_RESP_ERR_INVALID_GROUP_ID
        | RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT
        | RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL
        | RD_KAFKA_RESP_ERR_UNSUPPORTED_ASSIGNOR
        | RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT
        | RD_KAFKA_RESP_ERR_POLICY_VIOLATION => (Class::Config, Blame::User),

        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
        | RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID
        | RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND => (Class::NotFound, Blame::User),

        RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS
        | RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP
        | RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC => (Class::Exists, Blame::User),

        RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST
        | RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED
        | RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS
        | RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
        | RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
        | RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH => (Class::Rebalancing, Blame::Broker),

        RD_KAFKA_RESP_ERR__BAD_MSG
        | RD_KAFKA_RESP_ERR_INVALID_MSG
        | RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE
        | RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
        | RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
        | RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
        | RD_KAFKA_RESP_ERR_INVALID_RECORD => (Class::Data, Blame::User),

        RD_KAFKA_RESP_ERR__TRANSPORT
        | RD_KAFKA_RESP_ERR__RESOLVE
        | RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
        | RD_KAFKA_RESP_ERR__TIMED_OUT
        | RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE
        | RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
        | RD_KAFKA_RESP_ERR__QUEUE_FULL
        | RD_KAFKA_RESP_ERR__ISR_INSUFF
        | RD_KAFKA_RESP_ERR__NODE_UPDATE
        | RD_KAFKA_RESP_ERR__WAIT_COORD
        | RD_KAFKA_RESP_ERR__WAIT_CACHE
        | RD_KAFKA_RESP_ERR__IN_PROGRESS
        | RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS
        | RD_KAFKA_RESP_ERR__RETRY
        | RD_KAFKA_RESP_ERR__DESTROY_BROKER
        | RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
        | RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
        | RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION
        | RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
        | RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_NOT_COORDINATOR
        | RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS
        | RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | RD_KAFKA_RESP_ERR_NOT_CONTROLLER
        | RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR
        | RD_KAFKA_RESP_ERR_FETCH_SESSION_ID_NOT_FOUND
        | RD_KAFKA_RESP_ERR_INVALID_FETCH_SESSION_EPOCH
        | RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND
        | RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH
        | RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH
        | RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT
        | RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS
        | RD_KAFKA_RESP_ERR_REBOOTSTRAP_REQUIRED
        | RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED => (Class::Retriable, Blame::Broker),

        // The client was ended while this was under way.
        RD_KAFKA_RESP_ERR__DESTROY | RD_KAFKA_RESP_ERR__PURGE_QUEUE | RD_KAFKA_RESP_ERR__PURGE_INFLIGHT => {
            (Class::Retriable, Blame::Host)
        }

        RD_KAFKA_RESP_ERR__STATE
        | RD_KAFKA_RESP_ERR__CONFLICT
        | RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED
        | RD_KAFKA_RESP_ERR__INVALID_TYPE => (Class::Bug, Blame::Host),

        RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE | RD_KAFKA_RESP_ERR__FS => (Class::Fatal, Blame::Host),

        _ => (Class::Fatal, Blame::Broker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_can_be_done_and_by_whom() {
        let table = [
            (Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Class::Config, Blame::User),
            (Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, Class::Retriable, Blame::Broker),
            (Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Class::NotFound, Blame::User),
            (Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Class::Data, Blame::User),
            (Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, Class::Rebalancing, Blame::Broker),
            (Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED, Class::Fatal, Blame::Broker),
        ];
        for (code, class, blame) in table {
            let error = Error::Commit(Cause::of(code));
            assert_eq!((error.class(), error.blame()), (class, blame), "{code:?}");
        }
    }

    #[test]
    fn the_chain_names_the_operation_and_what_the_broker_said() {
        let cause = Cause::of(Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        let error = Error::Produce { topic: "t".into(), cause };
        assert_eq!(
            cofferdam_api::chain(&error),
            "writing to topic t: org.apache.kafka.common.errors.RecordTooLargeException: Broker: Message size too large"
        );
    }
}
