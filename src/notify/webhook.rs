//! Webhooks: alerts as they are published, signed as the Standard Webhooks specification says (standardwebhooks.com).
//!
//! ```text
//! webhook-id         the same whenever this is sent again
//! webhook-timestamp  when it is sent, seconds since 1970
//! webhook-signature  v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"))
//! ```

use crate::alert::record::AlertRecord;
use crate::fingerprint;
use crate::time::EventTime;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde::Serialize;

/// The value of `schema` in every body.
const SCHEMA: &str = "callpulse.notification.v1";
/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";
/// The least and the most bytes of a secret.
const SECRET_BYTES: [usize; 2] = [24, 64];

#[derive(Serialize)]
struct Body<'a> {
    schema: &'static str,
    target: &'a str,
    state: &'a str,
    rule: &'a str,
    tenant: &'a str,
    severity: &'a str,
    count: usize,
    /// As in their topic, in the order in which they were told.
    alerts: &'a [&'a AlertRecord],
}

/// The body for alerts of one rule and tenant that all fire or all resolved.
pub fn body(target: &str, alerts: &[&AlertRecord]) -> Vec<u8> {
    let AlertRecord { state, rule, tenant, severity, .. } = alerts[0];
    let count = alerts.len();
    let body = Body { schema: SCHEMA, target, state, rule, tenant, severity, count, alerts };
    serde_json::to_vec(&body).expect("texts and numbers are JSON")
}

/// What names a message: for one alert its id and state, for several a fingerprint of them all.
pub fn id(alerts: &[&AlertRecord]) -> String {
    let of = |alert: &&AlertRecord| format!("{}-{}", alert.alert_id, alert.state);
    match alerts {
        [only] => of(only),
        several => {
            let all = several.iter().map(of).collect::<Vec<_>>().join(" ");
            format!("{:016x}-{}", fingerprint::of_bytes(all.as_bytes()), several[0].state)
        }
    }
}

/// The headers that the specification names; without a secret none is signed.
pub fn headers(id: String, body: &[u8], secret: Option<&[u8]>, now: EventTime) -> Vec<(&'static str, String)> {
    let timestamp = now.0.div_euclid(1000).to_string();
    let signature = secret.map(|secret| format!("v1,{}", STANDARD.encode(hmac(secret, &id, &timestamp, body))));
    let mut headers = vec![("webhook-id", id), ("webhook-timestamp", timestamp)];
    headers.extend(signature.map(|signature| ("webhook-signature", signature)));
    headers
}

/// The bytes of a secret as written; none if it is not of that form.
pub fn secret(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
    let [least, most] = SECRET_BYTES;
    (least..=most).contains(&bytes.len()).then_some(bytes)
}

fn hmac(secret: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let sign = || {
        let key = PKey::hmac(secret)?;
        Signer::new(MessageDigest::sha256(), &key)?.sign_oneshot_to_vec(&signed)
    };
    sign().expect("the TLS library has HMAC-SHA256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_specification_does() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let body = br#"{"test": 2432232314}"#;
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned();
        let headers = headers(id, body, Some(&secret), EventTime(1_614_265_330_999));
        assert_eq!(headers[1], ("webhook-timestamp", "1614265330".to_owned()));
        assert_eq!(headers[2], ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()));
    }

    #[test]
    fn a_secret_has_a_form() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for text in ["hunter2", "whsec_", "whsec_not base64", &short, &long] {
            assert_eq!(secret(text), None, "{text}");
        }
    }
}
