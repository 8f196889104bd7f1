//! Why a component cannot be installed, and why a call into a guest failed.

use std::path::PathBuf;
use std::time::Duration;

use cofferdam_api::{Blame, Class, Classified};
use cofferdam_stdx::ByteCount;

use crate::Origin;

/// Why the plugins cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// wasmtime refuses the machine or the settings.
    #[error("cannot set up the WebAssembly engine")]
    Engine(#[source] BoxError),
    /// A folder of ours cannot be made or is not ours.
    #[error("cannot use the folder {path} for compiled plugins")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: std::io::Error,
    },
    /// The thread that drives deadlines cannot be started.
    #[error("cannot start the thread that watches the deadlines of guests")]
    Ticker(#[source] std::io::Error),
}

/// An error of a library.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a component cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The bytes are something else.
    #[error("this is not WebAssembly: it starts with {starts_with}; upload a .wasm component")]
    NotWasm {
        /// The first bytes as text or in hexadecimal.
        starts_with: String,
    },
    /// The bytes end too early.
    #[error("this component is cut off: section at byte {at} says it has {said} bytes, {left} are left")]
    Truncated {
        /// Where the section starts.
        at: usize,
        /// Its length as written.
        said: u64,
        /// Bytes that are there.
        left: usize,
    },
    /// A module without the component layer.
    #[error(
        "this is a core WebAssembly module, not a component; build it for the target wasm32-wasip2 \
         or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// WebAssembly that wasmtime refuses.
    #[error("this component is not valid")]
    Invalid(#[source] BoxError),
    /// A component of another version of the contract.
    #[error("this component was built for the contract {found}; this worker speaks {expected}")]
    Contract {
        /// Interface that the component exports or imports.
        found: String,
        /// Interface that this worker has.
        expected: String,
    },
    /// A component of another purpose.
    #[error(
        "this component does not export {expected}, so it is no plugin of Kafka Connect; it exports {exports}"
    )]
    NoPluginApi {
        /// Interface that is missing.
        expected: String,
        /// What it exports instead.
        exports: String,
    },
    /// It imports something that this worker does not have.
    #[error("this component needs something that this worker does not offer")]
    Import(#[source] BoxError),
    /// Asked what it contains, it failed.
    #[error("the component cannot say what it contains")]
    Describe(#[source] CallError),
    /// What it says of itself cannot be right.
    #[error("the component describes {plugin} wrongly: {problem}")]
    Description {
        /// Class or position of the plugin.
        plugin: String,
        /// What is wrong.
        problem: String,
    },
    /// Someone else offers the class.
    #[error("the class {class} is already offered by {} ({digest})", origin.as_str())]
    Taken {
        /// The class.
        class: String,
        /// Who has it.
        origin: Origin,
        /// Digest of the artifact that has it.
        digest: String,
    },
    /// The file could not be read or kept.
    #[error("cannot read or keep the component at {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: std::io::Error,
    },
    /// Compiling ended without a result.
    #[error("the compiler ended without a result")]
    Compiler(#[source] BoxError),
}

impl Classified for InstallError {
    fn class(&self) -> Class {
        match self {
            Self::Taken { .. } => Class::Exists,
            Self::File { .. } => Class::Retriable,
            Self::Compiler(_) => Class::Bug,
            _ => Class::Config,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::File { .. } | Self::Compiler(_) => Blame::Host,
            Self::Describe(error) => error.blame(),
            Self::Description { .. } => Blame::Guest,
            _ => Blame::User,
        }
    }
}

/// Why an artifact cannot be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// No artifact has this digest or offers this class.
    #[error("no plugin is known as {0}")]
    NotFound(String),
    /// It did not come by upload.
    #[error("{class} is {} and cannot be removed by request", origin.as_str())]
    NotUploaded {
        /// What was asked for.
        class: String,
        /// Where it comes from.
        origin: Origin,
    },
    /// Its file cannot be removed.
    #[error("cannot remove {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: std::io::Error,
    },
}

impl Classified for RemoveError {
    fn class(&self) -> Class {
        match self {
            Self::NotFound(_) => Class::NotFound,
            Self::NotUploaded { .. } => Class::Exists,
            Self::File { .. } => Class::Retriable,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::File { .. } => Blame::Host,
            _ => Blame::User,
        }
    }
}

/// A record that a guest could not handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Position in the frame that the guest was given; checked.
    pub index: u32,
    /// Position of the step in what the transform was configured with; checked.
    pub step: u32,
    /// What the guest says about it.
    pub message: String,
}

/// An error that a guest answered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// The same call may be tried again.
    #[error("{message}")]
    Retriable {
        /// What the guest says.
        message: String,
        /// The pause that it asks for.
        backoff: Option<Duration>,
    },
    /// These records are bad; the call had no effect for the others.
    #[error("{} bad records, the first: {}", .0.len(), .0.first().map_or("none", |bad| bad.message.as_str()))]
    BadRecords(Vec<BadRecord>),
    /// The configuration is wrong: keys with what is wrong about them.
    #[error("{}", problems(.0))]
    Config(Vec<(String, String)>),
    /// The connector or task fails.
    #[error("{0}")]
    Fatal(String),
}

fn problems(list: &[(String, String)]) -> String {
    let texts: Vec<String> = list
        .iter()
        .map(|(key, message)| if key.is_empty() { message.clone() } else { format!("{key}: {message}") })
        .collect();
    if texts.is_empty() { "the configuration is wrong".to_owned() } else { texts.join("; ") }
}

/// Why a call into a guest failed.
///
/// After [`CallError::Trap`], [`CallError::Deadline`] and [`CallError::Memory`] the instance is gone:
/// every further call answers [`CallError::Poisoned`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The guest answered with an error.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The guest trapped.
    #[error("the plugin crashed in {call}: {message}")]
    Trap {
        /// The call.
        call: &'static str,
        /// Why.
        message: String,
        /// The guest's functions, innermost first, one a line.
        backtrace: String,
    },
    /// The guest did not answer in time.
    #[error("the plugin did not answer {call} within {} ms (cofferdam.guest.call.timeout.ms)", after.as_millis())]
    Deadline {
        /// The call.
        call: &'static str,
        /// The time it had.
        after: Duration,
    },
    /// The guest needed more memory than it may have.
    #[error("the plugin needs more memory than the {limit} that it may have (cofferdam.guest.memory.max)")]
    Memory {
        /// What it may have.
        limit: ByteCount,
    },
    /// The frame that the guest answered with cannot be used.
    #[error("the plugin answered with an unusable batch: {0}")]
    BadFrame(String),
    /// An earlier call ended the instance.
    #[error("the plugin's instance was ended by an earlier failure")]
    Poisoned,
    /// Something the plugin needs is not there or not granted.
    #[error("{0}")]
    Refused(String),
    /// No such plugin.
    #[error(
        "Failed to find any class that implements Connector, transformation or predicate and which name matches {0}"
    )]
    UnknownClass(String),
    /// The worker has no room for another instance.
    #[error("no room for another instance of a plugin: {0}")]
    Exhausted(String),
}

impl From<cofferdam_frame::Invalid> for CallError {
    fn from(error: cofferdam_frame::Invalid) -> Self {
        Self::BadFrame(error.to_string())
    }
}

impl CallError {
    /// What a status shows: the message and, after a trap, the guest's backtrace.
    #[must_use]
    pub fn trace(&self) -> String {
        match self {
            Self::Trap { backtrace, .. } if !backtrace.is_empty() => format!("{self}\n{backtrace}"),
            _ => self.to_string(),
        }
    }

    /// Whether the instance is gone and a new one has to be made.
    #[must_use]
    pub const fn poisons(&self) -> bool {
        matches!(self, Self::Trap { .. } | Self::Deadline { .. } | Self::Memory { .. } | Self::Poisoned)
    }
}

impl Classified for CallError {
    fn class(&self) -> Class {
        match self {
            Self::Guest(GuestError::Retriable { .. }) | Self::Exhausted(_) => Class::Retriable,
            Self::Guest(GuestError::BadRecords(_)) => Class::Data,
            Self::Guest(GuestError::Config(_)) | Self::Refused(_) => Class::Config,
            Self::UnknownClass(_) => Class::NotFound,
            Self::Poisoned => Class::Bug,
            Self::Guest(GuestError::Fatal(_))
            | Self::Trap { .. }
            | Self::Deadline { .. }
            | Self::Memory { .. }
            | Self::BadFrame(_) => Class::Fatal,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Guest(GuestError::Config(_)) | Self::Refused(_) | Self::UnknownClass(_) => Blame::User,
            Self::Exhausted(_) | Self::Poisoned => Blame::Host,
            _ => Blame::Guest,
        }
    }
}
