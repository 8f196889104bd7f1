//! `/connector-plugins`: what is installed, its keys, and whether a configuration is right.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cofferdam_herder::is_connector;

use crate::body::{JsonBody, config_map, flag};
use crate::connectors::Flags;
use crate::error::{ApiError, ApiResult};
use crate::{App, dto};

pub(crate) async fn list(State(app): State<App>, Query(query): Flags) -> Json<Vec<dto::PluginInfo>> {
    let only_connectors =
        !query.iter().any(|(key, _)| key == "connectorsOnly") || flag(&query, "connectorsOnly");
    let plugins = app.herder.plugins().into_iter();
    let shown = plugins.filter(|plugin| !only_connectors || is_connector(plugin.kind));
    Json(shown.map(dto::PluginInfo::from).collect())
}

pub(crate) async fn config(
    State(app): State<App>,
    Path(plugin): Path<String>,
    Query(query): Flags,
) -> ApiResult<Json<Vec<dto::Definition>>> {
    let version = query.iter().find(|(key, _)| key == "version").map(|(_, version)| version.as_str());
    let keys = app.herder.plugin_config(&plugin, version)?;
    Ok(Json(keys.into_iter().map(dto::Definition::from).collect()))
}

pub(crate) async fn validate(
    State(app): State<App>,
    Path(plugin): Path<String>,
    JsonBody(body): JsonBody,
) -> ApiResult<Json<dto::Validated>> {
    Ok(Json(app.herder.validate(&plugin, config_map(body)?).await?.into()))
}

pub(crate) async fn artifacts(State(app): State<App>) -> Json<Vec<dto::ArtifactInfo>> {
    Json(app.artifacts.artifacts().into_iter().map(dto::ArtifactInfo::from).collect())
}

/// Removes an uploaded artifact that no connector uses.
pub(crate) async fn remove(State(app): State<App>, Path(name): Path<String>) -> ApiResult<Response> {
    let artifact = app.artifacts.find(&name);
    let artifact =
        artifact.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, format!("Unknown plugin {name}.")))?;
    let classes: Vec<_> = artifact.plugins.iter().map(|plugin| plugin.class.clone()).collect();
    let users = app.herder.connectors_using(&classes);
    if !users.is_empty() && artifact.origin == cofferdam_plugins::Origin::Upload {
        let users: Vec<_> = users.iter().map(ToString::to_string).collect();
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            format!("Plugin {name} is in use by {}; delete or change what uses it first.", users.join(", ")),
        ));
    }
    app.artifacts.remove(&artifact.digest).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
