//! A worker in a process of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::broker::kafka_libs;
use crate::eventually;

/// Status and body of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body; a text where it is not JSON.
    pub body: Value,
}

impl Answer {
    /// The text of an error answer.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or_default()
    }
}

/// A running `cofferdam`. Killed with this value if it still runs.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    url: String,
    bootstrap: String,
    log: PathBuf,
}

impl Worker {
    /// `cofferdam dev` with its state in `dir`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn dev(dir: &Path) -> anyhow::Result<Self> {
        let (rest, kafka) = (free_port()?, free_port()?);
        let bootstrap = format!("127.0.0.1:{kafka}");
        let rest_address = format!("127.0.0.1:{rest}");
        let data = dir.join("data").display().to_string();
        let arguments = ["dev", "--rest", &rest_address, "--kafka", &bootstrap, "--data", &data];
        Self::start(dir, &arguments, rest, &bootstrap)
    }

    /// `cofferdam distributed` against a broker. `properties` come last and so win.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn distributed(dir: &Path, bootstrap: &str, properties: &str) -> anyhow::Result<Self> {
        let rest = free_port()?;
        let file = dir.join("worker.properties");
        let text = format!(
            "bootstrap.servers={bootstrap}\nlisteners=http://127.0.0.1:{rest}\ngroup.id=e2e\n\
             config.storage.topic=e2e-configs\noffset.storage.topic=e2e-offsets\nstatus.storage.topic=e2e-status\n\
             config.storage.replication.factor=1\noffset.storage.replication.factor=1\n\
             status.storage.replication.factor=1\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n\
             offset.flush.interval.ms=500\ncofferdam.data.dir={}\n{properties}\n",
            dir.join("data").display()
        );
        std::fs::write(&file, text)?;
        Self::start(dir, &["distributed", &file.display().to_string()], rest, bootstrap)
    }

    /// The real Kafka Connect, distributed, with these options of its JVM. `properties` come last and so win.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn kafka_connect(
        dir: &Path,
        bootstrap: &str,
        jvm: &[&str],
        properties: &str,
    ) -> anyhow::Result<Self> {
        let rest = free_port()?;
        let libs = kafka_libs()?;
        let plugins = libs.with_file_name("plugins");
        let (file, log) = (dir.join("worker.properties"), dir.join("log4j2.properties"));
        let text = format!(
            "bootstrap.servers={bootstrap}\nlisteners=http://127.0.0.1:{rest}\nrest.advertised.host.name=127.0.0.1\n\
             plugin.path={}\ngroup.id=connect\nconfig.storage.topic=connect-configs\n\
             offset.storage.topic=connect-offsets\nstatus.storage.topic=connect-status\n\
             config.storage.replication.factor=1\noffset.storage.replication.factor=1\n\
             status.storage.replication.factor=1\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n{properties}\n",
            plugins.display()
        );
        std::fs::write(&file, text)?;
        std::fs::write(
            &log,
            "status = error\nappender.out.type = Console\nappender.out.name = out\n\
             appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = [%d] %p %m (%c:%L)%n\n\
             rootLogger.level = info\nrootLogger.appenderRef.out.ref = out\n",
        )?;
        let mut command = Command::new("java");
        command
            .args(jvm)
            .arg(format!("-Dlog4j2.configurationFile={}", log.display()))
            .args(["-cp", &format!("{}/*", libs.display())])
            .arg("org.apache.kafka.connect.cli.ConnectDistributed")
            .arg(&file);
        Self::spawn(dir, command, rest, bootstrap)
    }

    /// `cofferdam standalone` against a broker, with connector files.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn standalone(dir: &Path, bootstrap: &str, connectors: &[&Path]) -> anyhow::Result<Self> {
        let rest = free_port()?;
        let file = dir.join("worker.properties");
        let text = format!(
            "bootstrap.servers={bootstrap}\nlisteners=http://127.0.0.1:{rest}\n\
             offset.storage.file.filename={}\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n\
             offset.flush.interval.ms=500\ncofferdam.data.dir={}\n",
            dir.join("offsets").display(),
            dir.join("data").display()
        );
        std::fs::write(&file, text)?;
        let file = file.display().to_string();
        let connectors: Vec<String> = connectors.iter().map(|path| path.display().to_string()).collect();
        let mut arguments = vec!["standalone", &file];
        arguments.extend(connectors.iter().map(String::as_str));
        Self::start(dir, &arguments, rest, bootstrap)
    }

    fn start(dir: &Path, arguments: &[&str], rest: u16, bootstrap: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(arguments);
        Self::spawn(dir, command, rest, bootstrap)
    }

    fn spawn(dir: &Path, mut command: Command, rest: u16, bootstrap: &str) -> anyhow::Result<Self> {
        let log = dir.join("worker.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("the worker starts")?;
        let url = format!("http://127.0.0.1:{rest}");
        let mut worker = Self { child, url, bootstrap: bootstrap.to_owned(), log };
        eventually("the worker answers", || {
            if let Ok(Some(status)) = worker.child.try_wait() {
                return Ok(Err(anyhow::anyhow!("the worker ended with {status}: {}", worker.log())));
            }
            match worker.get("/connectors") {
                Ok(answer) if answer.status == 200 => Ok(Ok(())),
                Ok(answer) => Err(format!("{answer:?}")),
                Err(error) => Err(error.to_string()),
            }
        })??;
        Ok(worker)
    }

    /// Where its broker is.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Where its REST API is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// GET.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> anyhow::Result<Answer> {
        answer(agent().get(format!("{}{path}", self.url)).call())
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        answer(agent().post(format!("{}{path}", self.url)).send_json(body))
    }

    /// POST of bytes.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn upload(&self, bytes: &[u8]) -> anyhow::Result<Answer> {
        let request = agent().post(format!("{}/connector-plugins", self.url));
        answer(request.content_type("application/wasm").send(bytes))
    }

    /// PUT of JSON.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        answer(agent().put(format!("{}{path}", self.url)).send_json(body))
    }

    /// DELETE.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        answer(agent().delete(format!("{}{path}", self.url)).call())
    }

    /// Creates a connector and waits until it and its tasks run.
    ///
    /// # Errors
    /// When it is refused or does not run in time.
    pub fn create(&self, name: &str, config: &Value) -> anyhow::Result<()> {
        let created = self.post("/connectors", &json!({"name": name, "config": config}))?;
        ensure!(created.status == 201, "create {name}: {created:?}");
        self.await_state(name, "RUNNING", "RUNNING")?;
        Ok(())
    }

    /// Waits until the connector is in one state and all its tasks, at least one, in the other.
    /// Answers the status.
    ///
    /// # Errors
    /// When that is not so in time.
    pub fn await_state(&self, name: &str, connector: &str, tasks: &str) -> anyhow::Result<Value> {
        let what = format!("{name} is {connector} with tasks {tasks}");
        eventually(&what, || {
            let status =
                self.get(&format!("/connectors/{name}/status")).map_err(|error| error.to_string())?.body;
            let state =
                |value: &Value| value.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
            let all = status.get("tasks").and_then(Value::as_array).cloned().unwrap_or_default();
            let as_wanted = status.get("connector").is_some_and(|it| state(it) == connector)
                && !all.is_empty()
                && all.iter().all(|task| state(task) == tasks);
            if as_wanted { Ok(status) } else { Err(status.to_string()) }
        })
    }

    /// Waits until the connector or one of its tasks failed and answers the trace.
    ///
    /// # Errors
    /// When that is not so in time.
    pub fn await_failure(&self, name: &str) -> anyhow::Result<String> {
        eventually(&format!("{name} fails"), || {
            let status =
                self.get(&format!("/connectors/{name}/status")).map_err(|error| error.to_string())?.body;
            let tasks = status.get("tasks").and_then(Value::as_array).into_iter().flatten();
            let mut all = status.get("connector").into_iter().chain(tasks);
            let failed = all.find(|it| it.get("state").and_then(Value::as_str) == Some("FAILED"));
            let trace = failed.and_then(|it| it.get("trace")).and_then(Value::as_str);
            trace.map(str::to_owned).ok_or_else(|| status.to_string())
        })
    }

    /// Restarts the connector with its tasks, all or only those that failed.
    ///
    /// # Errors
    /// When it is refused.
    pub fn restart(&self, name: &str, only_failed: bool) -> anyhow::Result<()> {
        let path = format!("/connectors/{name}/restart?includeTasks=true&onlyFailed={only_failed}");
        let answer = self.post(&path, &Value::Null)?;
        ensure!((200..300).contains(&answer.status), "restart {name}: {answer:?}");
        Ok(())
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for a clean end.
    ///
    /// # Errors
    /// When it does not end with status 0 in time.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.signal("TERM")?;
        let status = self.wait()?;
        ensure!(status.success(), "the worker ended with {status}: {}", self.log());
        Ok(())
    }

    /// Sends a signal: `TERM`, `INT`.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        ensure!(
            Command::new("kill").args([&format!("-{name}"), &pid]).status()?.success(),
            "kill -{name} {pid}"
        );
        Ok(())
    }

    /// Waits for its end, and answers how it ended.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn ended(mut self) -> anyhow::Result<std::process::ExitStatus> {
        self.wait()
    }

    fn wait(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        eventually("the worker ends", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(100)))
        .build();
    config.into()
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Answer> {
    let mut response = result?;
    let text = response.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status: response.status().as_u16(), body })
}

/// A port of loopback that was free a moment ago.
///
/// # Errors
/// When there is none.
fn free_port() -> anyhow::Result<u16> {
    free_ports(1)
}

/// The first of `n` ports of loopback in a row that were free a moment ago, as were those 100 above them. They lie
/// below those that the system gives to connections: a client that tries to reach a stopped broker could be given
/// the broker's own port, connect to itself and keep it taken.
///
/// # Errors
/// When there are none.
pub(crate) fn free_ports(n: u16) -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(37);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..10_000)
        .map(|_| 20_000 + (first.wrapping_add(NEXT.fetch_add(n.into(), Ordering::Relaxed)) % 10_000) as u16)
        .find(|port| (*port..*port + n).all(|port| is_free(port) && is_free(port + 100)))
        .context("no port is free")
}

/// Path of the binary: what `COFFERDAM_BINARY` names, or the one of this checkout, built once if it is
/// not up to date.
fn binary() -> anyhow::Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("COFFERDAM_BINARY") {
            return Ok(path.into());
        }
        let build = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--workspace"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .status();
        match build {
            Ok(status) if status.success() => {}
            other => return Err(format!("cargo build --workspace: {other:?}")),
        }
        // This program is <target>/<profile>/<program> or, if it is a test, <target>/<profile>/deps/<test>.
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let folder = program.parent().ok_or("no target folder")?;
        let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
        Ok(profile.ok_or("no target folder")?.join("cofferdam"))
    });
    built.as_deref().map_err(|error| anyhow::anyhow!(error.clone()))
}
