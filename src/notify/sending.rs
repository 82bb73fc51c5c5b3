//! Sending: what a target is told, as its other side takes it.

use super::http::{Answer, Client, Request};
use super::message::Message;
use super::target::{Alertmanager, Chat, Target, To, Webhook};
use super::{alertmanager, mail, slack, teams, webhook};
use crate::alert::record::AlertRecord;
use crate::time::EventTime;
use std::thread;

/// Sends to one target.
#[derive(Debug)]
pub struct Sender {
    target: Target,
    client: Client,
    mail: mail::Client,
}

impl Sender {
    pub fn new(target: Target) -> Sender {
        Sender { target, client: Client::new(), mail: mail::Client::default() }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Sends alerts once, as one message, as of `now` by the clock. Of several addresses each is sent to; it is accepted
    /// if one accepts.
    pub fn send(&self, alerts: &[&AlertRecord], now: EventTime) -> Answer {
        let request = match &self.target.to {
            To::Email(mail) => return self.mail.send(mail, alerts),
            To::Alertmanager(settings) => return self.to_alertmanagers(settings, alerts, now),
            To::Webhook(settings) => to_webhook(&self.target.name, settings, alerts, now),
            To::Slack(chat) => to_chat(chat, slack::body(Message::of(alerts))),
            To::Teams(chat) => to_chat(chat, teams::body(Message::of(alerts))),
        };
        self.client.post(&request, now)
    }

    fn to_alertmanagers(&self, settings: &Alertmanager, alerts: &[&AlertRecord], now: EventTime) -> Answer {
        let requests = alertmanagers(settings, alerts, now);
        let answers: Vec<Answer> = match requests.as_slice() {
            [only] => vec![self.client.post(only, now)],
            several => thread::scope(|scope| {
                let post = |request| scope.spawn(move || self.client.post(request, now));
                let posts: Vec<_> = several.iter().map(post).collect();
                posts.into_iter().map(|post| post.join().expect("a request does not panic")).collect()
            }),
        };
        together(&settings.urls, answers)
    }
}

fn alertmanagers(settings: &Alertmanager, alerts: &[&AlertRecord], now: EventTime) -> Vec<Request> {
    let body = alertmanager::body(alerts.iter().copied(), settings, now);
    let request = |url: &String| Request {
        url: format!("{}{}", url.trim_end_matches('/'), alertmanager::PATH),
        headers: bearer(settings.token.as_deref()),
        body: body.clone(),
    };
    settings.urls.iter().map(request).collect()
}

fn to_webhook(target: &str, settings: &Webhook, alerts: &[&AlertRecord], now: EventTime) -> Request {
    let Webhook { url, token, secret, .. } = settings;
    let body = webhook::body(target, alerts);
    let mut headers = webhook::headers(webhook::id(alerts), &body, secret.as_deref(), now);
    headers.extend(bearer(token.as_deref()));
    Request { url: url.clone(), headers, body }
}

fn to_chat(chat: &Chat, body: Vec<u8>) -> Request {
    Request { url: chat.url.clone(), headers: Vec::new(), body }
}

fn bearer(token: Option<&str>) -> Vec<(&'static str, String)> {
    token.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect()
}

/// One that accepts is enough; else it is tried again if one may accept later. Of several who did not is named.
fn together(urls: &[String], answers: Vec<Answer>) -> Answer {
    let rank = |answer: &Answer| match answer {
        Answer::Accepted { .. } => 0,
        Answer::Failed { .. } => 1,
        Answer::Refused { .. } => 2,
    };
    let why = |(url, answer): (&String, &Answer)| match answer {
        Answer::Accepted { .. } => None,
        Answer::Refused { why } | Answer::Failed { why, .. } => Some(format!("{url}: {why}")),
    };
    let not: Vec<String> = urls.iter().zip(&answers).filter_map(why).collect();
    let (several, not) = (1 < urls.len(), not.join("; "));
    match answers.into_iter().min_by_key(rank).expect("a target has an address") {
        Answer::Accepted { said } if !not.is_empty() => Answer::Accepted { said: format!("{said}; but not {not}") },
        Answer::Failed { asked, .. } if several => Answer::Failed { why: not, asked },
        Answer::Refused { .. } if several => Answer::Refused { why: not },
        only => only,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_of_several_does_not_accept_is_named() {
        let accepted = || Answer::Accepted { said: "HTTP 200 OK".into() };
        let failed = |why: &str| Answer::Failed { why: why.into(), asked: None };
        let refused = || Answer::Refused { why: "HTTP 404".into() };
        let urls = ["http://am-1".to_string(), "http://am-2".to_string()];
        let of = |first, second| together(&urls, vec![first, second]);
        assert_eq!(of(accepted(), accepted()), accepted());
        let but = Answer::Accepted { said: "HTTP 200 OK; but not http://am-2: no such host".into() };
        assert_eq!(of(accepted(), failed("no such host")), but);
        assert_eq!(of(refused(), failed("gone")), failed("http://am-1: HTTP 404; http://am-2: gone"));
        assert_eq!(together(&urls[..1], vec![refused()]), refused());
    }
}
