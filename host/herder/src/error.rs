//! Why a request is refused or failed, in Kafka Connect's words.

use cofferdam_api::{Blame, Class, Classified, ConnectorName, TaskId};
use cofferdam_worker_api::Failure;

/// Why a request is refused or failed. The messages are Kafka Connect's: clients match on them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or changing a connector that is not there.
    #[error("Connector {0} not found")]
    ConnectorNotFound(ConnectorName),
    /// Pausing, resuming or stopping a connector that is not there.
    #[error("Unknown connector {0}")]
    UnknownConnector(ConnectorName),
    /// Restarting a connector, or a task of one, that is not there.
    #[error("Unknown connector: {0}")]
    UnknownConnectorToRestart(ConnectorName),
    /// Restarting a task that is not there.
    #[error("Unknown task: {0}")]
    UnknownTask(TaskId),
    /// No state is known of a connector.
    #[error("No status found for connector {0}")]
    NoConnectorStatus(ConnectorName),
    /// No state is known of a task.
    #[error("No status found for task {0}")]
    NoTaskStatus(TaskId),
    /// Planning a restart takes the present state, and none is known.
    #[error("Status for connector {0} not found")]
    NoStatusToRestart(ConnectorName),
    /// Creating a connector whose name is taken.
    #[error("Connector {0} already exists")]
    Exists(ConnectorName),
    /// The configuration has another name than the request.
    #[error("Connector name configuration ({given}) doesn't match connector name in the URL ({expected})")]
    NameMismatch {
        /// In the configuration.
        given: String,
        /// In the request.
        expected: String,
    },
    /// Faults in values.
    #[error("{}", invalid(errors))]
    Invalid {
        /// All of them.
        errors: Vec<String>,
    },
    /// The configuration has no `connector.class`.
    #[error("Connector config {0} contains no connector type")]
    NoClass(String),
    /// The configuration's class is no connector that is installed.
    #[error("Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}", available.join(", "))]
    UnknownClass {
        /// As given.
        class: String,
        /// What could have been meant.
        available: Vec<String>,
    },
    /// The same while validating, where the class is part of the address.
    #[error("Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}", available.join(", "))]
    UnknownClassToValidate {
        /// As given.
        class: String,
        /// What could have been meant.
        available: Vec<String>,
    },
    /// Validating for one plugin a configuration that names another.
    #[error("Included connector type {given} does not match request type {expected}")]
    TypeMismatch {
        /// In the configuration.
        given: String,
        /// In the address.
        expected: String,
    },
    /// No plugin has this class.
    #[error("Unknown plugin {0}.")]
    UnknownPlugin(String),
    /// The plugin is installed in another version.
    #[error("{0}")]
    VersionMismatch(String),
    /// A connector's own check of its configuration failed.
    #[error(transparent)]
    ValidationFailed(Failure),
    /// A restarted connector did not start.
    #[error("Failed to start connector: {name}: {reason}")]
    StartFailed {
        /// The connector.
        name: ConnectorName,
        /// Why.
        reason: String,
    },
    /// The config or status store could not be written.
    #[error("could not {operation}")]
    Store {
        /// What was to be done.
        operation: &'static str,
        /// Why not.
        #[source]
        source: cofferdam_storage::Error,
    },
    /// The control path was not done in time.
    #[error("Request timed out. The worker is currently {0}.")]
    TimedOut(&'static str),
    /// The worker is on its way out.
    #[error("The worker is shutting down.")]
    ShuttingDown,
}

/// The one message that a client gets about all faults of a configuration.
fn invalid(errors: &[String]) -> String {
    format!(
        "Connector configuration is invalid and contains the following {} error(s):\n{}\n\
         You can also find the above list of errors at the endpoint \
         `/connector-plugins/{{connectorType}}/config/validate`",
        errors.len(),
        errors.join("\n")
    )
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::ConnectorNotFound(_)
            | Self::UnknownConnector(_)
            | Self::UnknownConnectorToRestart(_)
            | Self::UnknownTask(_)
            | Self::NoConnectorStatus(_)
            | Self::NoTaskStatus(_)
            | Self::NoStatusToRestart(_)
            | Self::UnknownClassToValidate { .. }
            | Self::UnknownPlugin(_) => Class::NotFound,
            Self::Exists(_) => Class::Exists,
            Self::NameMismatch { .. }
            | Self::Invalid { .. }
            | Self::NoClass(_)
            | Self::UnknownClass { .. }
            | Self::TypeMismatch { .. }
            | Self::VersionMismatch(_) => Class::Config,
            Self::ValidationFailed(failure) => failure.class,
            Self::StartFailed { .. } => Class::Fatal,
            // Whatever the reason, it is not the request that has to change.
            Self::Store { source, .. } if source.class() == Class::Retriable => Class::Retriable,
            Self::Store { .. } => Class::Fatal,
            Self::TimedOut(_) | Self::ShuttingDown => Class::Retriable,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::ValidationFailed(_) | Self::StartFailed { .. } => Blame::Guest,
            Self::Store { source, .. } => source.blame(),
            Self::TimedOut(_) | Self::ShuttingDown => Blame::Host,
            _ => Blame::User,
        }
    }
}
