//! What a worker is started with, from the command line and its files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cofferdam_config::{Mode, WorkerSettings};

use crate::cli::{Distributed, Standalone};
use crate::files::{self, ConnectorFile};
use crate::worker::ConnectorFault;

/// What is to be started.
pub(crate) struct Plan {
    pub(crate) settings: WorkerSettings,
    /// Connectors to create at the start.
    pub(crate) connectors: Vec<(PathBuf, ConnectorFile)>,
    /// Kafka is a broker in this process.
    pub(crate) embedded_broker: bool,
}

/// A worker with a broker of its own, which is started here: its port is part of the settings.
#[cfg(feature = "embedded-broker")]
pub(crate) fn dev(dev: &crate::cli::Dev) -> anyhow::Result<Plan> {
    let broker =
        cofferdam_kafka::embedded::EmbeddedBroker::start(&dev.kafka.to_string()).with_context(|| {
            format!("no broker can listen on {}; choose another address with --kafka", dev.kafka)
        })?;
    let data = match &dev.data {
        Some(data) => data.clone(),
        None => user_data()?.join("cofferdam/dev"),
    };
    let data = std::path::absolute(&data).with_context(|| format!("{} is no folder", data.display()))?;
    let settings = WorkerSettings::dev(dev.rest, &broker.bootstrap(), &data);
    Ok(Plan { settings, connectors: Vec::new(), embedded_broker: true })
}

/// One worker on its own. Connector files are read before anything starts.
pub(crate) fn standalone(command: &Standalone) -> anyhow::Result<Plan> {
    let settings = worker_file(&command.worker, Mode::Standalone)?;
    let read = |path: &PathBuf| {
        let file = files::read(path).context(ConnectorFault(path.clone()))?;
        Ok((path.clone(), file))
    };
    let connectors = command.connectors.iter().map(read).collect::<anyhow::Result<_>>()?;
    Ok(Plan { settings, connectors, embedded_broker: false })
}

/// A worker with its state in Kafka.
pub(crate) fn distributed(command: &Distributed) -> anyhow::Result<Plan> {
    let settings = worker_file(&command.worker, Mode::Distributed)?;
    Ok(Plan { settings, connectors: Vec::new(), embedded_broker: false })
}

fn worker_file(path: &Path, mode: Mode) -> anyhow::Result<WorkerSettings> {
    let text = files::read_text(path)?;
    WorkerSettings::from_properties(&text, mode).map_err(|faults| {
        let list: String = faults.iter().map(|(_, fault)| format!("\n  {fault}")).collect();
        anyhow::anyhow!("{} cannot be used:{list}", path.display())
    })
}

/// Where this user's programs keep their data.
fn user_data() -> anyhow::Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share"))) {
        Some(path) => Ok(path),
        None => bail!("there is no home folder to keep data in; name a folder with --data"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_fault_of_a_worker_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("worker.properties");
        std::fs::write(&path, "offset.flush.interval.ms=soon\n").unwrap();
        let error = worker_file(&path, Mode::Distributed).unwrap_err().to_string();
        for part in
            ["worker.properties cannot be used", "group.id", "offset.flush.interval.ms", "bootstrap.servers"]
        {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
