//! HTTP as a client: one request, and what its answer means for who sends it.

use crate::time::{EventTime, Span};
use jiff::fmt::rfc2822;
use std::time::Duration;
use ureq::http::StatusCode;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Error};

/// The longest that a server may take for its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of an answer is read, to tell what is wrong.
const SAID_BYTES: u64 = 4096;
/// How much of it is told, in characters.
const SAID_CHARS: usize = 200;

/// A client that keeps its connections.
#[derive(Clone, Debug)]
pub struct Client(Agent);

/// A `POST`.
#[derive(Clone)]
pub struct Request {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted {
        /// In words.
        said: String,
    },
    /// It would be refused again.
    Refused { why: String },
    /// It may be accepted later, once the time has passed that the server asks for.
    Failed { why: String, asked: Option<Span> },
}

impl Client {
    pub fn new() -> Client {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("callpulse/", env!("CARGO_PKG_VERSION")))
            .build();
        Client(config.new_agent())
    }

    /// Posts it once. `now` is by the clock. No answer names the address, of which parts may be secret.
    pub fn post(&self, request: &Request, now: EventTime) -> Answer {
        let mut post = self.0.post(&request.url).content_type("application/json");
        for (name, value) in &request.headers {
            post = post.header(*name, value);
        }
        let mut response = match post.send(&request.body) {
            Ok(response) => response,
            Err(error) => return Answer::Failed { why: without_answer(&error), asked: None },
        };
        let status = response.status();
        let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|text| retry_after(text, now));
        let said = response.body_mut().with_config().limit(SAID_BYTES).read_to_string().unwrap_or_default();
        judge(status, &said, asked)
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

fn judge(status: StatusCode, said: &str, asked: Option<Span>) -> Answer {
    let said = on_one_line(said);
    let said = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    match status.as_u16() {
        200..=299 => Answer::Accepted { said },
        300..=399 => Answer::Refused { why: format!("{said}; write the address that it leads to") },
        408 | 425 | 429 | 500.. => Answer::Failed { why: said, asked },
        _ => Answer::Refused { why: said },
    }
}

/// What a server said, as a line of a log holds it.
pub fn on_one_line(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID_CHARS).collect()
}

/// Why there was no answer.
fn without_answer(error: &Error) -> String {
    match error {
        Error::Timeout(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        Error::HostNotFound => "no such host".to_owned(),
        Error::BadUri(_) => "the address cannot be used".to_owned(),
        other => other.to_string(),
    }
}

/// Seconds, or a date.
fn retry_after(text: &str, now: EventTime) -> Option<Span> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Span::from_secs(i64::from(seconds)));
    }
    let at = rfc2822::parse(text).ok()?;
    Some(Span(EventTime(at.timestamp().as_millisecond()).since(now).0.max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_to_come_again() {
        let of = |status| judge(StatusCode::from_u16(status).unwrap(), "  no \n way ", Some(Span(7)));
        assert_eq!(of(202), Answer::Accepted { said: "HTTP 202 Accepted: no way".into() });
        for status in [400, 401, 404, 410, 413] {
            assert!(matches!(of(status), Answer::Refused { .. }), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(of(status), Answer::Failed { asked: Some(Span(7)), .. }), "{status}");
        }
        assert!(matches!(of(302), Answer::Refused { why } if why.contains("leads to")));
    }

    #[test]
    fn a_server_asks_for_time_in_seconds_or_by_a_date() {
        let now = EventTime::parse("2026-03-02T08:15:00Z").unwrap();
        assert_eq!(retry_after(" 120 ", now), Some(Span::from_secs(120)));
        assert_eq!(retry_after("Mon, 02 Mar 2026 08:15:30 GMT", now), Some(Span::from_secs(30)));
        assert_eq!(retry_after("Mon, 02 Mar 2026 08:14:00 GMT", now), Some(Span(0)));
        assert_eq!(retry_after("soon", now), None);
    }
}
