//! The limit: the same work by a program that has nothing but a file, a Kafka client and the settings that
//! Cofferdam gives it. It runs as a process of its own, this very program with other arguments.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use cofferdam_config::worker::{Mode, WorkerSettings};
use cofferdam_kafka::{ClientConfig as Translated, Role};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use crate::case::Way;

/// A buffer for files; about what a batch of Cofferdam's has.
const BUFFER: usize = 256 << 10;
/// How long the consumer waits before what it has is written.
const POLL: Duration = Duration::from_millis(100);

/// The program at work. It stays, so that its processor time can be read, until this value is dropped.
pub(crate) struct Bare(Child);

impl Bare {
    /// Starts it.
    pub(crate) fn start(way: Way, file: &Path, bootstrap: &str, topic: &str) -> anyhow::Result<Self> {
        let way = match way {
            Way::Source => "source",
            Way::Sink => "sink",
        };
        let program = std::env::current_exe()?;
        let child = Command::new(program)
            .args(["bare", way])
            .arg(file)
            .args([bootstrap, topic])
            .stdin(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// What the process does: `source|sink FILE BOOTSTRAP TOPIC`, and then nothing until its standard input ends.
///
/// # Errors
/// When a file or the broker fails.
pub fn main(arguments: &[String]) -> anyhow::Result<()> {
    let [way, file, bootstrap, topic] = arguments else {
        bail!("usage: bench bare source|sink FILE BOOTSTRAP TOPIC");
    };
    match way.as_str() {
        "source" => {
            // Its threads end with it.
            let _producer = source(Path::new(file), bootstrap, topic)?;
            until_told()
        }
        "sink" => sink(Path::new(file), bootstrap, topic),
        _ => bail!("neither source nor sink: {way}"),
    }
}

fn until_told() -> anyhow::Result<()> {
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The settings of a client of a task, as the worker makes them when its file and its connector say nothing.
fn settings(role: Role, bootstrap: &str) -> anyhow::Result<ClientConfig> {
    let file = format!(
        "bootstrap.servers={bootstrap}\ngroup.id=bare\nconfig.storage.topic=c\noffset.storage.topic=o\n\
         status.storage.topic=s\nkey.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n"
    );
    let settings = WorkerSettings::from_properties(&file, Mode::Distributed)
        .map_err(|faults| anyhow!("the settings of a worker: {faults:?}"))?;
    let none = cofferdam_api::ConfigMap::new();
    let java = match role {
        Role::Producer => settings.producer_config("bare", 0, &none),
        _ => settings.consumer_config("bare", 0, &none),
    };
    let translated = Translated::from_java(role, &java)?.config;
    let mut config = ClientConfig::new();
    for (key, value) in translated.native() {
        config.set(key, value);
    }
    Ok(config)
}

fn source(
    file: &Path,
    bootstrap: &str,
    topic: &str,
) -> anyhow::Result<ThreadedProducer<DefaultProducerContext>> {
    let producer: ThreadedProducer<_> = settings(Role::Producer, bootstrap)?.create()?;
    let mut file = BufReader::with_capacity(BUFFER, File::open(file)?);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        line.pop();
        let mut record = BaseRecord::<(), [u8]>::to(topic).payload(&line);
        while let Err((error, again)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            record = again;
            crate::run::rest(Duration::from_millis(1));
        }
        line.clear();
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(producer)
}

fn sink(file: &Path, bootstrap: &str, topic: &str) -> anyhow::Result<()> {
    let consumer: BaseConsumer = settings(Role::Consumer, bootstrap)?.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30))?;
    let partitions = metadata.topics().first().context("no topic")?.partitions().len();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, i32::try_from(partition)?, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut file = File::create(file)?;
    let mut out = Vec::with_capacity(BUFFER);
    // Until it is killed.
    loop {
        let message = consumer.poll(if out.is_empty() { POLL } else { Duration::ZERO });
        let Some(message) = message.transpose()? else {
            file.write_all(&out)?;
            out.clear();
            continue;
        };
        out.extend_from_slice(message.payload().unwrap_or_default());
        out.push(b'\n');
        if out.len() >= BUFFER {
            file.write_all(&out)?;
            out.clear();
        }
    }
}
