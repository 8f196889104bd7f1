//! A worker as its REST API answers: the client of the `plugin` and `connector` commands.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use ureq::http::{Method, Uri};

/// Longer than the 90 s that a worker takes for a request at most.
const TIMEOUT: Duration = Duration::from_secs(100);

/// A worker at a URL.
pub(crate) struct Client {
    url: String,
    agent: ureq::Agent,
}

/// What is sent along.
pub(crate) enum Body<'a> {
    None,
    Json(&'a Value),
    Wasm(&'a [u8]),
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// As it came.
    pub(crate) text: String,
    /// The same as JSON; null where it is none.
    pub(crate) json: Value,
}

impl Client {
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let is_http =
            |uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        if !url.parse().as_ref().is_ok_and(is_http) {
            bail!("{url:?} is no address of a worker, such as http://127.0.0.1:8083");
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { url: url.trim_end_matches('/').to_owned(), agent: config.into() })
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, &Body::None)
    }

    /// Asks, and makes an error of every answer but success.
    pub(crate) fn call(&self, method: Method, path: &str, body: &Body<'_>) -> anyhow::Result<Answer> {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let result = match body {
            Body::None => self.agent.run(request.body(())?),
            Body::Json(json) => {
                self.agent.run(request.header("Content-Type", "application/json").body(json.to_string())?)
            }
            Body::Wasm(bytes) => {
                self.agent.run(request.header("Content-Type", "application/wasm").body(*bytes)?)
            }
        };
        let mut response = result.map_err(|error| self.unreachable(error))?;
        let text = response.body_mut().read_to_string().context("the worker's answer broke off")?;
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        if response.status().is_success() {
            return Ok(Answer { text, json });
        }
        match json.get("message").and_then(Value::as_str) {
            Some(message) => bail!("{message}"),
            None => bail!("the worker at {} answered {}", self.url, response.status()),
        }
    }

    fn unreachable(&self, error: ureq::Error) -> anyhow::Error {
        let url = &self.url;
        match error {
            ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => {
                anyhow!(error).context(format!(
                    "no worker answers at {url}; start one with `cofferdam dev`, or say where it is with --url or COFFERDAM_URL"
                ))
            }
            error => anyhow!(error).context(format!("asking the worker at {url}")),
        }
    }
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn names_are_one_segment() {
        assert_eq!(segment("a-b.C_1~"), "a-b.C_1~");
        assert_eq!(segment("a/b ö"), "a%2Fb%20%C3%B6");
    }

    #[test]
    fn a_worker_that_does_not_run_is_named_with_the_way_out() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::new(&format!("http://127.0.0.1:{port}/")).unwrap();
        let text = format!("{:#}", client.get("/connectors").unwrap_err());
        assert!(
            text.starts_with(&format!("no worker answers at http://127.0.0.1:{port}; start one")),
            "{text}"
        );
        for url in ["nonsense", "localhost:8083", "ftp://a", "http://x:y:z", "http://"] {
            let error = Client::new(url).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains("is no address of a worker"), "{url}: {error:#}");
        }
    }
}
