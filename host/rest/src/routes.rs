//! The table of paths. Every path also works with a trailing slash, answers OPTIONS, and HEAD where
//! it answers GET.

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use cofferdam_herder::Health;

use crate::error::{ApiError, json_errors};
use crate::refused::read_rest;
use crate::{App, KAFKA_CONNECT_VERSION, connectors, dto, plugins, upload};

/// Largest body of anything but an upload.
const BODY_MAX: usize = 4 << 20;

pub(crate) fn router(app: App) -> Router {
    let table = [
        ("/", "GET", get(root)),
        ("/health", "GET", get(health)),
        ("/metrics", "GET", get(metrics)),
        ("/connectors", "POST,GET", get(connectors::list).post(connectors::create)),
        ("/connectors/{c}", "DELETE,GET", get(connectors::get).delete(connectors::delete)),
        (
            "/connectors/{c}/config",
            "PATCH,PUT,GET",
            get(connectors::config).put(connectors::put_config).patch(connectors::patch_config),
        ),
        ("/connectors/{c}/status", "GET", get(connectors::status)),
        ("/connectors/{c}/tasks", "GET", get(connectors::tasks)),
        ("/connectors/{c}/tasks/{t}/status", "GET", get(connectors::task_status)),
        ("/connectors/{c}/tasks/{t}/restart", "POST", post(connectors::restart_task)),
        ("/connectors/{c}/restart", "POST", post(connectors::restart)),
        ("/connectors/{c}/pause", "PUT", put(connectors::pause)),
        ("/connectors/{c}/resume", "PUT", put(connectors::resume)),
        ("/connectors/{c}/stop", "PUT", put(connectors::stop)),
        ("/connectors/{c}/topics", "GET", get(connectors::topics)),
        ("/connectors/{c}/topics/reset", "PUT", put(connectors::reset_topics)),
        (
            "/connector-plugins",
            "POST,GET",
            get(plugins::list).post(upload::upload).layer(DefaultBodyLimit::disable()),
        ),
        ("/connector-plugins/artifacts", "GET", get(plugins::artifacts)),
        ("/connector-plugins/{p}", "DELETE", delete(plugins::remove)),
        ("/connector-plugins/{p}/config", "GET", get(plugins::config)),
        ("/connector-plugins/{p}/config/validate", "PUT", put(plugins::validate)),
    ];
    table
        .into_iter()
        .fold(Router::new(), |router, (path, verbs, handler)| route(router, path, verbs, handler))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(acceptable))
        .layer(middleware::from_fn(json_errors))
        .layer(middleware::from_fn(read_rest))
        .with_state(app)
}

fn route(router: Router<App>, path: &str, verbs: &str, handler: MethodRouter<App>) -> Router<App> {
    let head = if verbs.contains("GET") { "HEAD," } else { "" };
    let allow = format!("{head}{verbs},OPTIONS");
    let handler = handler.options(move || {
        let text = allow.replace(',', ", ");
        let headers = [(header::ALLOW, allow), (header::CONTENT_TYPE, "text/plain".to_owned())];
        async move { (headers, text) }
    });
    let router = router.route(path, handler.clone());
    if path == "/" { router } else { router.route(&format!("{path}/"), handler) }
}

async fn root(State(app): State<App>) -> Json<dto::Server> {
    Json(dto::Server {
        version: KAFKA_CONNECT_VERSION,
        commit: option_env!("COFFERDAM_COMMIT").unwrap_or("unknown"),
        kafka_cluster_id: app.herder.kafka_cluster_id(),
        cofferdam: env!("CARGO_PKG_VERSION"),
    })
}

async fn health(State(app): State<App>) -> Response {
    let health = app.herder.health().await;
    let (code, status) = match health {
        Health::Healthy => (StatusCode::OK, "healthy"),
        Health::Unhealthy => (StatusCode::INTERNAL_SERVER_ERROR, "unhealthy"),
    };
    (code, Json(dto::Health { status, message: health.message() })).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, cofferdam_telemetry::CONTENT_TYPE)], app.metrics.render()).into_response()
}

/// Answers are JSON; who takes nothing of the kind is told so. Metrics are text.
async fn acceptable(request: Request, next: Next) -> Response {
    let is_metrics = request.uri().path().trim_end_matches('/') == "/metrics";
    if is_metrics || accepts_json(request.headers()) {
        next.run(request).await
    } else {
        ApiError::plain(StatusCode::NOT_ACCEPTABLE).into_response()
    }
}

fn accepts_json(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::ACCEPT) {
        return true;
    }
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        ["*/*", "application/*", "application/json"].iter().any(|ours| ours.eq_ignore_ascii_case(kind))
    })
}
