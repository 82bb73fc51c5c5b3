//! Targets of notifications: what the tables of `[[notify]]` mean, and what no key alone can say.

use super::fault::{Faults, item_of, key_of};
use super::nearest::{hint, listed};
use super::view::View;
use crate::alert::rule::{Severity, built_in_names, matches};
use crate::notify::target::{
    Alertmanager, Chat, Grouping, Hears, Login, Mail, MailServer, Security, Target, To, Webhook,
};
use crate::notify::{mail, webhook};
use crate::time::Span;
use std::net::IpAddr;
use toml::Value;

/// What may be on the other side.
pub const KINDS: [&str; 5] = ["alertmanager", "webhook", "slack", "teams", "email"];

/// The keys that not every kind has, with those that have them.
const OF_KIND: [(&str, &[&str]); 12] = [
    ("urls", &["alertmanager"]),
    ("resend_every", &["alertmanager"]),
    ("token", &["alertmanager", "webhook"]),
    ("secret", &["webhook"]),
    ("url", &["webhook", "slack", "teams", "email"]),
    ("starttls", &["email"]),
    ("username", &["email"]),
    ("password", &["email"]),
    ("from", &["email"]),
    ("to", &["email"]),
    ("group_wait", &["webhook", "slack", "teams", "email"]),
    ("at_most", &["webhook", "slack", "teams", "email"]),
];
/// Those that people read, who are not told what is there to be seen only.
const OF_PEOPLE: [&str; 3] = ["slack", "teams", "email"];

const GIVE_UP_AFTER: Span = Span::from_hours(24);
const RESEND_EVERY: Span = Span::from_secs(60);
const GROUP_WAIT: Span = Span::from_secs(5);
const AT_MOST: usize = 3;
/// Where mail servers take mail from programs: with TLS from the start, and else.
const SMTPS_PORT: u16 = 465;
const SMTP_PORT: u16 = 587;

/// The targets of `[[notify]]`; one with a fault is left out. `rules` are those of `[[alerts]]` as written.
pub fn targets(list: View, rules: View, faults: &mut Faults) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, table) in list.items() {
        let (place, name) = (item_of("notify", index), table.get("name").text());
        if let Some(earlier) = names.iter().position(|other| *other == name && !name.is_empty()) {
            let earlier = item_of("notify", earlier);
            let sentence = format!("`{name}` is the name of `{earlier}` already; each target needs its own");
            faults.add(key_of(&place, "name"), sentence);
        }
        targets.extend(target(table, &name, &place, rules, faults));
        names.push(name);
    }
    targets
}

fn target(table: View, name: &str, place: &str, rules: View, faults: &mut Faults) -> Option<Target> {
    let kind = table.get("kind").text();
    if !KINDS.contains(&kind.as_str()) {
        return None;
    }
    for (key, kinds) in OF_KIND.iter().filter(|(key, _)| !table.get(key).is_absent()) {
        if !kinds.contains(&kind.as_str()) {
            let sentence = format!("is nothing that kind `{kind}` has, only {}; remove it", listed(kinds));
            faults.add(key_of(place, key), sentence);
        }
    }
    let hears = hears(table, place, rules, faults);
    let to = match kind.as_str() {
        "alertmanager" => To::Alertmanager(alertmanager(table, place, faults)?),
        "webhook" => To::Webhook(webhook(table, place, faults)?),
        "slack" => To::Slack(Chat { url: url(table, place, faults)?, grouping: grouping(table) }),
        "email" => To::Email(mail(table, place, faults)?),
        _ => To::Teams(Chat { url: url(table, place, faults)?, grouping: grouping(table) }),
    };
    let give_up_after = table.get("give_up_after").duration().unwrap_or(GIVE_UP_AFTER);
    Some(Target { name: name.to_owned(), hears, to, give_up_after })
}

fn hears(table: View, place: &str, rules: View, faults: &mut Faults) -> Hears {
    for key in ["severities", "rules", "tenants"] {
        if table.get(key).is_empty_list() {
            faults.add(key_of(place, key), "is empty, so that nothing is told; list some, or remove it");
        }
    }
    let written: Vec<String> = rules.items().map(|(_, rule)| rule.get("name").text()).collect();
    let names: Vec<&str> = written.iter().map(String::as_str).chain(built_in_names()).collect();
    for (index, pattern) in table.get("rules").items() {
        let pattern = pattern.text();
        if !names.iter().any(|name| matches(&pattern, name)) {
            let sentence = format!("there is no rule `{pattern}`; {}", hint(&pattern, &names));
            faults.add(item_of(&key_of(place, "rules"), index), sentence);
        }
    }
    let patterns = |key: &str| match table.get(key).is_absent() {
        true => vec!["*".to_owned()],
        false => table.get(key).items().map(|(_, pattern)| pattern.text()).collect(),
    };
    let is_of_people = OF_PEOPLE.contains(&table.get("kind").text().as_str());
    let severities = match table.get("severities").is_absent() {
        true if is_of_people => vec![Severity::Warning, Severity::Critical],
        true => Severity::ALL.to_vec(),
        false => table.get("severities").items().filter_map(|(_, word)| Severity::from_word(&word.text())).collect(),
    };
    Hears { severities, rules: patterns("rules"), tenants: patterns("tenants") }
}

fn alertmanager(table: View, place: &str, faults: &mut Faults) -> Option<Alertmanager> {
    let at = key_of(place, "urls");
    if table.get("urls").is_absent() {
        faults.add(&at, "is missing; list addresses such as \"http://localhost:9093\"");
        return None;
    }
    if table.get("urls").is_empty_list() {
        faults.add(&at, "is empty; list addresses such as \"http://localhost:9093\"");
    }
    let mut urls = Vec::new();
    for (index, url) in table.get("urls").items() {
        let url = url.text();
        if let Err(sentence) = web_address(&url) {
            faults.add(item_of(&at, index), sentence);
        }
        if url.trim_end_matches('/').ends_with("/api/v2/alerts") {
            faults.add(item_of(&at, index), "names the page itself; leave out /api/v2/alerts, which is added");
        }
        urls.push(url);
    }
    let resend_every = table.get("resend_every").duration().unwrap_or(RESEND_EVERY);
    Some(Alertmanager { urls, token: table.get("token").some_text(), resend_every })
}

fn webhook(table: View, place: &str, faults: &mut Faults) -> Option<Webhook> {
    let secret = table.get("secret").some_text().map(|text| webhook::secret(&text));
    if let Some(None) = secret {
        let sentence = "is no secret of a webhook; write whsec_ and 24 to 64 bytes in base64, such as of `openssl rand -base64 32`";
        faults.add(key_of(place, "secret"), sentence);
    }
    let (token, secret) = (table.get("token").some_text(), secret.flatten());
    Some(Webhook { url: url(table, place, faults)?, token, secret, grouping: grouping(table) })
}

fn mail(table: View, place: &str, faults: &mut Faults) -> Option<Mail> {
    let no_mailbox = "is no mailbox; write such as \"Desk <desk@example.com>\"";
    let from = table.get("from").some_text();
    match &from {
        None if table.get("from").is_absent() => {
            faults.add(key_of(place, "from"), "is missing; write a mailbox such as \"callpulse@example.com\"");
        }
        Some(from) if !mail::is_mailbox(from) => faults.add(key_of(place, "from"), no_mailbox),
        _ => {}
    }
    let at = key_of(place, "to");
    if table.get("to").is_absent() || table.get("to").is_empty_list() {
        faults.add(&at, "names nobody; list mailboxes such as \"desk@example.com\"");
    }
    let to: Vec<String> = table.get("to").items().map(|(_, to)| to.text()).collect();
    for (index, _) in to.iter().enumerate().filter(|(_, to)| !to.is_empty() && !mail::is_mailbox(to)) {
        faults.add(item_of(&at, index), no_mailbox);
    }
    let (login, server) = (login(table, place, faults), mail_server(table, place, faults));
    Some(Mail { server: MailServer { login, ..server? }, from: from?, to, grouping: grouping(table) })
}

fn login(table: View, place: &str, faults: &mut Faults) -> Option<Login> {
    for (key, other) in [("username", "password"), ("password", "username")] {
        if !table.get(key).is_absent() && table.get(other).is_absent() {
            faults.add(key_of(place, key), format!("needs `{other}` beside it; write both, or none"));
        }
    }
    let [username, password] = ["username", "password"].map(|key| table.get(key).some_text());
    Some(Login { username: username?, password: password? })
}

/// The server of `url` and `starttls`, to which nobody logs in.
fn mail_server(table: View, place: &str, faults: &mut Faults) -> Option<MailServer> {
    let at = key_of(place, "url");
    let (url, starttls) = (table.get("url"), table.get("starttls"));
    if url.is_absent() {
        faults.add(&at, "is missing; write the mail server such as \"smtp://mail.example.com\"");
    }
    let (is_tls, host, port) = match mail_address(&url.some_text()?) {
        Ok(address) => address,
        Err(sentence) => {
            faults.add(at, sentence);
            return None;
        }
    };
    if is_tls && !starttls.is_absent() {
        faults.add(key_of(place, "starttls"), "is nothing that smtps:// has, which is TLS from the start; remove it");
    }
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_clear = if starttls.is_absent() { is_here } else { !starttls.switch() };
    let security = match (is_tls, is_clear) {
        (true, _) => Security::Tls,
        (false, true) => Security::Clear,
        (false, false) => Security::StartTls,
    };
    Some(MailServer { host, port, security, login: None })
}

/// Whether an address of a mail server is of TLS from the start, its host, and its port. What is wrong does not show it.
fn mail_address(url: &str) -> Result<(bool, String, u16), &'static str> {
    let (is_tls, rest) = match (url.strip_prefix("smtps://"), url.strip_prefix("smtp://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err("is no address of a mail server; write it with smtp:// or smtps://"),
    };
    if rest.contains('@') {
        return Err("holds a name and password, which would stand in logs; write `username` and `password`");
    }
    let (host, port) = match rest.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().map_err(|_| "has a port that is no number up to 65535")?),
        None => (rest, if is_tls { SMTPS_PORT } else { SMTP_PORT }),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host {
        "" => Err("names no host; write such as smtp://mail.example.com"),
        host if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)) => {
            Err("holds more than a host and a port; remove what follows")
        }
        host => Ok((is_tls, host.to_owned(), port)),
    }
}

fn url(table: View, place: &str, faults: &mut Faults) -> Option<String> {
    let at = key_of(place, "url");
    let Some(url) = table.get("url").some_text() else {
        if table.get("url").is_absent() {
            faults.add(at, "is missing; write the address that is posted to");
        }
        return None;
    };
    if let Err(sentence) = web_address(&url) {
        faults.add(at, sentence);
    }
    Some(url)
}

fn grouping(table: View) -> Grouping {
    let at_most = table.get("at_most").0.and_then(Value::as_integer).map_or(AT_MOST, |most| most as usize);
    Grouping { wait: table.get("group_wait").duration().unwrap_or(GROUP_WAIT), at_most }
}

/// Whether a text is an address that a request can be sent to. The answer does not show it: parts may be secret.
fn web_address(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Err("is no address of a page; write it with https:// or http://".to_owned());
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    match host {
        "" => Err("names no host; write such as http://localhost:9093".to_owned()),
        host if host.contains('@') => {
            Err("holds a name and password, which would stand in logs; write `token`".to_owned())
        }
        _ if port.is_some_and(|port| port.parse::<u16>().is_err()) => {
            Err("has a port that is no number up to 65535".to_owned())
        }
        _ if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('#') => {
            Err("holds a sign that no address has; percent-encode it".to_owned())
        }
        _ => Ok(()),
    }
}
