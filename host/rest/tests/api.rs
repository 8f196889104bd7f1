//! What the recorded exchanges do not show: uploads, metrics, names with slashes, standalone mode.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod common;

use cofferdam_herder::{Herder as _, Mode};
use common::{Bench, Call, UPLOAD_MAX};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SINK: &str = "org.apache.kafka.connect.file.FileStreamSinkConnector";

async fn upload(bench: &Bench, kind: &str, body: &[u8]) -> common::Answer {
    bench
        .send(Call {
            method: "POST".to_owned(),
            path: "/connector-plugins".to_owned(),
            headers: vec![("Content-Type".to_owned(), kind.to_owned())],
            body: Some(body.to_vec()),
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_whose_api_it_speaks() {
    let bench = Bench::start(Mode::Standalone).await;
    let answer = bench.call("GET", "/", "").await;
    let server = answer.json();
    assert_eq!(server["version"], "4.3.1");
    assert_eq!(server["kafka_cluster_id"], "p0XxGKHOSNDF8MG0HYOrbg");
    assert_eq!(server["cofferdam"], env!("CARGO_PKG_VERSION"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_component_is_listed_and_removed() {
    let bench = Bench::start(Mode::Standalone).await;
    let answer = upload(&bench, "application/wasm", b"wasm a.One a.Two").await;
    assert_eq!(answer.status, 201);
    let artifact = answer.json();
    assert_eq!(
        artifact,
        json!({
            "digest": format!("{:064x}", 16),
            "origin": "upload",
            "size": 16,
            "compile_ms": 12,
            "plugins": [
                { "class": "a.One", "type": "sink", "version": "1.0" },
                { "class": "a.Two", "type": "sink", "version": "1.0" },
            ],
        })
    );
    assert_eq!(bench.call("GET", "/connector-plugins/artifacts", "").await.json(), json!([artifact]));
    assert_eq!(bench.call("DELETE", "/connector-plugins/a.Two", "").await.status, 204);
    assert_eq!(bench.call("GET", "/connector-plugins/artifacts", "").await.json(), json!([]));
    let again = bench.call("DELETE", "/connector-plugins/a.Two", "").await;
    assert_eq!((again.status, again.message()), (404, "Unknown plugin a.Two.".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_a_file_is_an_upload_too() {
    let bench = Bench::start(Mode::Standalone).await;
    let form = "--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
        --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wasm\"\r\n\
        Content-Type: application/wasm\r\n\r\nwasm a.One\r\n--x--\r\n";
    let answer = upload(&bench, "multipart/form-data; boundary=x", form.as_bytes()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["plugins"][0]["class"], "a.One");
    let empty = upload(&bench, "multipart/form-data; boundary=x", b"--x--\r\n").await;
    assert_eq!((empty.status, empty.message()), (400, "The form has no file.".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_uploads_are_refused_with_a_reason() {
    let bench = Bench::start(Mode::Standalone).await;
    let answer = upload(&bench, "application/wasm", b"hello").await;
    assert_eq!((answer.status, answer.message()), (400, "this is not WebAssembly".to_owned()));
    let answer = upload(&bench, "text/plain", b"hello").await;
    assert_eq!(answer.status, 415);
    assert!(answer.message().ends_with("not text/plain."));
    let large = vec![b'x'; UPLOAD_MAX.as_usize() + 1];
    let answer = upload(&bench, "application/wasm", &large).await;
    assert_eq!(
        (answer.status, answer.message()),
        (413, "The component is larger than the 64 KiB that this worker takes.".to_owned())
    );
    let mut form = b"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n".to_vec();
    form.extend(&large);
    form.extend(b"\r\n--x--\r\n");
    assert_eq!(upload(&bench, "multipart/form-data; boundary=x", &form).await.status, 413);
    assert_eq!(bench.call("GET", "/connector-plugins/artifacts", "").await.json(), json!([]));
}

/// More than the sockets between the two hold: the answer comes while the client still writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_read_by_who_is_still_sending() {
    let bench = Bench::start(Mode::Standalone).await;
    let large = vec![b'x'; 32 << 20];
    assert_eq!(upload(&bench, "application/wasm", &large).await.status, 413);
    assert_eq!(upload(&bench, "text/plain", &large).await.status, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_before_sending_is_refused_at_once() {
    let bench = Bench::start(Mode::Standalone).await;
    let length = UPLOAD_MAX.as_usize() + 1;
    let mut stream = tokio::net::TcpStream::connect(bench.address).await.unwrap();
    let request = format!(
        "POST /connector-plugins HTTP/1.1\r\nHost: x\r\nContent-Type: application/wasm\r\n\
        Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_use_stays() {
    let bench = Bench::start(Mode::Standalone).await;
    upload(&bench, "application/wasm", format!("wasm {SINK}").as_bytes()).await;
    let body = json!({ "name": "s", "config": { "connector.class": SINK, "topics": "t" } });
    assert_eq!(bench.call("POST", "/connectors", &body.to_string()).await.status, 201);
    let path = format!("/connector-plugins/{SINK}");
    let answer = bench.call("DELETE", &path, "").await;
    assert_eq!(answer.status, 409);
    assert_eq!(
        answer.message(),
        format!("Plugin {SINK} is in use by s; delete or change what uses it first.")
    );
    assert_eq!(bench.call("DELETE", "/connectors/s", "").await.status, 204);
    assert_eq!(bench.call("DELETE", &path, "").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_connectors_are_listed_in_one_answer() {
    const N: usize = 2_000;
    let bench = Bench::start(Mode::Standalone).await;
    for n in 0..N {
        let name = format!("c{n:05}");
        let config = [("connector.class", SINK), ("topics", "t")];
        let config =
            config.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).into_iter().collect();
        let stopped = Some(cofferdam_api::TargetState::Stopped);
        bench.herder.create_connector(&name.as_str().into(), config, stopped).await.unwrap();
    }
    let names = bench.call("GET", "/connectors", "").await.json();
    assert_eq!(names.as_array().unwrap().len(), N);
    assert_eq!(names[N - 1], format!("c{:05}", N - 1));
    let all = bench.call("GET", "/connectors?expand=status&expand=info", "").await.json();
    let all = all.as_object().unwrap();
    assert_eq!(all.len(), N);
    let is_whole = |entry: &serde_json::Value| {
        entry["status"]["connector"]["state"] == "STOPPED" && entry["info"]["config"]["topics"] == "t"
    };
    assert!(all.values().all(is_whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_decoded_once() {
    let bench = Bench::start(Mode::Standalone).await;
    for (name, encoded) in [("a/b", "a%2Fb"), ("p%20q", "p%2520q"), ("é ☃", "%C3%A9%20%E2%98%83")] {
        let config = json!({ "connector.class": SINK, "topics": "t" });
        let path = format!("/connectors/{encoded}");
        let answer = bench.call("PUT", &format!("{path}/config"), &config.to_string()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.header("location"), Some(format!("http://{}{path}", bench.address).as_str()));
        assert_eq!(bench.call("GET", &path, "").await.json()["name"], name);
        assert_eq!(bench.call("GET", &format!("{path}/"), "").await.json()["name"], name);
        assert_eq!(bench.call("DELETE", &path, "").await.status, 204);
    }
    let answer = bench.call("GET", "/connectors/%FF", "").await;
    assert_eq!(answer.status, 400);
    assert!(!answer.message().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn standalone_answers_when_the_tasks_are_made() {
    let bench = Bench::start(Mode::Standalone).await;
    let body = json!({ "name": "s", "config": { "connector.class": SINK, "topics": "t" } });
    let created = bench.call("POST", "/connectors", &body.to_string()).await.json();
    assert_eq!(created["tasks"], json!([{ "connector": "s", "task": 0 }]));
    assert_eq!(bench.call("DELETE", "/connectors/s", "").await.status, 204);
    let answer = bench.call("GET", "/connectors/s/status", "").await;
    assert_eq!((answer.status, answer.message()), (404, "No status found for connector s".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_plugin_is_listed_on_request() {
    let bench = Bench::start(Mode::Standalone).await;
    let types = |answer: common::Answer| {
        let list = answer.json();
        list.as_array()
            .unwrap()
            .iter()
            .map(|plugin| plugin["type"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let connectors = types(bench.call("GET", "/connector-plugins", "").await);
    assert_eq!(connectors, ["sink", "source"]);
    let all = types(bench.call("GET", "/connector-plugins?connectorsOnly=False", "").await);
    let mut expected = vec!["sink", "source", "transformation", "transformation", "predicate", "predicate"];
    // Each built-in converter is one of headers too, and one is of headers only.
    expected.extend(["converter"; 9]);
    expected.extend(["header_converter"; 10]);
    assert_eq!(all, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_text_whatever_is_accepted() {
    let bench = Bench::start(Mode::Standalone).await;
    let answer = bench
        .send(Call {
            method: "GET".to_owned(),
            path: "/metrics".to_owned(),
            headers: vec![("Accept".to_owned(), "text/plain".to_owned())],
            body: None,
        })
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some(cofferdam_telemetry::CONTENT_TYPE));
    assert!(answer.text.ends_with("# EOF\n"), "{}", answer.text);
}
