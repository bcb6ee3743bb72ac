//! What is told of a server that is ready: lines for people, a file for programs.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use lazuli_engine::Durability;
use serde_json::{Value, json};

use crate::config::accounts::DEVELOPMENT_KEY;
use crate::config::{Config, Data};
use crate::failure::{Failure, While as _};
use crate::output;

/// Where a running server is reached.
#[derive(Debug)]
pub(super) struct Endpoints {
    account: String,
    /// The protocol of the services; the admin listener's is always `http`.
    protocol: &'static str,
    /// The services, by the names of their settings and of their endpoints in connection strings.
    services: Vec<Served>,
    admin: String,
}

/// A service that is served.
#[derive(Debug)]
pub(super) struct Served {
    /// Its name in settings and in the ready file.
    pub(super) name: &'static str,
    /// Its key in a connection string.
    pub(super) key: &'static str,
    /// The address of its listener.
    pub(super) address: SocketAddr,
}

impl Endpoints {
    /// The endpoints of listeners at these addresses, for the first account.
    pub(super) fn new(config: &Config, services: Vec<Served>, admin: SocketAddr) -> Self {
        let account =
            config.accounts.first().map(|account| account.name.clone()).unwrap_or_default();
        let protocol = if config.tls.is_some() { "https" } else { "http" };
        Self { services, admin: format!("http://{}", reachable(admin)), account, protocol }
    }

    /// The address of a service as clients write it.
    fn url(&self, service: &Served) -> String {
        format!("{}://{}/{}", self.protocol, reachable(service.address), self.account)
    }

    /// Writes the ready file and prints the endpoints, now that all listeners accept.
    pub(super) fn announce(&self, config: &Config) -> Result<(), Failure> {
        if let Some(path) = &config.ready_file {
            write_atomically(path, &self.json().to_string())
                .or_fail(format!("write the ready file {}", path.display()))?;
        }
        output::line(self.text(config))
    }

    /// Removes the ready file: it promised listeners that are gone.
    pub(super) fn withdraw(&self, config: &Config) {
        let Some(path) = &config.ready_file else { return };
        // Only ours: another server may have written it since.
        let ours = self.json().to_string();
        if fs::read_to_string(path).is_ok_and(|text| text == ours) {
            let _ = fs::remove_file(path);
        }
    }

    fn json(&self) -> Value {
        let mut ready = json!({
            "blob": null,
            "queue": null,
            "table": null,
            "dfs": null,
            "admin": self.admin,
            "account": self.account,
            "pid": std::process::id(),
        });
        for service in &self.services {
            ready[service.name] = json!(self.url(service));
        }
        ready
    }

    fn text(&self, config: &Config) -> String {
        let Self { account, admin, protocol, .. } = self;
        let (mut lines, mut endpoints) = (String::new(), String::new());
        for service in &self.services {
            let url = self.url(service);
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{:6} ready at {url}", service.name);
            let _ = write!(endpoints, "{}={url};", service.key);
        }
        let key = if config.is_development() { DEVELOPMENT_KEY } else { "KEY" };
        let version = env!("CARGO_PKG_VERSION");
        let data = data_line(config);
        format!(
            "lazuli {version}, {data}\n\
             {lines}\
             admin  ready at {admin} (/health/live, /health/ready, /metrics)\n\
             \n\
             Connection string:\n\
             DefaultEndpointsProtocol={protocol};AccountName={account};AccountKey={key};\
             {endpoints}"
        )
    }
}

/// Removes a ready file that a server which was killed left behind.
pub(super) fn clear(config: &Config) -> Result<(), Failure> {
    let Some(path) = &config.ready_file else { return Ok(()) };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).or_fail(format!("remove the old ready file {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// What an operator has to know about where the data is and when it is safe.
fn data_line(config: &Config) -> String {
    match (&config.data, config.durability) {
        (Data::Memory, _) => "data in memory: it is gone when the server stops".to_owned(),
        (Data::Directory(path), Durability::Sync) => {
            format!("data in {}, durability sync: what is acknowledged is on disk", path.display())
        }
        (Data::Directory(path), Durability::Relaxed) => format!(
            "data in {}, durability relaxed: a power cut may lose the last second of acknowledged \
             writes, a crash of the process none",
            path.display()
        ),
    }
}

/// The address as a client on this machine would write it.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Writes beside `path` and renames, so that a reader finds the whole text or no file.
fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    let mut file = fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn config(environment: &[(&str, &str)]) -> Config {
        let find = |name: &str| {
            let found = environment.iter().find(|(have, _)| *have == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        Config::from_layers(&Layers::read(None, find, &[]).unwrap()).unwrap()
    }

    fn endpoints(config: &Config) -> Endpoints {
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let blob = Served { name: "blob", key: "BlobEndpoint", address: any(1) };
        Endpoints::new(config, vec![blob], any(2))
    }

    #[test]
    fn the_connection_string_can_be_pasted() {
        let config = config(&[]);
        let text = endpoints(&config).text(&config);
        let last = text.lines().last().unwrap();
        assert_eq!(
            last,
            format!(
                "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;\
                 AccountKey={DEVELOPMENT_KEY};BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;"
            )
        );
        assert!(text.contains("blob   ready at http://127.0.0.1:1/devstoreaccount1\n"), "{text}");
        assert!(text.contains("admin  ready at http://127.0.0.1:2 "), "{text}");
    }

    #[test]
    fn endpoints_with_a_certificate_are_https() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let certificate = file("cert.pem", made.cert.pem());
        let key = file("key.pem", made.signing_key.serialize_pem());
        let config = config(&[("LAZULI_TLS_CERTIFICATE", &certificate), ("LAZULI_TLS_KEY", &key)]);
        let endpoints = endpoints(&config);
        let (text, ready) = (endpoints.text(&config), endpoints.json());
        let url = "https://127.0.0.1:1/devstoreaccount1";
        assert!(text.contains(&format!("blob   ready at {url}\n")), "{text}");
        assert!(text.contains("DefaultEndpointsProtocol=https;"), "{text}");
        assert!(text.contains(&format!("BlobEndpoint={url};")), "{text}");
        assert!(text.contains("admin  ready at http://127.0.0.1:2 "), "{text}");
        assert_eq!((&ready["blob"], &ready["admin"]), (&json!(url), &json!("http://127.0.0.1:2")));
    }

    #[test]
    fn keys_that_are_not_public_are_not_printed() {
        let config = config(&[("LAZULI_ACCOUNTS", "devstoreaccount1:c2VjcmV0")]);
        let text = endpoints(&config).text(&config);
        assert!(text.contains("AccountKey=KEY;") && !text.contains("c2VjcmV0"), "{text}");
    }

    #[test]
    fn what_may_be_lost_is_said() {
        let line = |environment: &[(&str, &str)]| data_line(&config(environment));
        assert!(line(&[]).ends_with("durability sync: what is acknowledged is on disk"));
        assert!(line(&[("LAZULI_DURABILITY", "relaxed")]).contains("may lose the last second"));
        assert!(line(&[("LAZULI_IN_MEMORY", "true")]).contains("gone when the server stops"));
    }

    #[test]
    fn the_ready_file_is_written_whole_and_withdrawn_by_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        let config = config(&[("LAZULI_READY_FILE", path.to_str().unwrap())]);
        let endpoints = endpoints(&config);
        write_atomically(&path, &endpoints.json().to_string()).unwrap();
        let ready: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(ready["blob"], "http://127.0.0.1:1/devstoreaccount1");
        assert_eq!(ready["account"], "devstoreaccount1");
        assert_eq!(
            (&ready["queue"], &ready["admin"]),
            (&Value::Null, &json!("http://127.0.0.1:2"))
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        endpoints.withdraw(&config);
        assert!(!path.exists());
        fs::write(&path, "another's").unwrap();
        endpoints.withdraw(&config);
        assert!(path.exists());
        clear(&config).unwrap();
        assert!(!path.exists());
        clear(&config).unwrap();
    }
}
