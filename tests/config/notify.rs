//! Targets of notifications: what is meant, what is refused, and that no secret is shown.

use super::{check, read, settings};
use callpulse::alert::rule::Severity;
use callpulse::notify::target::{Login, Security, To};
use callpulse::time::Span;

#[test]
fn a_target_has_defaults_for_what_it_does_not_say() {
    let of = |table: &str| settings(&format!("[[notify]]\nname = 'a'\n{table}")).notify.remove(0);
    let target = of("kind = 'alertmanager'\nurls = ['http://localhost:9093', 'https://am.example.com/x/']");
    assert_eq!((target.hears.severities.len(), target.give_up_after), (3, Span::from_hours(24)));
    assert_eq!((target.hears.rules, target.hears.tenants), (vec!["*".to_owned()], vec!["*".to_owned()]));
    let To::Alertmanager(alertmanager) = target.to else { panic!("{:?}", target.to) };
    assert_eq!((alertmanager.urls.len(), alertmanager.resend_every), (2, Span::from_secs(60)));
    for kind in ["slack", "teams"] {
        let target = of(&format!("kind = '{kind}'\nurl = 'https://example.com/x'"));
        assert_eq!(target.hears.severities, [Severity::Warning, Severity::Critical], "{kind}");
    }
    let To::Webhook(webhook) = of("kind = 'webhook'\nurl = 'http://[::1]:80/x?y=z'").to else { panic!("a webhook") };
    assert_eq!((webhook.grouping.wait, webhook.grouping.at_most), (Span::from_secs(5), 3));
    assert_eq!((webhook.secret, webhook.token, webhook.url.as_str()), (None, None, "http://[::1]:80/x?y=z"));
    assert!(settings("").notify.is_empty());
}

#[test]
fn mail_goes_over_tls_but_to_a_server_on_this_machine() {
    for (server, host, port, security) in [
        ("'smtp://mail.example.com'", "mail.example.com", 587, Security::StartTls),
        ("'smtp://mail.example.com:25'\nstarttls = false", "mail.example.com", 25, Security::Clear),
        ("'smtps://mail.example.com'", "mail.example.com", 465, Security::Tls),
        ("'smtp://localhost:25'", "localhost", 25, Security::Clear),
        ("'smtp://[::1]'", "::1", 587, Security::Clear),
        ("'smtp://127.0.0.1:2525'\nstarttls = true", "127.0.0.1", 2525, Security::StartTls),
        ("'smtps://[2001:db8::1]:25'", "2001:db8::1", 25, Security::Tls),
    ] {
        let text = format!(
            "[[notify]]\nname = 'a'\nkind = 'email'\nfrom = 'a@example.com'\nto = ['B <b@example.com>']\n\
             username = 'u'\npassword = 'p'\nurl = {server}"
        );
        let target = settings(&text).notify.remove(0);
        assert_eq!(target.hears.severities, [Severity::Warning, Severity::Critical]);
        let To::Email(mail) = target.to else { panic!("mail") };
        let have = mail.server;
        assert_eq!((have.host.as_str(), have.port, have.security), (host, port, security), "{server}");
        assert!(have.login == Some(Login { username: "u".into(), password: "p".into() }));
        assert_eq!((mail.from.as_str(), mail.to), ("a@example.com", vec!["B <b@example.com>".to_owned()]));
    }
}

#[test]
fn what_a_target_cannot_be_is_told() {
    let slack = "[[notify]]\nname = 'a'\nkind = 'slack'\n";
    let url = "url = 'https://example.com/x'\n";
    check(slack, "notify[0].url: is missing; write the address that is posted to");
    check(
        &format!("{slack}{url}secret = 'x'"),
        "notify[0].secret: is nothing that kind `slack` has, only `webhook`; remove it",
    );
    check(
        &format!("{slack}{url}{slack}{url}"),
        "notify[1].name: `a` is the name of `notify[0]` already; each target needs its own",
    );
    check(
        &format!("{slack}{url}severities = []"),
        "notify[0].severities: is empty, so that nothing is told; list some, or remove it",
    );
    check(
        &format!("{slack}{url}rules = ['watchdgo']"),
        "notify[0].rules[0]: there is no rule `watchdgo`; did you mean `watchdog`?",
    );
    for (url, sentence) in [
        ("ftp://s3cr3t", "is no address of a page; write it with https:// or http://"),
        ("https:///s3cr3t", "names no host; write such as http://localhost:9093"),
        ("https://a:s3cr3t@b", "holds a name and password, which would stand in logs; write `token`"),
        ("https://a:70000/s3cr3t", "has a port that is no number up to 65535"),
        ("https://a/s3cr3t#b", "holds a sign that no address has; percent-encode it"),
    ] {
        check(&format!("{slack}url = '{url}'"), &format!("notify[0].url: {sentence}"));
    }
    let email = "[[notify]]\nname = 'a'\nkind = 'email'\n";
    let people = "from = 'a@example.com'\nto = ['b@example.com']\n";
    check(
        &format!("{email}{people}"),
        "notify[0].url: is missing; write the mail server such as \"smtp://mail.example.com\"",
    );
    for (url, sentence) in [
        ("https://s3cr3t", "is no address of a mail server; write it with smtp:// or smtps://"),
        ("smtp://a:s3cr3t@b", "holds a name and password, which would stand in logs; write `username` and `password`"),
        ("smtp://a:70000", "has a port that is no number up to 65535"),
        ("smtps://:25", "names no host; write such as smtp://mail.example.com"),
        ("smtp://a?tls=required", "holds more than a host and a port; remove what follows"),
    ] {
        check(&format!("{email}{people}url = '{url}'"), &format!("notify[0].url: {sentence}"));
    }
    let email = format!("{email}url = 'smtps://example.com'\n");
    check(
        &format!("{email}{people}starttls = true"),
        "notify[0].starttls: is nothing that smtps:// has, which is TLS from the start; remove it",
    );
    check(
        &format!("{email}{people}password = 's3cr3t'"),
        "notify[0].password: needs `username` beside it; write both, or none",
    );
    check(
        &format!("{email}to = ['b@example.com']"),
        "notify[0].from: is missing; write a mailbox such as \"callpulse@example.com\"",
    );
    check(
        &format!("{email}from = 'a@example.com'\nto = []"),
        "notify[0].to: names nobody; list mailboxes such as \"desk@example.com\"",
    );
    check(
        &format!("{email}from = 'nobody'\nto = ['b@example.com']"),
        "notify[0].from: is no mailbox; write such as \"Desk <desk@example.com>\"",
    );
    check(
        &format!("{email}from = 'a@example.com'\nto = ['b@example.com', 'é@example.com']"),
        "notify[0].to[1]: is no mailbox; write such as \"Desk <desk@example.com>\"",
    );
    let alertmanager = "[[notify]]\nname = 'a'\nkind = 'alertmanager'\n";
    check(alertmanager, "notify[0].urls: is missing; list addresses such as \"http://localhost:9093\"");
    check(
        &format!("{alertmanager}urls = ['http://a/api/v2/alerts']"),
        "notify[0].urls[0]: names the page itself; leave out /api/v2/alerts, which is added",
    );
    check(
        "[[notify]]\nname = 'a'\nkind = 'webhook'\nurl = 'http://a'\nsecret = 'whsec_s3cr3t'",
        "notify[0].secret: is no secret of a webhook; write whsec_ and 24 to 64 bytes in base64, such as of `openssl rand -base64 32`",
    );
}

#[test]
fn no_secret_of_a_target_is_shown() {
    let secret = "whsec_czNjcjN0IHMzY3IzdCBzM2NyM3QgczNjcjN0";
    let text = format!(
        "[[notify]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://example.com/s3cr3t'\ntoken = 's3cr3t'\nsecret = '{secret}'\n\
         [[notify]]\nname = 'b'\nkind = 'slack'\nurl = 'https://example.com/s3cr3t'\n\
         [[notify]]\nname = 'c'\nkind = 'alertmanager'\nurls = ['https://example.com']\ntoken = 's3cr3t'\n\
         [[notify]]\nname = 'd'\nkind = 'email'\nurl = 'smtps://example.com'\nfrom = 'a@example.com'\nto = ['b@example.com']\n\
         username = 'a'\npassword = 's3cr3t'\n"
    );
    let targets = read(&text).expect("targets").settings.notify;
    let To::Webhook(webhook) = &targets[0].to else { panic!("a webhook") };
    assert_eq!(webhook.secret.as_deref(), Some(b"s3cr3t s3cr3t s3cr3t s3cr3t".as_slice()));
    let shown = format!("{targets:?} {targets:#?}");
    assert!(!shown.contains("s3cr3t") && !shown.contains("115, 51"), "{shown}");
    assert_eq!(shown.matches("(hidden)").count(), 2 * 6);
}
