//! A worker without data or engine behind the real API, and a client for it.

#![allow(dead_code, reason = "each test program uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cofferdam_api::Class;
use cofferdam_herder::double::DoubleWorker;
use cofferdam_herder::{HerderParts, LocalHerder, Mode, WorkerConverters, reports, start};
use cofferdam_plugins::{Artifact, Format, Origin, PluginInfo, PluginKind};
use cofferdam_rest::{App, ArtifactError, Artifacts};
use cofferdam_stdx::{ByteCount, Supervisor};
use cofferdam_storage::{MemoryConfigStore, MemoryStatusStore};
use cofferdam_telemetry::Metrics;
use serde_json::Value;

/// Largest upload of the tests.
pub const UPLOAD_MAX: ByteCount = ByteCount::kib(64);

/// A worker and its address.
pub struct Bench {
    pub address: SocketAddr,
    pub worker: Arc<DoubleWorker>,
    pub herder: Arc<LocalHerder>,
    pub metrics: Metrics,
    agent: ureq::Agent,
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Bench {
    pub async fn start(mode: Mode) -> Self {
        let (reporter, reports) = reports();
        let worker = DoubleWorker::new(reporter);
        let supervisor = Supervisor::new();
        let json = || Some("org.apache.kafka.connect.json.JsonConverter".to_owned());
        let herder = start(HerderParts {
            worker: worker.clone(),
            configs: Arc::new(MemoryConfigStore::default()),
            statuses: Arc::new(MemoryStatusStore::default()),
            reports,
            supervisor: supervisor.clone(),
            worker_id: "127.0.0.1:8083".to_owned(),
            generation: 1,
            kafka_cluster_id: "p0XxGKHOSNDF8MG0HYOrbg".to_owned(),
            mode,
            converters: WorkerConverters {
                key: json(),
                value: json(),
                header: Some("org.apache.kafka.connect.storage.SimpleHeaderConverter".to_owned()),
            },
        });
        let metrics = Metrics::new();
        let app = App {
            herder: herder.clone(),
            artifacts: Arc::new(Shelf::default()),
            metrics: metrics.clone(),
            upload_max: UPLOAD_MAX,
        };
        let address = cofferdam_rest::serve(("127.0.0.1", 0), app, &supervisor).await.expect("a port");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(30)))
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        Self { address, worker, herder, metrics, agent }
    }

    /// Sends a request and reads the answer, off the runtime's threads.
    pub async fn send(&self, call: Call) -> Answer {
        let (agent, address) = (self.agent.clone(), self.address);
        tokio::task::spawn_blocking(move || {
            let mut request = ureq::http::Request::builder()
                .method(call.method.as_str())
                .uri(format!("http://{address}{}", call.path));
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            let answer = match call.body {
                Some(body) => agent.run(request.body(body).expect("a request")),
                None => agent.run(request.body(()).expect("a request")),
            };
            let mut answer = answer.expect("an answer");
            let headers = answer
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
                .collect();
            let text = answer.body_mut().read_to_string().expect("a text");
            Answer { status: answer.status().as_u16(), headers, text }
        })
        .await
        .expect("the client")
    }

    /// A request with a JSON body, or without one.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let json = ("Content-Type".to_owned(), "application/json".to_owned());
        self.send(Call {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: if body.is_empty() { vec![] } else { vec![json] },
            body: (!body.is_empty()).then(|| body.as_bytes().to_vec()),
        })
        .await
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn message(&self) -> String {
        let json = self.json();
        assert_eq!(json["error_code"], self.status);
        json["message"].as_str().expect("a message").to_owned()
    }
}

/// Artifacts whose plugins are the words of their bytes after `wasm`.
#[derive(Default)]
pub struct Shelf(Mutex<Vec<Artifact>>);

#[async_trait]
impl Artifacts for Shelf {
    fn artifacts(&self) -> Vec<Artifact> {
        self.0.lock().expect("the shelf").clone()
    }

    fn find(&self, name: &str) -> Option<Artifact> {
        let offers = |artifact: &Artifact| artifact.plugins.iter().any(|plugin| plugin.class == name);
        self.artifacts().into_iter().find(|artifact| artifact.digest == name || offers(artifact))
    }

    async fn install(&self, bytes: Bytes) -> Result<Artifact, ArtifactError> {
        let text = String::from_utf8_lossy(&bytes);
        let Some(classes) = text.strip_prefix("wasm ") else {
            return Err(ArtifactError {
                class: Class::Config,
                message: "this is not WebAssembly".to_owned(),
            });
        };
        let digest = format!("{:064x}", bytes.len());
        let artifact = Artifact {
            origin: Origin::Upload,
            size: bytes.len(),
            plugins: classes.split_whitespace().map(|class| plugin(class, &digest)).collect(),
            digest,
            compile_ms: 12,
        };
        self.0.lock().expect("the shelf").push(artifact.clone());
        Ok(artifact)
    }

    async fn remove(&self, name: &str) -> Result<(), ArtifactError> {
        let mut shelf = self.0.lock().expect("the shelf");
        shelf.retain(|artifact| artifact.digest != name);
        Ok(())
    }
}

fn plugin(class: &str, digest: &str) -> PluginInfo {
    PluginInfo {
        class: class.to_owned(),
        aliases: Vec::new(),
        kind: PluginKind::Sink,
        version: "1.0".to_owned(),
        documentation: String::new(),
        config_def: cofferdam_config::ConfigDef::default(),
        key_format: Format::Raw,
        value_format: Format::Raw,
        needs_key: false,
        needs_value: true,
        needs_headers: false,
        pure: false,
        idempotent: false,
        task_class: None,
        capabilities: Vec::new(),
        digest: digest.to_owned(),
    }
}
