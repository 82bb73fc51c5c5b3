//! Slack: a message as its incoming webhooks take it, and those of who does as Slack does (Mattermost, Rocket.Chat).

use super::message::{Colour, Message, colour, cut};
use serde_json::{Value, json};

/// The most characters of a header, and of a section.
const HEADER_CHARS: usize = 150;
const SECTION_CHARS: usize = 2900;
/// The most of a link, of which there are two at most.
const LINK_CHARS: usize = SECTION_CHARS / 2;

/// The body for a message.
pub fn body(message: Message<'_>) -> Vec<u8> {
    let headline = message.headline();
    let mut lines = message.lines();
    if HEADER_CHARS < headline.chars().count() {
        lines.insert(0, headline.clone());
    }
    // A section that is too long is refused with all of the message.
    let links = message.links().into_iter().map(|(name, url)| format!("<{}|{name}>", in_link(url)));
    let links: Vec<String> = links.filter(|link| link.chars().count() <= LINK_CHARS).collect();
    let mut blocks = vec![
        json!({ "type": "header", "text": plain_text(&cut(&headline, HEADER_CHARS)) }),
        json!({ "type": "section", "text": plain_text(&cut(&lines.join("\n"), SECTION_CHARS)) }),
    ];
    let linked = json!({ "type": "section", "text": { "type": "mrkdwn", "text": links.join(" · ") } });
    blocks.extend((!links.is_empty()).then_some(linked));
    let colour = match colour(message.first()) {
        Colour::Red => "#c1121f",
        Colour::Amber => "#e09f3e",
        Colour::Blue => "#3a7ca5",
        Colour::Green => "#2a9d5c",
    };
    let attachment = json!({ "color": colour, "fallback": escaped(&headline), "blocks": blocks });
    serde_json::to_vec(&json!({ "attachments": [attachment] })).expect("texts are JSON")
}

/// Text in which no sign has a meaning, as it has in `mrkdwn`: no name in an alert is bold, calls a channel, hides a link
/// or is a picture.
fn plain_text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// The three signs that have a meaning in any other text of Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn in_link(url: &str) -> String {
    url.replace('&', "&amp;").replace('<', "%3C").replace('>', "%3E").replace('|', "%7C")
}
