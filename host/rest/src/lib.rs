//! The REST API: the only crate that sees axum.
