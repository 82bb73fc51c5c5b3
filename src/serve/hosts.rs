//! Hosts: by which names the server may be asked.
//!
//! Without a token whoever reaches the port reads everything, so the port is for this machine alone. A page of another
//! site reaches it through a browser on this machine by having its own name lead here (DNS rebinding), and is then of
//! the same origin. Such requests bear the name of that site.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use std::net::IpAddr;

/// The names that are taken.
#[derive(Clone, Debug)]
pub enum Hosts {
    /// Whatever name: who asks bears a token.
    Any,
    /// Those of this machine, and these.
    OfThisMachine(Vec<String>),
}

impl Hosts {
    /// The name that a request asks by, if it is not taken. Requests without one are of HTTP/1.0 and of no browser.
    pub fn refused(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let Hosts::OfThisMachine(also) = self else { return None };
        let header = || headers.get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        // A target that says who is asked stands before the header (RFC 9112, 3.2.2).
        let asked = uri.authority().map(Authority::to_string).or_else(header)?;
        let is_taken = asked.parse::<Authority>().is_ok_and(|authority| {
            let name = authority.host().trim_end_matches('.');
            is_of_this_machine(name) || also.iter().any(|also| also.trim_end_matches('.').eq_ignore_ascii_case(name))
        });
        (!is_taken).then_some(asked)
    }
}

/// Whether a name leads to this machine on every machine: `localhost` and what is below it (RFC 6761), and addresses of
/// the loopback interface.
fn is_of_this_machine(name: &str) -> bool {
    let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || address.is_some_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[track_caller]
    fn check(host: &str, is_taken: bool) {
        let hosts = Hosts::OfThisMachine(vec!["wall.example.com".to_owned()]);
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_str(host).expect("a value"))]);
        let path = Uri::from_static("/metrics");
        assert_eq!(hosts.refused(&path, &headers), (!is_taken).then(|| host.to_owned()), "{host}");
        assert_eq!(Hosts::Any.refused(&path, &headers), None);
        if let Ok(target) = format!("http://{host}/metrics").parse() {
            let refused = hosts.refused(&target, &HeaderMap::new());
            assert_eq!(refused.is_none(), is_taken, "http://{host}/");
        }
    }

    #[test]
    fn names_of_this_machine_are_taken_and_those_of_the_settings() {
        for host in
            ["localhost", "LocalHost:8080", "localhost.:8080", "callpulse.localhost", "127.0.0.1:8080", "127.8.9.1"]
        {
            check(host, true);
        }
        for host in ["[::1]:8080", "[::ffff:127.0.0.1]", "wall.example.com", "Wall.Example.com.:80"] {
            check(host, true);
        }
    }

    #[test]
    fn names_of_others_are_not() {
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example"]
        {
            check(host, false);
        }
        for host in
            ["", "10.0.0.1", "0.0.0.0:8080", "[fe80::1]:8080", "a.wall.example.com", "wall.example.com, localhost"]
        {
            check(host, false);
        }
    }

    #[test]
    fn a_request_without_a_name_is_of_no_browser() {
        let hosts = Hosts::OfThisMachine(Vec::new());
        assert_eq!(hosts.refused(&Uri::from_static("/metrics"), &HeaderMap::new()), None);
    }
}
