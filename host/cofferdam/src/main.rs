//! Cofferdam: the command line, and the one place where the control path and the data path are
//! joined (`worker.rs`). Everything else is in the crates below.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a connector of `standalone` could not be created,
//! 130 and 143 ended by a second signal.

mod cli;
mod client;
mod command;
mod files;
mod settings;
mod show;
mod signals;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;
use cofferdam_telemetry::logging;

use crate::cli::{Cli, Command, Log, LogFormat};

/// Serves the C libraries as well: see docs/adr/0007-one-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match &Cli::parse().command {
        Command::Plugin(command) => command::plugin::run(command),
        Command::Connector(command) => command::connector::run(command),
        #[cfg(feature = "embedded-broker")]
        Command::Dev(dev) => log(&dev.log).and_then(|()| worker::run(|| settings::dev(dev))),
        Command::Standalone(files) => {
            log(&files.log).and_then(|()| worker::run(|| settings::standalone(files)))
        }
        Command::Distributed(files) => {
            log(&files.log).and_then(|()| worker::run(|| settings::distributed(files)))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // People read this; the log, if there is one, is elsewhere.
            eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref::<worker::ConnectorFault>().map_or(1, |_| 3))
        }
    }
}

fn log(log: &Log) -> anyhow::Result<()> {
    let format = match log.log_format {
        LogFormat::Human => logging::Format::Human,
        LogFormat::Json => logging::Format::Json,
    };
    Ok(logging::init(format, &log.log)?)
}
