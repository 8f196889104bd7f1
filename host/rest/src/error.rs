//! Errors as clients see them: a status code and a JSON object, whatever went wrong and wherever.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cofferdam_api::{Class, Classified as _, chain};

use crate::artifacts::ArtifactError;
use crate::dto;

/// Longest text of a rejection by the HTTP library that is shown.
const REJECTION_MAX: usize = 4096;

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Jersey's words for a status without any others.
    pub(crate) fn plain(status: StatusCode) -> Self {
        Self::new(
            status,
            format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()),
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = dto::Error { error_code: self.status.as_u16(), message: self.message };
        (self.status, axum::Json(body)).into_response()
    }
}

impl From<cofferdam_herder::Error> for ApiError {
    fn from(error: cofferdam_herder::Error) -> Self {
        let message = chain(&error);
        if status(error.class()).is_server_error() {
            tracing::warn!(error = message, "request failed");
        }
        Self::new(status(error.class()), message)
    }
}

impl From<ArtifactError> for ApiError {
    fn from(error: ArtifactError) -> Self {
        Self::new(status(error.class), error.message)
    }
}

/// 409 means «come back later» or «taken» and nothing else: clients try again on exactly this code.
const fn status(class: Class) -> StatusCode {
    match class {
        Class::Config | Class::Data => StatusCode::BAD_REQUEST,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Exists | Class::Rebalancing => StatusCode::CONFLICT,
        Class::Retriable | Class::Fatal | Class::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Gives the router's own refusals (no such path, method, encoding) a JSON body too.
pub(crate) async fn json_errors(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    tracing::debug!(%method, path, status = response.status().as_u16(), "request");
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !(status.is_client_error() || status.is_server_error()) || is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, REJECTION_MAX).await.unwrap_or_default();
    let mut error = ApiError::plain(status);
    if let Ok(text) = std::str::from_utf8(&text)
        && !text.is_empty()
    {
        text.clone_into(&mut error.message);
    }
    let body = serde_json::to_vec(&dto::Error { error_code: status.as_u16(), message: error.message });
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(body.unwrap_or_default()))
}
