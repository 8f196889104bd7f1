//! Reading requests: JSON bodies as Kafka Connect's clients send them, and query flags.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use cofferdam_api::{ConnectorName, TargetState};
use cofferdam_herder::GivenConfig;
use serde_json::Value;

use crate::error::{ApiError, ApiResult};

/// A body that has to be JSON.
pub(crate) struct JsonBody(pub(crate) Value);

/// The body of a request that creates a connector.
pub(crate) struct CreateRequest {
    pub(crate) name: ConnectorName,
    pub(crate) config: GivenConfig,
    pub(crate) initial_state: Option<TargetState>,
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        if !content_type(request.headers()).is_none_or(|kind| kind.eq_ignore_ascii_case("application/json")) {
            return Err(ApiError::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::bad_request("The request has no body; a JSON object is expected."));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| ApiError::bad_request(format!("The body is not JSON: {error}")))
    }
}

/// The media type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(value.split(';').next().unwrap_or_default().trim())
}

impl CreateRequest {
    /// # Errors
    /// When the body is not such a request. As in Kafka Connect a field of another name is an error.
    pub(crate) fn parse(body: Value) -> ApiResult<Self> {
        let Value::Object(fields) = body else { return Err(not_an_object(&body)) };
        let mut name = String::new();
        let mut config = None;
        let mut initial_state = None;
        for (field, value) in fields {
            match field.as_str() {
                "name" => name = scalar("name", value)?.unwrap_or_default(),
                "config" if value.is_null() => {}
                "config" => config = Some(config_map(value)?),
                "initial_state" => {
                    initial_state = scalar("initial_state", value)?.map(|s| state(&s)).transpose()?
                }
                other => {
                    return Err(ApiError::bad_request(format!(
                        "Unrecognized field \"{other}\" (3 known properties: \"config\", \"name\", \"initial_state\")"
                    )));
                }
            }
        }
        let config = config.ok_or_else(|| ApiError::bad_request("The request has no \"config\"."))?;
        Ok(Self { name: name.trim().into(), config, initial_state })
    }
}

/// A configuration: scalars become text, null stays null.
///
/// # Errors
/// When it is no object of scalars.
pub(crate) fn config_map(value: Value) -> ApiResult<GivenConfig> {
    let Value::Object(fields) = value else { return Err(not_an_object(&value)) };
    fields.into_iter().map(|(key, value)| Ok((key.clone(), scalar(&key, value)?))).collect()
}

/// A query flag: `true` in any case, everything else is false.
pub(crate) fn flag(query: &[(String, String)], name: &str) -> bool {
    query.iter().any(|(key, value)| key == name && value.eq_ignore_ascii_case("true"))
}

fn scalar(key: &str, value: Value) -> ApiResult<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => Err(ApiError::bad_request(format!(
            "The value of \"{key}\" has to be a string, a number or a boolean, not {}.",
            kind(&value)
        ))),
    }
}

fn state(text: &str) -> ApiResult<TargetState> {
    match text.to_ascii_uppercase().as_str() {
        "RUNNING" => Ok(TargetState::Started),
        "PAUSED" => Ok(TargetState::Paused),
        "STOPPED" => Ok(TargetState::Stopped),
        _ => Err(ApiError::bad_request(format!(
            "The value of \"initial_state\" has to be RUNNING, PAUSED or STOPPED, not {text}."
        ))),
    }
}

fn not_an_object(value: &Value) -> ApiError {
    ApiError::bad_request(format!("A JSON object is expected, not {}.", kind(value)))
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
