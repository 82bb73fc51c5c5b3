//! Microsoft Teams: an Adaptive Card as a workflow takes it ("Post to a channel when a webhook request is received").

use super::message::{Colour, Message, colour};
use serde_json::{Value, json};

/// The body for a message.
pub fn body(message: Message<'_>) -> Vec<u8> {
    let colour = match colour(message.first()) {
        Colour::Red => "attention",
        Colour::Amber => "warning",
        Colour::Blue => "accent",
        Colour::Green => "good",
    };
    let headline = json!({ "type": "TextRun", "text": message.headline(), "weight": "bolder", "color": colour });
    let mut rows = vec![block(headline)];
    rows.extend(message.lines().into_iter().map(|line| block(json!({ "type": "TextRun", "text": line }))));
    let open = |(name, url)| json!({ "type": "Action.OpenUrl", "title": name, "url": url });
    let actions: Vec<Value> = message.links().into_iter().map(open).collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": rows,
        "actions": actions,
    });
    let attachment =
        json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    serde_json::to_vec(&json!({ "type": "message", "attachments": [attachment] })).expect("texts are JSON")
}

/// Text in which no sign has a meaning, as it has in a `TextBlock`.
fn block(run: Value) -> Value {
    json!({ "type": "RichTextBlock", "inlines": [run] })
}
