//! Refusals that the client gets to read.
//!
//! A request may be refused before its body is read. Were the connection closed then, what still arrives would make
//! the kernel reset it, and the client would see a broken connection in place of the answer (RFC 9112, 9.6). So the
//! rest of the body is read and dropped first.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

/// Longest that is read on for a client that was refused.
const LINGER: Duration = Duration::from_secs(10);

/// Answers a refusal once the client has sent all of its body, or has had [`LINGER`] to do so.
pub(crate) async fn read_rest(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let asks_first = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let mut rest = Rest(Arc::new(Mutex::new(Progress { body: body.into_data_stream(), begun: false })));
    let request = Request::from_parts(parts, Body::from_stream(rest.clone()));
    let response = next.run(request).await;
    // Who asks first (`Expect: 100-continue`) and was not told to go on sends nothing.
    let is_coming = !asks_first || rest.begun();
    if response.status().is_client_error() && is_coming {
        let read = async { while let Some(Ok(_)) = rest.next().await {} };
        _ = tokio::time::timeout(LINGER, read).await;
    }
    response
}

/// A body that is read by a handler and, from where that stops, by us.
#[derive(Clone)]
struct Rest(Arc<Mutex<Progress>>);

struct Progress {
    body: BodyDataStream,
    begun: bool,
}

impl Rest {
    fn begun(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).begun
    }
}

impl Stream for Rest {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.begun = true;
        progress.body.poll_next_unpin(context)
    }
}
