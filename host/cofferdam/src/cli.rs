//! The command line: what can be asked for, and how it is explained.

#[cfg(feature = "embedded-broker")]
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A Kafka Connect worker whose connectors, transforms and predicates are WebAssembly components.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What a worker logs, on standard error.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// How log lines are printed
    #[arg(long, value_enum, default_value_t, env = "COFFERDAM_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a list such as info,cofferdam_kafka=debug
    #[arg(long, default_value = "info", env = "COFFERDAM_LOG", value_name = "FILTER")]
    pub(crate) log: String,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a worker with a Kafka broker of its own, to try things out
    #[cfg(feature = "embedded-broker")]
    Dev(Dev),
    /// Run one worker on its own: connectors from files, source offsets in a file
    Standalone(Standalone),
    /// Run a worker that keeps its state in Kafka
    Distributed(Distributed),
    /// Plugins of a running worker
    #[command(subcommand)]
    Plugin(Plugin),
    /// Connectors of a running worker
    #[command(subcommand)]
    Connector(Connector),
}

#[cfg(feature = "embedded-broker")]
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Where the REST API listens; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8083", value_name = "ADDR", value_parser = address)]
    pub(crate) rest: SocketAddr,
    /// Where the broker listens; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:9092", value_name = "ADDR", value_parser = address)]
    pub(crate) kafka: SocketAddr,
    /// Folder for uploaded plugins and compiled code [default: cofferdam/dev in the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: Log,
}

#[derive(Debug, Args)]
pub(crate) struct Standalone {
    /// The worker's .properties file, as for Kafka Connect
    pub(crate) worker: PathBuf,
    /// Connectors to create: .properties, or JSON
    pub(crate) connectors: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) log: Log,
}

#[derive(Debug, Args)]
pub(crate) struct Distributed {
    /// The worker's .properties file, as for Kafka Connect
    pub(crate) worker: PathBuf,
    #[command(flatten)]
    pub(crate) log: Log,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Upload a .wasm component; what it offers can be used at once
    Upload {
        /// The component
        file: PathBuf,
        #[command(flatten)]
        remote: Remote,
    },
    /// List what is installed
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Remove an uploaded component that nothing uses
    Delete {
        /// A class that it offers, or its digest
        class: String,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Connector {
    /// Create a connector
    Create {
        /// {"name", "config"} or a flat map as JSON, or .properties
        file: PathBuf,
        /// Wait until the connector and its tasks run, at most this many seconds
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30", value_parser = seconds)]
        wait: Option<Duration>,
        #[command(flatten)]
        remote: Remote,
    },
    /// List connectors with their states
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Show the state of a connector and its tasks
    Status(Named),
    /// Delete a connector; its offsets stay
    Delete(Named),
    /// Hold a connector and its tasks still
    Pause(Named),
    /// Let a paused or stopped connector go on
    Resume(Named),
    /// Shut a connector and its tasks down; its configuration and offsets stay
    Stop(Named),
    /// Restart a connector and its tasks
    Restart {
        /// Only what has failed
        #[arg(long)]
        only_failed: bool,
        #[command(flatten)]
        named: Named,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the connector
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Which worker is asked, and how its answer is shown.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The worker's REST API
    #[arg(long, default_value = "http://127.0.0.1:8083", env = "COFFERDAM_URL")]
    pub(crate) url: String,
    /// How the answer is shown
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Human,
    /// The worker's answer as it came
    Json,
}

/// Takes names too, such as `localhost:8083`.
#[cfg(feature = "embedded-broker")]
fn address(text: &str) -> Result<SocketAddr, String> {
    use std::net::ToSocketAddrs as _;
    let mut found = text.to_socket_addrs().map_err(|error| format!("HOST:PORT is expected: {error}"))?;
    found.next().ok_or_else(|| "the host has no address".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "a number of seconds is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
