//! How long a record takes that comes at an easy rate: from a line in a file to its record in a topic, and on
//! into another file.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use cofferdam_e2e::{Topics, Worker};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

use crate::contestant::Contestant;
use crate::run::{now, rest};
use crate::sample::{Metric, Samples};

/// Time from one line to the next: 1,000 a second.
const PACE: Duration = Duration::from_millis(1);
/// How long the last lines may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines before anything is measured, in which tasks start and find their topics.
const FIRST: usize = 1_000;

/// Writes lines at a fixed rate for `span`, and notes how long they took.
///
/// # Errors
/// When lines do not arrive.
pub(crate) fn measure(
    worker: &Worker,
    topics: &Topics,
    dir: &Path,
    name: &str,
    span: Duration,
    contestant: Contestant,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    let topic = format!("{name}-paced");
    topics.create(&topic, 1)?;
    let (from, to) = (dir.join("paced-in.txt"), dir.join("paced-out.txt"));
    let mut file = File::create(&from)?;
    let classes = [("FileStreamSource", "topic", &from, "source"), ("FileStreamSink", "topics", &to, "sink")];
    for (class, key, file, way) in classes {
        let mut config = json!({
            "connector.class": format!("org.apache.kafka.connect.file.{class}Connector"),
            "tasks.max": "1", "file": file,
        });
        if let Some(config) = config.as_object_mut() {
            config.insert(key.to_owned(), topic.clone().into());
        }
        worker.create(&format!("{name}-paced-{way}"), &config)?;
        worker.await_state(&format!("{name}-paced-{way}"), "RUNNING", "RUNNING")?;
    }
    let n = FIRST + usize::try_from(span.as_millis())?;
    let is_over = AtomicBool::new(false);
    let (in_topic, in_file) = std::thread::scope(|scope| {
        let in_topic = scope.spawn(|| read_topic(topics, &topic, n, &is_over));
        let in_file = scope.spawn(|| read_file(&to, n, &is_over));
        let written = write(&mut file, n);
        let began = now();
        while !(in_topic.is_finished() && in_file.is_finished()) && began.elapsed() < PATIENCE {
            rest(PACE * 20);
        }
        is_over.store(true, Ordering::Relaxed);
        let ended = |thread: std::thread::ScopedJoinHandle<'_, anyhow::Result<Vec<f64>>>| {
            thread.join().unwrap_or_else(|_| anyhow::bail!("a reader panicked"))
        };
        written.and(Ok((ended(in_topic)?, ended(in_file)?)))
    })?;
    for (figures, median, slowest) in
        [(in_topic, Metric::ToTopicP50, Metric::ToTopicP99), (in_file, Metric::ToFileP50, Metric::ToFileP99)]
    {
        ensure!(figures.len() == n, "{} of {n} lines arrived", figures.len());
        let figures = figures.get(FIRST..).unwrap_or_default();
        for (metric, share) in [(median, 0.5), (slowest, 0.99)] {
            samples.of_worker(contestant, metric, percentile(figures, share).context("no line")?);
        }
    }
    Ok(())
}

fn write(file: &mut File, n: usize) -> anyhow::Result<()> {
    let began = now();
    for number in 0..n {
        let due = PACE * u32::try_from(number)?;
        rest(due.saturating_sub(began.elapsed()));
        writeln!(file, "{}", micros())?;
    }
    Ok(())
}

/// Milliseconds of each record, in the order in which they came.
fn read_topic(topics: &Topics, topic: &str, n: usize, is_over: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut config = topics.config();
    // Nothing is held back on this side.
    config.set("group.id", topic).set("fetch.wait.max.ms", "10").set("fetch.queue.backoff.ms", "1");
    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&list)?;
    let mut took = Vec::with_capacity(n);
    while took.len() < n && !is_over.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(PACE * 100).transpose()? else { continue };
        took.push(since(message.payload().unwrap_or_default())?);
    }
    Ok(took)
}

/// The same of each line of a file that grows.
fn read_file(path: &Path, n: usize, is_over: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    while !path.exists() && !is_over.load(Ordering::Relaxed) {
        rest(PACE);
    }
    let mut file = BufReader::new(File::open(path)?);
    let (mut took, mut line) = (Vec::with_capacity(n), Vec::new());
    while took.len() < n && !is_over.load(Ordering::Relaxed) {
        file.read_until(b'\n', &mut line)?;
        if line.ends_with(b"\n") {
            line.pop();
            took.push(since(&line)?);
            line.clear();
        } else {
            rest(PACE);
        }
    }
    Ok(took)
}

/// Milliseconds since the moment that a line names.
fn since(line: &[u8]) -> anyhow::Result<f64> {
    let then: u64 = std::str::from_utf8(line)?.parse().context("a line with a time")?;
    Ok(micros().saturating_sub(then) as f64 / 1e3)
}

/// Microseconds since 1970.
fn micros() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "two processes have no other clock in common")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// The smallest figure that so great a share of all does not exceed.
fn percentile(figures: &[f64], share: f64) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let figures: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&figures, 0.5), Some(100.0));
        assert_eq!(percentile(&figures, 0.99), Some(198.0));
        assert_eq!(percentile(&figures[..1], 0.99), Some(200.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
