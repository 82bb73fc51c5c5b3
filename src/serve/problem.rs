//! Problems: what goes wrong, told as `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde_json::json;

pub const CONTENT: &str = "application/problem+json";

pub fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    let body = Body::from(format!("{body}\n"));
    (status, [(CONTENT_TYPE, CONTENT)], body).into_response()
}

/// The request cannot be understood.
pub fn bad_request(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, detail)
}

/// Not now; it may do in so many seconds.
pub fn later(seconds: u32, detail: &str) -> Response {
    let refusal = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    ([(RETRY_AFTER, seconds.to_string())], refusal).into_response()
}
