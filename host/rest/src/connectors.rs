//! `/connectors`: what there is, what it is meant to be, how it fares.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cofferdam_api::{ConnectorName, TargetState, TaskId};
use cofferdam_herder::{RestartRequest, Restarted};
use indexmap::IndexMap;

use crate::body::{CreateRequest, JsonBody, config_map, flag};
use crate::error::{ApiError, ApiResult};
use crate::{App, dto};

/// Query parameters; some may come several times.
pub(crate) type Flags = Query<Vec<(String, String)>>;

pub(crate) async fn list(State(app): State<App>, Query(query): Flags) -> Response {
    let names = app.herder.connectors();
    if !query.iter().any(|(key, _)| key == "expand") {
        return Json(names.iter().map(ToString::to_string).collect::<Vec<_>>()).into_response();
    }
    let wanted = |what: &str| query.iter().any(|(key, value)| key == "expand" && value == what);
    let (status, info) = (wanted("status"), wanted("info"));
    let mut expanded = IndexMap::new();
    for name in names {
        let mut entry = dto::Expanded::default();
        // Connectors that vanish while they are looked at, or are too new for a status, are left out.
        if status {
            let Ok(status) = app.herder.connector_status(&name) else { continue };
            entry.status = Some(status.into());
        }
        if info {
            let Ok(info) = app.herder.connector(&name) else { continue };
            entry.info = Some(info.into());
        }
        expanded.insert(name.to_string(), entry);
    }
    Json(expanded).into_response()
}

pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> ApiResult<Response> {
    let request = CreateRequest::parse(body)?;
    let info = app.herder.create_connector(&request.name, request.config, request.initial_state).await?;
    Ok(created(&headers, info))
}

pub(crate) async fn get(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Json<dto::Connector>> {
    Ok(Json(app.herder.connector(&name.into())?.into()))
}

pub(crate) async fn delete(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.herder.delete_connector(&name.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn config(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Response> {
    Ok(Json(app.herder.connector(&name.into())?.config).into_response())
}

pub(crate) async fn put_config(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> ApiResult<Response> {
    let put = app.herder.put_connector_config(&name.into(), config_map(body)?).await?;
    Ok(if put.created {
        created(&headers, put.info)
    } else {
        Json(dto::Connector::from(put.info)).into_response()
    })
}

pub(crate) async fn patch_config(
    State(app): State<App>,
    Path(name): Path<String>,
    JsonBody(body): JsonBody,
) -> ApiResult<Json<dto::Connector>> {
    let info = app.herder.patch_connector_config(&name.into(), config_map(body)?).await?;
    Ok(Json(info.into()))
}

pub(crate) async fn status(
    State(app): State<App>,
    Path(name): Path<String>,
) -> ApiResult<Json<dto::ConnectorState>> {
    Ok(Json(app.herder.connector_status(&name.into())?.into()))
}

pub(crate) async fn tasks(
    State(app): State<App>,
    Path(name): Path<String>,
) -> ApiResult<Json<Vec<dto::Task>>> {
    let tasks = app.herder.tasks(&name.into())?;
    Ok(Json(tasks.into_iter().map(dto::Task::from).collect()))
}

pub(crate) async fn task_status(
    State(app): State<App>,
    Path((name, task)): Path<(String, String)>,
) -> ApiResult<Json<dto::TaskState>> {
    let id = task_id(&name, &task)?;
    Ok(Json(dto::TaskState::new(id.task, app.herder.task_status(&id)?)))
}

pub(crate) async fn restart_task(
    State(app): State<App>,
    Path((name, task)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    app.herder.restart_task(&task_id(&name, &task)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn restart(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Flags,
) -> ApiResult<Response> {
    let request = RestartRequest {
        include_tasks: flag(&query, "includeTasks"),
        only_failed: flag(&query, "onlyFailed"),
    };
    Ok(match app.herder.restart_connector(&name.into(), request).await? {
        Restarted::Done => StatusCode::NO_CONTENT.into_response(),
        Restarted::Planned(status) => {
            (StatusCode::ACCEPTED, Json(dto::ConnectorState::from(status))).into_response()
        }
    })
}

pub(crate) async fn pause(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.herder.set_target_state(&name.into(), TargetState::Paused).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn resume(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.herder.set_target_state(&name.into(), TargetState::Started).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn stop(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.herder.set_target_state(&name.into(), TargetState::Stopped).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Kafka Connect answers this for unknown connectors too.
pub(crate) async fn topics(State(app): State<App>, Path(name): Path<String>) -> Json<dto::TopicsOf> {
    let topics = app.herder.topics(&name.as_str().into()).into_iter().collect();
    Json(dto::TopicsOf::from_iter([(name, dto::Topics { topics })]))
}

pub(crate) async fn reset_topics(State(app): State<App>, Path(name): Path<String>) -> ApiResult<StatusCode> {
    app.herder.reset_topics(&name.into()).await?;
    Ok(StatusCode::ACCEPTED)
}

fn task_id(connector: &str, task: &str) -> ApiResult<TaskId> {
    let task = task.parse().map_err(|_| ApiError::plain(StatusCode::NOT_FOUND))?;
    Ok(TaskId { connector: ConnectorName::from(connector), task })
}

/// 201 with the address of what was created, under the name by which the client reached us.
fn created(headers: &HeaderMap, info: cofferdam_herder::ConnectorInfo) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let location = format!("http://{host}/connectors/{}", percent_encoded(info.name.as_str()));
    let mut response = (StatusCode::CREATED, Json(dto::Connector::from(info))).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A segment of a path; a slash in it is encoded, so that the address works.
fn percent_encoded(name: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
