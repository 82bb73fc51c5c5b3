//! A guarded Kafka: one node behind TLS and logins, whose authorizer allows nothing that nobody granted.
//!
//! ```text
//! LOGIN    SASL_SSL         PLAIN or SCRAM-SHA-512
//! OPEN     SASL_PLAINTEXT   SCRAM-SHA-512
//! TLS      SSL              whoever comes is User:ANONYMOUS
//! MUTUAL   SSL              a certificate of our authority names who comes
//! ```

use crate::kafka::Broker;
use callpulse::stream::client::Connection;
use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaRespErr;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::OnceLock;

/// The passwords. None of them may be seen anywhere.
const PASSWORD: &str = "hunter2-of-callpulse";
const ADMIN: &str = "hunter2-of-admin";
const STORE: &str = "hunter2-of-keystore";
pub const TOKEN: &str = "hunter2-of-endpoints";
pub const WRONG: &str = "hunter2-but-wrong";
/// What all of them have in common.
pub const SECRET: &str = "hunter2";

/// Users `lacking0`, `lacking1` and so on, who may log in by PLAIN.
const LACKING: usize = 40;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Tls,
    MutualTls,
    Plain,
    Scram,
    ScramWithoutTls,
}

impl Way {
    pub const ALL: [Way; 5] = [Way::Tls, Way::MutualTls, Way::Plain, Way::Scram, Way::ScramWithoutTls];

    /// Whom the broker takes us for.
    pub fn principal(self) -> &'static str {
        match self {
            Way::Tls => "User:ANONYMOUS",
            Way::MutualTls => "User:CN=callpulse",
            Way::Plain | Way::Scram | Way::ScramWithoutTls => "User:callpulse",
        }
    }
}

pub struct Guarded {
    /// Ends with the test program.
    _broker: Broker,
    dir: PathBuf,
    ports: Ports,
}

#[derive(Clone, Copy)]
struct Ports {
    login: u16,
    open: u16,
    tls: u16,
    mutual: u16,
}

/// One for all tests of a program.
pub fn shared() -> &'static Guarded {
    static GUARDED: OnceLock<Guarded> = OnceLock::new();
    GUARDED.get_or_init(Guarded::start)
}

impl Guarded {
    fn start() -> Guarded {
        let mut made = None;
        let broker = Broker::prepared(|dir, login, controller| {
            // Held together, so that they differ.
            let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
            let [open, tls, mutual] = ports.map(|listener| listener.local_addr().expect("its address").port());
            let ports = Ports { login, open, tls, mutual };
            certify(dir);
            fs::write(dir.join("more.properties"), settings(dir, ports, controller)).expect("the settings");
            let scram = format!("--add-scram\nSCRAM-SHA-512=[name=callpulse,password={PASSWORD}]\n");
            fs::write(dir.join("format.arguments"), scram).expect("the users");
            made = Some((dir.to_path_buf(), ports));
        });
        let (dir, ports) = made.expect("a prepared broker");
        Guarded { _broker: broker, dir, ports }
    }

    pub fn connection(&self, way: Way) -> Connection {
        let login = |protocol: &'static str, mechanism: &'static str| {
            vec![
                ("security.protocol", protocol),
                ("sasl.mechanism", mechanism),
                ("sasl.username", "callpulse"),
                ("sasl.password", PASSWORD),
            ]
        };
        let store = self.path("callpulse.p12");
        let (port, mut properties) = match way {
            Way::Tls => (self.ports.tls, vec![("security.protocol", "SSL")]),
            Way::MutualTls => {
                let store = ("ssl.keystore.location", store.as_str());
                (self.ports.mutual, vec![("security.protocol", "SSL"), store, ("ssl.keystore.password", STORE)])
            }
            Way::Plain => (self.ports.login, login("SASL_SSL", "PLAIN")),
            Way::Scram => (self.ports.login, login("SASL_SSL", "SCRAM-SHA-512")),
            Way::ScramWithoutTls => (self.ports.open, login("SASL_PLAINTEXT", "SCRAM-SHA-512")),
        };
        let authority = self.path("authority.pem");
        if way != Way::ScramWithoutTls {
            properties.push(("ssl.ca.location", &authority));
        }
        let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Connection { brokers: format!("127.0.0.1:{port}"), properties: properties.collect() }
    }

    pub fn admin(&self) -> Connection {
        let mut connection = self.connection(Way::Plain);
        set(&mut connection, &[("sasl.username", "admin"), ("sasl.password", ADMIN)]);
        connection
    }

    /// User number `number` of those who lack something, and the connection.
    pub fn lacking(&self, number: usize) -> (String, Connection) {
        assert!(number < LACKING, "more ACLs than users to lack one");
        let (name, mut connection) = (format!("lacking{number}"), self.connection(Way::Plain));
        set(&mut connection, &[("sasl.username", &name)]);
        (format!("User:{name}"), connection)
    }

    /// The certificate of an authority that signed nothing here.
    pub fn stranger(&self) -> String {
        self.path("stranger.pem")
    }

    fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    /// Allows a principal what is listed.
    pub fn grant(&self, principal: &str, acls: &[Acl]) {
        let admin: AdminClient<DefaultClientContext> = self.admin().plain().create().expect("an admin");
        let (principal, host) = (c(principal), c("*"));
        let mut error = [0; 256];
        // SAFETY: the admin lives to the end; texts are zero-ended and copied; bindings, queue and event are
        // given back once; the answers are read while their event lives.
        unsafe {
            let mut bindings: Vec<_> = acls
                .iter()
                .map(|acl| {
                    let name = c(&acl.name);
                    let pattern = match acl.is_prefix {
                        true => native::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
                        false => native::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
                    };
                    let allow = native::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW;
                    let (resource, operation) = acl.codes();
                    let binding = native::rd_kafka_AclBinding_new(
                        resource,
                        name.as_ptr(),
                        pattern,
                        principal.as_ptr(),
                        host.as_ptr(),
                        operation,
                        allow,
                        error.as_mut_ptr(),
                        error.len(),
                    );
                    assert!(!binding.is_null(), "{acl:?}");
                    binding
                })
                .collect();
            let client = admin.inner().native_ptr();
            let queue = native::rd_kafka_queue_new(client);
            native::rd_kafka_CreateAcls(client, bindings.as_mut_ptr(), bindings.len(), ptr::null(), queue);
            let event = native::rd_kafka_queue_poll(queue, 60_000);
            assert!(!event.is_null(), "no answer about ACLs");
            assert_eq!(native::rd_kafka_event_error(event), RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
            let result = native::rd_kafka_event_CreateAcls_result(event);
            let mut count = 0;
            let made = native::rd_kafka_CreateAcls_result_acls(result, &mut count);
            assert_eq!(count, acls.len());
            for (place, acl) in acls.iter().enumerate() {
                let refused = native::rd_kafka_acl_result_error(*made.add(place));
                let why = || CStr::from_ptr(native::rd_kafka_error_string(refused)).to_string_lossy();
                assert!(refused.is_null(), "{acl:?}: {}", why());
            }
            native::rd_kafka_event_destroy(event);
            native::rd_kafka_queue_destroy(queue);
            native::rd_kafka_AclBinding_destroy_array(bindings.as_mut_ptr(), bindings.len());
        }
    }
}

pub fn set(connection: &mut Connection, properties: &[(&str, &str)]) {
    connection.properties.extend(properties.iter().map(|(name, value)| (name.to_string(), value.to_string())));
}

fn c(text: &str) -> CString {
    CString::new(text).expect("a text without a zero byte")
}

/// One operation on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub operation: String,
    /// `--topic`, `--group` or `--transactional-id`.
    pub kind: String,
    pub name: String,
    pub is_prefix: bool,
}

impl Acl {
    /// Those of the `kafka-acls.sh` lines that `callpulse topics` prints.
    pub fn parse(printed: &str) -> Vec<Acl> {
        let lines =
            printed.lines().filter_map(|line| line.strip_prefix("kafka-acls.sh --add --allow-principal PRINCIPAL"));
        lines.flat_map(Acl::of_line).collect()
    }

    fn of_line(line: &str) -> Vec<Acl> {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words.len() % 2, 0, "{line}");
        let options: BTreeMap<&str, &str> = words.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let known = ["--operation", "--topic", "--group", "--transactional-id", "--resource-pattern-type"];
        assert!(options.keys().all(|option| known.contains(option)), "{line}");
        let resources = ["--topic", "--group", "--transactional-id"];
        let mut resources =
            resources.iter().filter_map(|kind| Some((kind.to_string(), options.get(kind)?.to_string())));
        let (kind, name) = resources.next().expect("a resource");
        assert_eq!(resources.next(), None, "{line}");
        let is_prefix = match options.get("--resource-pattern-type") {
            None => false,
            Some(&"prefixed") => true,
            Some(other) => panic!("{other} is no pattern we grant"),
        };
        let operations = words.chunks(2).filter(|pair| pair[0] == "--operation");
        let acl = |operation: &str| Acl {
            operation: operation.to_owned(),
            kind: kind.clone(),
            name: name.clone(),
            is_prefix,
        };
        operations.map(|pair| acl(pair[1])).collect()
    }

    fn codes(&self) -> (native::rd_kafka_ResourceType_t, native::rd_kafka_AclOperation_t) {
        use native::rd_kafka_AclOperation_t as Operation;
        use native::rd_kafka_ResourceType_t as Resource;
        let resource = match self.kind.as_str() {
            "--topic" => Resource::RD_KAFKA_RESOURCE_TOPIC,
            "--group" => Resource::RD_KAFKA_RESOURCE_GROUP,
            _ => Resource::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID,
        };
        let operation = match self.operation.as_str() {
            "Read" => Operation::RD_KAFKA_ACL_OPERATION_READ,
            "Write" => Operation::RD_KAFKA_ACL_OPERATION_WRITE,
            "Describe" => Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE,
            "DescribeConfigs" => Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
            other => panic!("{other} is nothing we should need"),
        };
        (resource, operation)
    }
}

fn settings(dir: &Path, ports: Ports, controller: u16) -> String {
    let Ports { login, open, tls, mutual } = ports;
    let dir = dir.display();
    let advertised =
        format!("LOGIN://127.0.0.1:{login},OPEN://127.0.0.1:{open},TLS://127.0.0.1:{tls},MUTUAL://127.0.0.1:{mutual}");
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule";
    let lacking: String = (0..LACKING).map(|number| format!(" user_lacking{number}=\"{PASSWORD}\"")).collect();
    format!(
        "listeners={advertised},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners={advertised}\n\
         listener.security.protocol.map=LOGIN:SASL_SSL,OPEN:SASL_PLAINTEXT,TLS:SSL,MUTUAL:SSL,CONTROLLER:SSL\n\
         inter.broker.listener.name=MUTUAL\n\
         ssl.keystore.type=PKCS12\nssl.keystore.location={dir}/broker.p12\nssl.keystore.password={STORE}\n\
         ssl.key.password={STORE}\nssl.truststore.type=PEM\nssl.truststore.location={dir}/authority.pem\n\
         listener.name.mutual.ssl.client.auth=required\nlistener.name.controller.ssl.client.auth=required\n\
         listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
         listener.name.login.plain.sasl.jaas.config={plain} required user_admin=\"{ADMIN}\" \
         user_callpulse=\"{PASSWORD}\"{lacking};\n\
         listener.name.login.scram-sha-512.sasl.jaas.config={scram} required;\n\
         listener.name.open.sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         listener.name.open.scram-sha-512.sasl.jaas.config={scram} required;\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:admin;User:CN=broker\n"
    )
}

/// An authority, certificates of the broker and of callpulse that it signed, and one of a stranger.
fn certify(dir: &Path) {
    let all = dir.join("all.p12").display().to_string();
    let pair = |alias: &str, more: &[&str]| {
        let name = format!("CN={alias}");
        keytool(&all, &[&["-genkeypair", "-alias", alias, "-dname", &name, "-keyalg", "EC"], more].concat());
    };
    pair("authority", &["-ext", "bc:c"]);
    pair("stranger", &["-ext", "bc:c"]);
    pair("broker", &["-signer", "authority", "-ext", "san=ip:127.0.0.1"]);
    pair("callpulse", &["-signer", "authority"]);
    for alias in ["authority", "stranger"] {
        let file = dir.join(format!("{alias}.pem")).display().to_string();
        keytool(&all, &["-exportcert", "-rfc", "-alias", alias, "-file", &file]);
    }
    for alias in ["broker", "callpulse"] {
        let file = dir.join(format!("{alias}.p12")).display().to_string();
        let from = ["-srckeystore", &all, "-srcstorepass", STORE, "-srcalias", alias];
        keytool(
            &file,
            &[&["-importkeystore", "-deststoretype", "PKCS12", "-deststorepass", STORE][..], &from].concat(),
        );
    }
}

/// Runs the tool that comes with every Java runtime.
fn keytool(store: &str, words: &[&str]) {
    let place = match words[0] {
        "-importkeystore" => vec!["-destkeystore", store],
        _ => vec!["-keystore", store, "-storepass", STORE],
    };
    let made = Command::new("keytool").args(words).args(place).output().expect("keytool, which comes with Java");
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success(), "keytool {words:?}: {said}{}", String::from_utf8_lossy(&made.stderr));
}
