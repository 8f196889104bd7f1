//! Uploading a component: the bytes themselves, or a form with one file. Read piece by piece up to the
//! bound, so that a larger body is refused before it is in memory.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use cofferdam_stdx::ByteCount;
use futures_util::StreamExt as _;

use crate::body::content_type;
use crate::error::{ApiError, ApiResult};
use crate::{App, dto};

pub(crate) async fn upload(
    State(app): State<App>,
    request: Request,
) -> ApiResult<(StatusCode, Json<dto::ArtifactInfo>)> {
    let bytes = match content_type(request.headers()).map(str::to_ascii_lowercase).as_deref() {
        Some("application/wasm" | "application/octet-stream") => {
            check_length(request.headers(), app.upload_max)?;
            read_body(request.into_body(), app.upload_max).await?
        }
        Some("multipart/form-data") => read_form(request, &app).await?,
        other => {
            let given = other.map_or_else(String::new, |other| format!(", not {other}"));
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("A component is uploaded as application/wasm or multipart/form-data{given}."),
            ));
        }
    };
    let artifact = app.artifacts.install(bytes).await?;
    tracing::info!(digest = artifact.digest, bytes = artifact.size, "component uploaded");
    Ok((StatusCode::CREATED, Json(artifact.into())))
}

/// Refuses what says itself that it is too large, before a byte of it is read.
fn check_length(headers: &HeaderMap, max: ByteCount) -> ApiResult<()> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > max.0) { Err(too_large(max)) } else { Ok(()) }
}

async fn read_body(body: Body, max: ByteCount) -> ApiResult<Bytes> {
    let mut stream = body.into_data_stream();
    let mut bytes = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| ApiError::bad_request(format!("The upload broke off: {error}")))?;
        append(&mut bytes, &piece, max)?;
    }
    Ok(bytes.freeze())
}

async fn read_form(request: Request, app: &App) -> ApiResult<Bytes> {
    let bad = |text: String| ApiError::bad_request(format!("The form cannot be read: {text}"));
    let mut form = Multipart::from_request(request, app).await.map_err(|error| bad(error.body_text()))?;
    let mut bytes = BytesMut::new();
    while let Some(mut field) = form.next_field().await.map_err(|error| bad(error.body_text()))? {
        // Other fields of a form are of no interest here.
        if field.file_name().is_none() {
            continue;
        }
        while let Some(piece) = field.chunk().await.map_err(|error| bad(error.body_text()))? {
            append(&mut bytes, &piece, app.upload_max)?;
        }
        return Ok(bytes.freeze());
    }
    Err(ApiError::bad_request("The form has no file."))
}

fn append(bytes: &mut BytesMut, piece: &[u8], max: ByteCount) -> ApiResult<()> {
    if bytes.len() + piece.len() > max.as_usize() {
        return Err(too_large(max));
    }
    bytes.extend_from_slice(piece);
    Ok(())
}

fn too_large(max: ByteCount) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("The component is larger than the {max} that this worker takes."),
    )
}
