//! The wallboard: one page for people, embedded as it was built from `web/`.
//!
//! Script and style stand in the page itself, which names their hashes in its own policy. The header
//! sent with it is that policy, and that nobody may frame it: the browser runs nothing else and asks
//! no other host.

use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{Html, IntoResponse, Response};
use std::sync::LazyLock;

/// The page. `npm run build` in `web/` writes it, and a test that it is what the sources make.
pub const PAGE: &str = include_str!("../../web/dist/wallboard.html");

/// What a browser may do on the page.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    let named = PAGE.split_once("http-equiv=\"Content-Security-Policy\" content=\"");
    let policy = named.and_then(|(_, rest)| rest.split_once('"')).map(|(policy, _)| policy);
    format!("{}; frame-ancestors 'none'", policy.expect("the built page names its policy"))
});

/// Answers with the page.
pub async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY.as_str()), (REFERRER_POLICY, "no-referrer")], Html(PAGE)).into_response()
}
