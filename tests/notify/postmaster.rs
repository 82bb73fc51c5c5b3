//! A small mail server that keeps what it is told, and may refuse on command.

use crate::receiver::PATIENCE;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Channel, channel};
use std::thread;

/// What is answered to a line that begins so; the first that fits. `greeting` and `letter` are what they say; an empty
/// answer ends the connection.
pub type Replies = &'static [(&'static str, &'static str)];

pub struct Postmaster {
    /// Host and port.
    pub address: String,
    sessions: Channel<Session>,
}

/// What a client told in one connection.
#[derive(Debug, Default)]
pub struct Session {
    /// Its commands, `(TLS)` where that began.
    pub commands: Vec<String>,
    /// The letter without its end; empty if none came.
    pub letter: String,
}

/// Whether it speaks TLS.
pub enum Tls {
    Never,
    FromStart(SslAcceptor),
    OnDemand(SslAcceptor),
}

/// Why a conversation ended.
enum End<S> {
    Over,
    StartTls(S),
}

impl Postmaster {
    /// One without TLS, who takes letters unless it replies otherwise.
    pub fn start(replies: Replies) -> Postmaster {
        Postmaster::replying(Tls::Never, move |_| replies)
    }

    /// One that replies to each connection as said of its number, from 0 on.
    pub fn replying(tls: Tls, replies: impl Fn(usize) -> Replies + Send + 'static) -> Postmaster {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let (tell, sessions) = channel();
        thread::spawn(move || {
            for (count, stream) in listener.incoming().flatten().enumerate() {
                // A test that has ended listens no more.
                let _ = tell.send(serve(stream, &tls, replies(count)));
            }
        });
        Postmaster { address, sessions }
    }

    /// The next connection, once it is over.
    #[track_caller]
    pub fn next(&self) -> Session {
        self.sessions.recv_timeout(PATIENCE).expect("a connection")
    }
}

fn serve(mut stream: TcpStream, tls: &Tls, replies: Replies) -> Session {
    let mut session = Session::default();
    match tls {
        Tls::FromStart(tls) => {
            if let Ok(mut stream) = tls.accept(stream)
                && greet(&mut stream, replies)
            {
                converse(stream, replies, &mut session);
            }
        }
        Tls::Never | Tls::OnDemand(_) => {
            let ended = match greet(&mut stream, replies) {
                true => converse(stream, replies, &mut session),
                false => End::Over,
            };
            if let (End::StartTls(stream), Tls::OnDemand(tls)) = (ended, tls) {
                session.commands.push("(TLS)".to_owned());
                if let Ok(stream) = tls.accept(stream) {
                    converse(stream, replies, &mut session);
                }
            }
        }
    }
    session
}

fn greet(stream: &mut impl Write, replies: Replies) -> bool {
    say(stream, reply(replies, "greeting", "220 test"))
}

/// What is answered to a line, unless otherwise said as usual.
fn reply(replies: Replies, to: &str, usual: &'static str) -> &'static str {
    replies.iter().find(|(begins, _)| to.starts_with(begins)).map_or(usual, |(_, reply)| *reply)
}

/// Says something. Whether the conversation goes on.
fn say(stream: &mut impl Write, words: &str) -> bool {
    !words.is_empty() && stream.write_all(format!("{words}\r\n").as_bytes()).is_ok()
}

fn converse<S: Read + Write>(stream: S, replies: Replies, session: &mut Session) -> End<S> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line), Ok(1..)) {
            return End::Over;
        }
        let line = line.trim_end();
        session.commands.push(line.to_owned());
        let goes_on = match line {
            "DATA" => {
                say(stream.get_mut(), "354 go on");
                session.letter = letter(&mut stream);
                say(stream.get_mut(), reply(replies, "letter", "250 2.0.0 taken as 7"))
            }
            "STARTTLS" => {
                say(stream.get_mut(), "220 go on");
                return End::StartTls(stream.into_inner());
            }
            "QUIT" => {
                say(stream.get_mut(), "221 bye");
                false
            }
            other => say(stream.get_mut(), reply(replies, other, "250 well")),
        };
        if !goes_on {
            return End::Over;
        }
    }
}

fn letter(stream: &mut impl BufRead) -> String {
    let mut letter = String::new();
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(1..) if line != ".\r\n" => letter.push_str(line.strip_prefix('.').unwrap_or(&line)),
            _ => return letter,
        }
    }
}

/// A certificate of 127.0.0.1 that signs itself, as PEM, and what serves TLS with it.
pub fn certificate() -> (Vec<u8>, SslAcceptor) {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut name = X509Name::builder().expect("a name");
    name.append_entry_by_text("CN", "test").expect("a name");
    let name = name.build();
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("X.509 v3");
    let number = BigNum::from_u32(1).and_then(|number| number.to_asn1_integer()).expect("a number");
    builder.set_serial_number(&number).expect("a number");
    builder.set_subject_name(&name).expect("a name");
    builder.set_issuer_name(&name).expect("a name");
    builder.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("a time");
    builder.set_not_after(&Asn1Time::days_from_now(1).expect("a time")).expect("a time");
    builder.set_pubkey(&key).expect("a key");
    builder.append_extension(BasicConstraints::new().critical().ca().build().expect("a CA")).expect("a CA");
    let address = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None));
    builder.append_extension(address.expect("an address")).expect("an address");
    builder.sign(&key, MessageDigest::sha256()).expect("a signature");
    let certificate = builder.build();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
    acceptor.set_private_key(&key).expect("the key");
    acceptor.set_certificate(&certificate).expect("the certificate");
    (certificate.to_pem().expect("PEM"), acceptor.build())
}
