//! Who is compared, and how each is set up.

use std::path::Path;

use cofferdam_e2e::Worker;

/// The options of the stock start script.
pub(crate) const STOCK_JVM: &[&str] = &[
    "-Xms256M",
    "-Xmx2G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];
pub(crate) const TUNED_JVM: &[&str] = &[
    "-Xms512M",
    "-Xmx512M",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-Djava.awt.headless=true",
];
/// What people set who look for speed.
pub(crate) const TUNED: &str = "plugin.discovery=service_load\nproducer.batch.size=262144\nproducer.linger.ms=20\n\
                     producer.compression.type=lz4\nconsumer.max.poll.records=5000\nconsumer.fetch.min.bytes=65536\n\
                     consumer.fetch.max.wait.ms=100\nconsumer.max.partition.fetch.bytes=4194304";

/// A worker that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contestant {
    /// This program, as it comes.
    Cofferdam,
    /// Kafka Connect, as it comes.
    Connect,
    /// Kafka Connect with larger batches, compression and a heap that fits.
    Tuned,
    /// A program that reads and writes files with the same Kafka client and settings as Cofferdam, and nothing else:
    /// what is possible.
    Bare,
}

impl Contestant {
    /// All workers, in the order of their turns.
    pub const WORKERS: [Self; 3] = [Self::Cofferdam, Self::Connect, Self::Tuned];

    /// As tables show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cofferdam => "cofferdam",
            Self::Connect => "connect",
            Self::Tuned => "connect-tuned",
            Self::Bare => "bare",
        }
    }

    /// Starts it with its state in `dir`; `name` is its group, and what its topics begin with.
    pub(crate) fn start(
        self,
        dir: &Path,
        bootstrap: &str,
        name: &str,
        exactly_once: bool,
    ) -> anyhow::Result<Worker> {
        let mut properties = format!(
            "group.id={name}\nconfig.storage.topic={name}-configs\noffset.storage.topic={name}-offsets\n\
             status.storage.topic={name}-status\noffset.flush.interval.ms=10000\n"
        );
        if exactly_once {
            properties.push_str("exactly.once.source.support=enabled\n");
        }
        match self {
            Self::Cofferdam => Worker::distributed(dir, bootstrap, &properties),
            Self::Connect => Worker::kafka_connect(dir, bootstrap, STOCK_JVM, &properties),
            Self::Tuned => {
                properties.push_str(TUNED);
                Worker::kafka_connect(dir, bootstrap, TUNED_JVM, &properties)
            }
            Self::Bare => anyhow::bail!("a bare program is no worker"),
        }
    }

    /// Ends its worker.
    pub(crate) fn end(self, worker: Worker) -> anyhow::Result<()> {
        match self {
            Self::Cofferdam => worker.stop(),
            // A JVM that is told to end says that a signal ended it.
            Self::Connect | Self::Tuned | Self::Bare => worker.kill(),
        }
    }
}
