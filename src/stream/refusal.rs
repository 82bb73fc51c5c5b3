//! Refusal: the cluster says no, to who we are or to what we want, and will say no again.

use std::fmt;

use rdkafka::error::RDKafkaErrorCode;

/// What the cluster refused, and what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: RDKafkaErrorCode,
    /// What we wanted, as `to read`.
    pub doing: &'static str,
    /// The topic, group or transactional id; anything where we were not let in at all.
    pub subject: String,
    /// The client's own words about it; may be empty.
    pub said: String,
}

/// The cluster says no, and will say no again.
pub fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    is_login(code)
        || matches!(
            code,
            Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::InvalidTransactionTimeout
        )
}

/// We were not let in. That may pass while a broker starts.
pub fn is_login(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{Authentication, SSL, SaslAuthenticationFailed, UnsupportedSASLMechanism};
    matches!(code, Authentication | SaslAuthenticationFailed | UnsupportedSASLMechanism | SSL)
}

impl Refusal {
    /// The right that is missing, as `kafka-acls.sh` calls it.
    fn right(&self) -> &'static str {
        match (self.code, self.doing) {
            (RDKafkaErrorCode::GroupAuthorizationFailed, _) => "Read on the group",
            (RDKafkaErrorCode::TransactionalIdAuthorizationFailed, _) => "Write on the transactional id",
            (_, TO_READ_SETTINGS) => "DescribeConfigs on the topic",
            (_, TO_WRITE) => "Write on the topic",
            (_, TO_FIND) => "Read or Write on the topic",
            _ => "Read on the topic",
        }
    }
}

pub const TO_READ_SETTINGS: &str = "to read the settings of";
pub const TO_WRITE: &str = "to write";
pub const TO_FIND: &str = "to find";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use RDKafkaErrorCode as Code;
        let Refusal { code, doing, subject, said } = self;
        let said = if said.is_empty() { code.to_string() } else { said.clone() };
        match code {
            Code::SSL => write!(
                f,
                "no TLS connection to kafka: {said}; check in [kafka.properties] ssl.ca.location (the authority that \
                 signed the broker's certificate) and, if the broker asks for ours, ssl.keystore.location, or \
                 ssl.certificate.location and ssl.key.location"
            ),
            _ if is_login(*code) => write!(
                f,
                "kafka does not accept the login: {said}; check sasl.mechanism, sasl.username and sasl.password in \
                 [kafka.properties]"
            ),
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed => write!(
                f,
                "kafka refuses {doing} {subject}: {code}; grant {}, as `callpulse topics` lists it",
                self.right()
            ),
            _ => write!(f, "kafka refuses {doing} {subject}: {said}; grant what `callpulse topics` lists"),
        }
    }
}
