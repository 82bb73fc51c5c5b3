//! Targets: where notifications go, as the settings say, and of which alerts each hears.

use super::outbox::Together;
use crate::alert::record::AlertRecord;
use crate::alert::rule::{Severity, matches};
use crate::stream::client::HIDDEN;
use crate::time::Span;
use std::fmt;

/// One place that notifications go to. Its Debug form shows no secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Different in each; part of its consumer group's name.
    pub name: String,
    pub hears: Hears,
    pub to: To,
    /// What was not accepted for so long is left aside.
    pub give_up_after: Span,
}

/// Of which alerts it hears: those that are of all three.
#[derive(Clone, Debug, PartialEq)]
pub struct Hears {
    pub severities: Vec<Severity>,
    /// Patterns of rules and tenants: `*` stands for any characters.
    pub rules: Vec<String>,
    pub tenants: Vec<String>,
}

/// What is on the other side.
#[derive(Clone, Debug, PartialEq)]
pub enum To {
    Alertmanager(Alertmanager),
    Webhook(Webhook),
    Slack(Chat),
    Teams(Chat),
    Email(Mail),
}

/// Whatever takes alerts as they are published.
#[derive(Clone, PartialEq)]
pub struct Webhook {
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// What requests are signed with.
    pub secret: Option<Vec<u8>>,
    pub grouping: Grouping,
}

/// A channel in which people read. Its address is its secret.
#[derive(Clone, PartialEq)]
pub struct Chat {
    pub url: String,
    pub grouping: Grouping,
}

/// Mailboxes of people, reached through an SMTP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    pub server: MailServer,
    /// A mailbox: `callpulse@example.com` or `Callpulse <callpulse@example.com>`.
    pub from: String,
    /// Mailboxes, at least one.
    pub to: Vec<String>,
    pub grouping: Grouping,
}

/// An SMTP server that takes mail for others.
#[derive(Clone, Debug, PartialEq)]
pub struct MailServer {
    /// A name or an IP address, that of IPv6 without brackets.
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Absent if it takes mail from everybody who reaches it.
    pub login: Option<Login>,
}

/// Whether others can read what is said to a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte on.
    Tls,
    /// TLS before anything is told; without it nothing is.
    StartTls,
    /// All of it in the clear.
    Clear,
}

#[derive(Clone, PartialEq)]
pub struct Login {
    pub username: String,
    pub password: String,
}

/// When several alerts become one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// How long more of the same rule and tenant is waited for.
    pub wait: Span,
    /// So many go out one by one, more of them as one.
    pub at_most: usize,
}

/// Alertmanagers of one cluster; each is told everything.
#[derive(Clone, PartialEq)]
pub struct Alertmanager {
    /// Up to where `/api/v2/alerts` follows.
    pub urls: Vec<String>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// What fires is told again this often.
    pub resend_every: Span,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |is_there: bool| is_there.then_some(HIDDEN);
        let mut shown = f.debug_struct("Webhook");
        shown.field("url", &HIDDEN).field("token", &hidden(self.token.is_some()));
        shown.field("secret", &hidden(self.secret.is_some())).field("grouping", &self.grouping).finish()
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("url", &HIDDEN).field("grouping", &self.grouping).finish()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).field("password", &HIDDEN).finish()
    }
}

impl fmt::Debug for Alertmanager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| HIDDEN);
        let mut shown = f.debug_struct("Alertmanager");
        shown.field("urls", &self.urls).field("token", &token).field("resend_every", &self.resend_every).finish()
    }
}

impl Target {
    /// Which alerts go out in one request.
    pub fn together(&self) -> Together {
        match &self.to {
            To::Alertmanager(_) => Together::All,
            To::Webhook(Webhook { grouping, .. })
            | To::Slack(Chat { grouping, .. })
            | To::Teams(Chat { grouping, .. })
            | To::Email(Mail { grouping, .. }) => Together::ByRule { wait: grouping.wait, at_most: grouping.at_most },
        }
    }
}

impl Hears {
    pub fn of(&self, alert: &AlertRecord) -> bool {
        let is_one_of = |patterns: &[String], text: &str| patterns.iter().any(|pattern| matches(pattern, text));
        self.severities.iter().any(|severity| severity.word() == alert.severity)
            && is_one_of(&self.rules, &alert.rule)
            && is_one_of(&self.tenants, &alert.tenant)
    }
}
