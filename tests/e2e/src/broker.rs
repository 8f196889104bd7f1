//! A real Apache Kafka, started by the project's own scripts. Where Java or Maven is missing the tests
//! that need it are skipped by name; with `COFFERDAM_REQUIRE_ALL` set that is a failure.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, ensure};

use crate::worker::free_ports;

/// Kafka brokers, gone with this value, or with the test process, however that ends.
#[derive(Debug)]
pub struct Broker {
    dir: PathBuf,
    bootstrap: String,
    /// Wipes the broker when its standard input ends.
    janitor: Child,
}

impl Broker {
    /// Starts a broker on a free port. `properties` are added to the broker's, one a line.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(properties: &str) -> anyhow::Result<Self> {
        Self::cluster(1, properties)
    }

    /// Starts a cluster of `nodes` brokers, numbered from 1.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn cluster(nodes: u16, properties: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?.keep();
        let port = free_ports(nodes)?;
        let janitor = Command::new("sh")
            .args(["-c", r#"cat >/dev/null; exec "$0" wipe "$1""#])
            .args([scripts().join("kafka.sh"), dir.clone()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        let all: Vec<String> = (port..port + nodes).map(|port| format!("127.0.0.1:{port}")).collect();
        let broker = Self { dir, bootstrap: all.join(","), janitor };
        let (port, nodes) = (port.to_string(), nodes.to_string());
        let arguments = ["start".as_ref(), broker.dir.as_path(), port.as_ref()];
        broker.run(&arguments, &[("KAFKA_NODES", &nodes), ("KAFKA_PROPS", properties)])?;
        Ok(broker)
    }

    /// The broker that the tests of one process share: give topics, groups and connectors names of
    /// their own.
    ///
    /// # Errors
    /// When it did not come up.
    pub fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceLock<Result<Broker, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start("").map_err(|error| format!("{error:#}")));
        shared.as_ref().map_err(|error| anyhow::anyhow!(error.clone()))
    }

    /// Where clients find it.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Kills the first node without warning; its data stay.
    ///
    /// # Errors
    /// When the script fails.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.node("kill", 1)
    }

    /// Starts it again after [`Broker::kill`].
    ///
    /// # Errors
    /// When it does not come up.
    pub fn restart(&self) -> anyhow::Result<()> {
        self.node("start", 1)
    }

    /// Does `action` to one node: `start`, `stop`, `kill` (SIGKILL), `freeze` (SIGSTOP) or `thaw`.
    ///
    /// # Errors
    /// When the script fails.
    pub fn node(&self, action: &str, id: u32) -> anyhow::Result<()> {
        self.run(&["node".as_ref(), action.as_ref(), &self.dir, id.to_string().as_ref()], &[])
    }

    /// As if the disk of the first node were full for files of so many bytes: writing on fails from there
    /// (RLIMIT_FSIZE), until it is started again.
    ///
    /// # Errors
    /// When `prlimit` (util-linux) fails.
    pub fn limit_files(&self, bytes: u64) -> anyhow::Result<()> {
        let pid = std::fs::read_to_string(self.dir.join("1/pid"))?;
        let arguments = [format!("--pid={}", pid.trim()), format!("--fsize={bytes}")];
        let output = Command::new("prlimit").args(arguments).stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "prlimit: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Whether every node runs.
    ///
    /// # Errors
    /// When the script cannot be run.
    pub fn is_running(&self) -> anyhow::Result<bool> {
        let mut status = Command::new(scripts().join("kafka.sh"));
        let status = status.args(["status".as_ref(), self.dir.as_path()]).stdin(Stdio::null()).output()?;
        Ok(status.status.success())
    }

    /// Runs one of Kafka's own command-line tools, by its class, with `--bootstrap-server`.
    ///
    /// # Errors
    /// When it fails.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let libs = kafka_libs()?;
        let output = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-cp", &format!("{}/*", libs.display()), class])
            .args(["--bootstrap-server", &self.bootstrap])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("java runs")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{class}: {text}{}", String::from_utf8_lossy(&output.stderr));
        Ok(text)
    }

    fn run(&self, arguments: &[&Path], settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let output = Command::new(scripts().join("kafka.sh"))
            .args(arguments)
            .envs(settings.iter().copied())
            .env("KAFKA_WAIT", "120")
            .stdin(Stdio::null())
            .output()
            .context("kafka.sh runs")?;
        ensure!(output.status.success(), "kafka.sh: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        // Fails only when the janitor was killed.
        _ = self.janitor.wait();
    }
}

/// The folder of Kafka's libraries, fetched if they are not there yet; its plugins are beside it.
pub(crate) fn kafka_libs() -> anyhow::Result<PathBuf> {
    let libs = Command::new(scripts().join("fetch-kafka.sh")).stdin(Stdio::null()).output()?;
    ensure!(libs.status.success(), "fetch-kafka.sh: {}", String::from_utf8_lossy(&libs.stderr));
    Ok(String::from_utf8(libs.stdout)?.trim().into())
}

/// The release of the Kafka that is used here.
#[must_use]
pub fn kafka_version() -> Option<String> {
    let stamp = std::fs::read_to_string(kafka_libs().ok()?.parent()?.join("VERSION")).ok()?;
    Some(stamp.strip_prefix("kafka ")?.split_once(',')?.0.to_owned())
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../harness/kafka")
}

/// Whether the calling test has to be skipped because a real Kafka cannot be had here; says so.
///
/// # Panics
/// When something is missing although `COFFERDAM_REQUIRE_ALL` is set.
#[must_use]
#[allow(clippy::panic, reason = "ends the test that called it")]
pub fn skip_without_kafka(test: &str) -> bool {
    let missing: Vec<&str> = ["java", "mvn"]
        .into_iter()
        .filter(|tool| Command::new(tool).arg("-version").output().is_err())
        .collect();
    if missing.is_empty() {
        return false;
    }
    let text = format!(
        "SKIPPED {test}: needs a real Kafka, and {} is missing; `apt-get install openjdk-17-jre-headless maven` installs both",
        missing.join(" and ")
    );
    if std::env::var_os("COFFERDAM_REQUIRE_ALL").is_some() {
        panic!("{text}");
    }
    println!("{text}");
    true
}
