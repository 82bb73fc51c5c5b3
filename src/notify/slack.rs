//! Slack: a message as its incoming webhooks take it, and those of who does as Slack does (Mattermost, Rocket.Chat).

use super::message::{Colour, Message, colour};
use serde_json::{Value, json};

/// The most characters of one section.
const SECTION_CHARS: usize = 2900;

/// The body for a message.
pub fn body(message: Message<'_>) -> Vec<u8> {
    let headline = escaped(&message.headline());
    let mut text = format!("*{headline}*");
    for line in message.lines() {
        text.push('\n');
        text.push_str(&escaped(&line));
    }
    let links: Vec<String> =
        message.links().into_iter().map(|(name, url)| format!("<{}|{name}>", in_link(url))).collect();
    let mut blocks = vec![section(&text.chars().take(SECTION_CHARS).collect::<String>())];
    blocks.extend((!links.is_empty()).then(|| section(&links.join(" · "))));
    let colour = match colour(message.first()) {
        Colour::Red => "#c1121f",
        Colour::Amber => "#e09f3e",
        Colour::Blue => "#3a7ca5",
        Colour::Green => "#2a9d5c",
    };
    let attachment = json!({ "color": colour, "fallback": headline, "blocks": blocks });
    serde_json::to_vec(&json!({ "attachments": [attachment] })).expect("texts are JSON")
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// The three signs that Slack gives a meaning, so that no name in an alert calls a channel or hides a link.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn in_link(url: &str) -> String {
    url.replace('&', "&amp;").replace('<', "%3C").replace('>', "%3E").replace('|', "%7C")
}
