//! E-mail: a message as plain text, handed to an SMTP server.
//!
//! ```text
//! Message-ID   <ALERT_ID-firing@DOMAIN>: the same whenever this is sent again
//! In-Reply-To  of what resolved: that of the letter which said that it fires
//! ```

use super::http::{Answer, on_one_line};
use super::message::Message;
use super::target::{Mail, MailServer, Security};
use super::webhook;
use crate::alert::record::AlertRecord;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as Sender, Rcpt as Recipient};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use lettre::{Address, Message as Letter};
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tracing::warn;

/// The longest that a server may take for an answer, and until one is logged in.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest for the answer to a letter, which it may look through first. Whoever leaves sooner sends again what the
/// server takes all the same.
const LETTER_PATIENCE: Duration = Duration::from_secs(60);
const NO_ANSWER: &str = "no answer in time";
/// The longest subject, in characters: a line of a letter has 998 bytes at most, and an id may be one long word.
const SUBJECT_CHARS: usize = 200;
/// So many alerts of a group are referred to.
const REFERENCES_MAX: usize = 100;
/// How one logs in, the first that the server knows.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A client of one mail server.
#[derive(Debug, Default)]
pub struct Client {
    /// A connection that took too long to come about. It is waited for again before another is made, so that there is
    /// one at most on which a server says nothing.
    late: Mutex<Option<Receiver<Result<SmtpConnection, Error>>>>,
}

impl Client {
    /// Hands a letter about alerts to the server once. It is accepted if the server takes it for one of the recipients;
    /// no answer holds the password.
    pub fn send(&self, mail: &Mail, alerts: &[&AlertRecord]) -> Answer {
        let mut late = self.late.lock().expect("nobody panics with it");
        let connecting = late.take().unwrap_or_else(|| start_connecting(mail.server.clone()));
        let sent = match connecting.recv_timeout(PATIENCE) {
            Ok(connected) => connected.and_then(|server| hand_over(server, &letter(mail, alerts))),
            Err(RecvTimeoutError::Timeout) => {
                *late = Some(connecting);
                return Answer::Failed { why: NO_ANSWER.to_owned(), asked: None };
            }
            Err(RecvTimeoutError::Disconnected) => unreachable!("it tells what came of it"),
        };
        match sent {
            Ok(said) => Answer::Accepted { said },
            Err(error) if error.is_permanent() => Answer::Refused { why: why(&error) },
            Err(error) => Answer::Failed { why: why(&error), asked: None },
        }
    }
}

/// Whether a text is a mailbox, `desk@example.com` or `Desk <desk@example.com>`, of an address that every server takes.
pub fn is_mailbox(text: &str) -> bool {
    let is_plain = |address: &Address| AsRef::<str>::as_ref(address).bytes().all(|byte| byte.is_ascii_graphic());
    text.parse::<Mailbox>().is_ok_and(|mailbox| is_plain(&mailbox.email))
}

fn letter(mail: &Mail, alerts: &[&AlertRecord]) -> Letter {
    let (message, from) = (Message::of(alerts), mailbox(&mail.from));
    let id = |of: String| format!("<{of}@{}>", from.email.domain());
    let own = id(webhook::id(alerts));
    let fired = alerts.iter().map(|alert| id(format!("{}-firing", alert.alert_id)));
    // Letters that refer to the same one stand together, also if what fired in one group resolves in another.
    let fired: Vec<String> = fired.take(REFERENCES_MAX).filter(|fired| *fired != own).collect();
    let subject: String = without_controls(&message.headline()).chars().take(SUBJECT_CHARS).collect();
    let mut letter = Letter::builder().from(from).subject(subject).message_id(Some(own));
    for to in &mail.to {
        letter = letter.to(mailbox(to));
    }
    if !fired.is_empty() {
        letter = letter.references(fired.join(" "));
    }
    if !message.first().is_firing() {
        letter = letter.in_reply_to(fired.join(" "));
    }
    // Whoever is on holiday does not answer it (RFC 3834).
    let by_itself = HeaderName::new_from_ascii_str("Auto-Submitted");
    letter = letter.raw_header(HeaderValue::new(by_itself, "auto-generated".to_owned()));
    letter.header(ContentType::TEXT_PLAIN).body(text(message)).expect("a letter from somebody to somebody")
}

/// Lines end with a line feed here; the letter writes them as it has to.
fn text(message: Message<'_>) -> String {
    let mut text = format!("{}\n", message.headline());
    for line in message.lines() {
        text.push_str(&format!("\n{line}"));
    }
    text.push('\n');
    for (name, url) in message.links() {
        text.push_str(&format!("\n{name}: {url}"));
    }
    text.push('\n');
    text.replace("\r\n", "\n").split('\n').map(without_controls).collect::<Vec<_>>().join("\n")
}

/// A line in which no character is more than a sign: a carriage return alone ends a line for some servers.
fn without_controls(line: &str) -> String {
    line.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect()
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("a mailbox, as it was checked")
}

/// Makes a connection in a thread of its own: no time bounds how long a server is silent before TLS.
fn start_connecting(server: MailServer) -> Receiver<Result<SmtpConnection, Error>> {
    let (tell, connecting) = channel();
    // Nobody listens any more once the target is gone.
    thread::spawn(move || tell.send(connect(&server)).ok());
    connecting
}

/// A connection on which letters can be sent.
fn connect(MailServer { host, port, security, login }: &MailServer) -> Result<SmtpConnection, Error> {
    let (address, us) = ((host.as_str(), *port), ClientId::default());
    let tls = match security {
        Security::Tls | Security::StartTls => Some(TlsParameters::new(host.clone())?),
        Security::Clear => None,
    };
    let from_start = tls.as_ref().filter(|_| *security == Security::Tls);
    let mut server = SmtpConnection::connect(address, Some(PATIENCE), &us, from_start, None)?;
    if let Some(tls) = tls.as_ref().filter(|_| *security == Security::StartTls) {
        server.starttls(tls, &us)?;
    }
    if let Some(login) = login {
        server.auth(&MECHANISMS, &Credentials::new(login.username.clone(), login.password.clone()))?;
    }
    Ok(server)
}

/// Sends a letter and takes leave. What the server said when it took it.
fn hand_over(mut server: SmtpConnection, letter: &Letter) -> Result<String, Error> {
    let taken = tell(&mut server, letter);
    // Who does not answer would not answer that either.
    if taken.as_ref().err().is_none_or(|error| error.status().is_some()) {
        server.abort();
    }
    taken
}

fn tell(server: &mut SmtpConnection, letter: &Letter) -> Result<String, Error> {
    let envelope = letter.envelope();
    server.command(Sender::new(envelope.from().cloned(), Vec::new()))?;
    let mut not_taken = Vec::new();
    for to in envelope.to() {
        match server.command(Recipient::new(to.clone(), Vec::new())) {
            Err(error) if error.status().is_some() => not_taken.push((to, error)),
            answered => drop(answered?),
        }
    }
    if not_taken.len() == envelope.to().len() {
        // Later it may be taken for one of them.
        let (_, error) = not_taken.into_iter().max_by_key(|(_, error)| error.is_transient()).expect("a recipient");
        return Err(error);
    }
    server.command(Data)?;
    // A connection that is gone shows when it is written to.
    server.set_timeout(Some(LETTER_PATIENCE)).ok();
    let taken = server.message(&letter.formatted())?;
    server.set_timeout(Some(PATIENCE)).ok();
    let mut said = told(&taken);
    for (to, error) in not_taken {
        let why = why(&error);
        said.push_str(&format!("; not for {to}: {why}"));
        warn!(%to, why, "a recipient was refused; the others are told");
    }
    Ok(said)
}

fn told(response: &Response) -> String {
    on_one_line(&format!("SMTP {} {}", response.code(), response.message().collect::<Vec<_>>().join(" ")))
}

fn why(error: &Error) -> String {
    let cause = error.source();
    let ran_out = |cause: &io::Error| matches!(cause.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
    match (error.status(), cause) {
        (Some(code), Some(cause)) => on_one_line(&format!("SMTP {code} {cause}")),
        (None, Some(cause)) if cause.downcast_ref().is_some_and(ran_out) => NO_ANSWER.to_owned(),
        (None, Some(cause)) => on_one_line(&cause.to_string()),
        (_, None) => error.to_string(),
    }
}
