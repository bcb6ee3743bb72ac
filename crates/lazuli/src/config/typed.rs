//! The configuration as types: every text checked, every wrong one blamed on its place.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lazuli_api::{Rehydration, UnknownVersions};
use lazuli_auth::{Guid, Identities};
use lazuli_engine::Durability;
use lazuli_fetch::{Guard, Roots};
use lazuli_server::{Limits, Tls};
use lazuli_tlog::Hash;

use super::accounts::{self, Account, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY};
use super::settings::{self, Kind};
use super::{Layers, Origin, Value, identity, places};
use crate::failure::Failure;

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// In a directory.
    Directory(PathBuf),
    /// In memory, gone with the process.
    Memory,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Everything `lazuli serve` needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data: Data,
    pub(crate) durability: Durability,
    /// At least one, no name twice.
    pub(crate) accounts: Vec<Account>,
    pub(crate) host: String,
    pub(crate) blob_port: u16,
    pub(crate) queue_port: u16,
    pub(crate) table_port: u16,
    pub(crate) admin_port: u16,
    pub(crate) versions: UnknownVersions,
    pub(crate) log: LogFormat,
    pub(crate) log_filter: String,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) limits: Limits,
    /// What the listeners of the services prove themselves with; they speak no TLS without it.
    pub(crate) tls: Option<Tls>,
    /// Whose bearer tokens are taken; nobody's without.
    pub(crate) identities: Option<Arc<Identities>>,
    /// How long archived blobs take to come back.
    pub(crate) rehydration: Rehydration,
    /// Where copy sources on other servers may be.
    pub(crate) copy_sources: Guard,
    /// Whom to trust there besides the system's authorities.
    pub(crate) copy_source_roots: Roots,
    /// `None` if nothing is to be logged.
    pub(crate) transparency: Option<Transparency>,
    /// The SHA-256 of all settings but the keys of accounts.
    pub(crate) digest: [u8; 32],
}

/// Where the transparency log keeps what must not lie with the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transparency {
    /// The last signed head; in memory for a store in memory.
    pub(crate) head_store: Option<PathBuf>,
    /// The keys; in memory for a store in memory.
    pub(crate) keys: Option<PathBuf>,
    /// The public files; in memory for a store in memory.
    pub(crate) directory: Option<PathBuf>,
    /// The name of a log whose keys are drawn; drawn, too, without one.
    pub(crate) origin: Option<String>,
    /// The accounts whose reads are entered before they are answered.
    pub(crate) strict_reads: Vec<String>,
    /// The policy that names the witnesses.
    pub(crate) witnesses: Option<PathBuf>,
    /// The roots that they are trusted by, if not those of the system.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Config {
    /// Whether the only account is the development account with its public key.
    pub(crate) fn is_development(&self) -> bool {
        matches!(self.accounts.as_slice(), [account] if account.is_development)
    }

    /// Checks every setting, those of services that are not built yet included.
    pub(crate) fn from_layers(layers: &Layers) -> Result<Self, Failure> {
        layers.parse::<u16>("dfs-port")?;
        let data = if layers.parse::<bool>("in-memory")? {
            Data::Memory
        } else {
            Data::Directory(PathBuf::from(layers.non_empty("data")?))
        };
        let durability = match layers.word("durability")? {
            "relaxed" => Durability::Relaxed,
            _ => Durability::Sync,
        };
        let versions = if layers.parse::<bool>("strict-versions")? {
            UnknownVersions::Refuse
        } else {
            UnknownVersions::Serve
        };
        let log = match layers.word("log")? {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        };
        let ready_file = layers.given("ready-file");
        let transparency = layers.transparency(&data)?;
        Ok(Self {
            data,
            durability,
            accounts: layers.accounts()?,
            host: layers.non_empty("host")?.to_owned(),
            blob_port: layers.parse("blob-port")?,
            queue_port: layers.parse("queue-port")?,
            table_port: layers.parse("table-port")?,
            admin_port: layers.parse("admin-port")?,
            versions,
            log,
            log_filter: layers.last("log-filter").text.clone(),
            ready_file: ready_file.map(PathBuf::from),
            limits: layers.limits()?,
            tls: layers.tls()?,
            identities: layers.identities()?.map(Arc::new),
            rehydration: Rehydration {
                standard: layers.seconds("rehydration.standard-seconds")?,
                high: layers.seconds("rehydration.high-seconds")?,
            },
            copy_sources: layers.copy_sources()?,
            copy_source_roots: layers.copy_source_roots()?,
            transparency,
            digest: Hash::of(&[format!("{:?}", layers.explain()).as_bytes()]).0,
        })
    }
}

/// Blames a value on its place.
fn wrong(key: &str, value: &Value, what: impl fmt::Display) -> Failure {
    let Value { text, origin } = value;
    match origin {
        Origin::Default | Origin::Beside => Failure::usage(format!("`{key}`: {what}")),
        _ => Failure::usage(format!("{origin}: `{text}` is no value for `{key}`: {what}")),
    }
}

impl Layers {
    fn parse<T: FromStr>(&self, key: &str) -> Result<T, Failure> {
        let value = self.last(key);
        value.text.trim().parse().map_err(|_| wrong(key, value, expected(key)))
    }

    fn non_empty(&self, key: &str) -> Result<&str, Failure> {
        let value = self.last(key);
        match value.text.as_str() {
            "" => Err(wrong(key, value, "it must not be empty")),
            text => Ok(text),
        }
    }

    fn word(&self, key: &str) -> Result<&'static str, Failure> {
        let value = self.last(key);
        let words = match settings::find(key).map(|setting| setting.kind) {
            Some(Kind::Word(words)) => words,
            _ => &[],
        };
        let found = words.iter().find(|word| **word == value.text).copied();
        found.ok_or_else(|| wrong(key, value, format!("it is one of: {}", words.join(", "))))
    }

    fn count(&self, key: &str) -> Result<u64, Failure> {
        match self.parse(key)? {
            0 => Err(wrong(key, self.last(key), expected(key))),
            count => Ok(count),
        }
    }

    fn size(&self, key: &str) -> Result<usize, Failure> {
        let count = self.count(key)?;
        usize::try_from(count).map_err(|_| wrong(key, self.last(key), expected(key)))
    }

    fn seconds(&self, key: &str) -> Result<Duration, Failure> {
        let seconds: f64 = self.parse(key)?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(duration) if !duration.is_zero() => Ok(duration),
            _ => Err(wrong(key, self.last(key), expected(key))),
        }
    }

    /// A text that is not empty, if there is one.
    fn given(&self, key: &str) -> Option<&str> {
        Some(self.last(key).text.as_str()).filter(|text| !text.is_empty())
    }

    fn transparency(&self, data: &Data) -> Result<Option<Transparency>, Failure> {
        if self.word("transparency-log")? == "off" {
            return Ok(None);
        }
        let file = |key: &str| match data {
            Data::Directory(_) => self.given(key).map(PathBuf::from),
            Data::Memory => None,
        };
        if let Data::Directory(directory) = data {
            self.keep_apart(directory)?;
        }
        Ok(Some(Transparency {
            head_store: file("head-store"),
            keys: file("log-keys"),
            directory: file("log-directory"),
            origin: self.given("log-origin").map(str::to_owned),
            strict_reads: self.strict_reads()?,
            witnesses: self.given("witness-policy").map(PathBuf::from),
            ca_file: self.given("ca-file").map(PathBuf::from),
        }))
    }

    /// Refuses places of the log that make it worth nothing: in the data directory, so that a backup
    /// or a copy has them along, or secrets among the files that are handed to anybody.
    fn keep_apart(&self, data: &Path) -> Result<(), Failure> {
        let place = |key: &str| self.given(key).map(Path::new);
        let refuse = |key: &str, what: &str| Err(wrong(key, self.last(key), what));
        for (key, _) in settings::BESIDE {
            if place(key).is_some_and(|path| places::lies_in(path, data)) {
                let data = data.display();
                let what = format!(
                    "it must lie outside the data directory `{data}`, which is copied and restored \
                     without it"
                );
                return refuse(key, &what);
            }
        }
        let Some(public) = place("log-directory") else { return Ok(()) };
        if places::lies_in(data, public) {
            let what = "it may be handed to anybody, and must not hold the data directory";
            return refuse("log-directory", what);
        }
        for key in ["head-store", "log-keys"] {
            if place(key).is_some_and(|path| places::lies_in(path, public)) {
                let what = "it must lie outside the log directory, which may be handed to anybody";
                return refuse(key, what);
            }
        }
        Ok(())
    }

    /// Names of accounts that exist, separated by `;`.
    fn strict_reads(&self) -> Result<Vec<String>, Failure> {
        let key = "log-strict-reads";
        let known = self.accounts()?;
        let names = self.given(key).unwrap_or_default().split(';').map(str::trim);
        names
            .filter(|name| !name.is_empty())
            .map(|name| {
                if known.iter().any(|account| account.name == name) {
                    return Ok(name.to_owned());
                }
                Err(wrong(key, self.last(key), format!("no account is named `{name}`")))
            })
            .collect()
    }

    /// The items of a list, separated by `;`.
    fn list<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<Vec<T>, Failure> {
        let value = self.last(key);
        let items = value.text.split(';').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| item.parse().map_err(|error| wrong(key, value, error))).collect()
    }

    fn copy_sources(&self) -> Result<Guard, Failure> {
        Ok(Guard::new(self.list("copy-source-hosts")?, self.list("copy-source-networks")?))
    }

    fn copy_source_roots(&self) -> Result<Roots, Failure> {
        let key = "copy-source-ca-file";
        let Some(path) = self.given(key) else { return Ok(Roots::default()) };
        Roots::from_pem_file(path.as_ref()).map_err(|error| wrong(key, self.last(key), error))
    }

    /// The certificate and its key: both or neither.
    fn tls(&self) -> Result<Option<Tls>, Failure> {
        let missing = |key: &str, other: &str| {
            wrong(key, self.last(key), format!("`{other}` is there, so it must not be empty"))
        };
        match (self.given("tls.certificate"), self.given("tls.key")) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(missing("tls.certificate", "tls.key")),
            (Some(_), None) => Err(missing("tls.key", "tls.certificate")),
            (Some(certificate), Some(key)) => {
                Tls::from_pem_files(certificate.as_ref(), key.as_ref())
                    .map(Some)
                    .map_err(|error| wrong("tls.certificate", self.last("tls.certificate"), error))
            }
        }
    }

    /// A tenant's identities: its keys and who has which role.
    fn identities(&self) -> Result<Option<Identities>, Failure> {
        let Some(tenant) = self.given("identity.tenant") else {
            for key in ["identity.issuers", "identity.keys", "identity.assignments"] {
                let value = self.last(key);
                if !value.text.is_empty() {
                    return Err(wrong(key, value, "it means nothing without `identity.tenant`"));
                }
            }
            return Ok(None);
        };
        let blame = |key: &'static str| move |what: String| wrong(key, self.last(key), what);
        let tenant: Guid = tenant
            .parse()
            .map_err(|error: lazuli_auth::NoGuid| blame("identity.tenant")(error.to_string()))?;
        let keys = identity::keys(self.non_empty("identity.keys")?);
        let keys = keys.map_err(blame("identity.keys"))?;
        let issuers = self.list("identity.issuers")?;
        let accounts = self.accounts()?;
        let mut assignments = Vec::new();
        for value in self.all("identity.assignments") {
            let more = identity::assignments(&value.text, &accounts)
                .map_err(|what| Failure::usage(format!("{}: {what}", value.origin)))?;
            assignments.extend(more);
        }
        Ok(Some(identity::identities(tenant, issuers, keys, assignments)))
    }

    fn limits(&self) -> Result<Limits, Failure> {
        Ok(Limits {
            connections_max: self.size("limits.connections")?,
            head_bytes_max: self.size("limits.head-bytes")?,
            headers_max: self.size("limits.headers")?,
            head_read: self.seconds("limits.head-seconds")?,
            idle: self.seconds("limits.idle-seconds")?,
            body_stall: self.seconds("limits.body-stall-seconds")?,
            write_stall: self.seconds("limits.write-stall-seconds")?,
            bytes_per_second_min: self.count("limits.bytes-per-second")?,
            rate_window: self.seconds("limits.rate-window-seconds")?,
            linger: self.seconds("limits.linger-seconds")?,
        })
    }

    /// The accounts of all layers, or the development account if nobody named one. A name that
    /// comes again replaces the keys it had.
    fn accounts(&self) -> Result<Vec<Account>, Failure> {
        let mut found: Vec<Account> = Vec::new();
        for value in self.all("accounts") {
            let accounts = accounts::parse(&value.text)
                .map_err(|what| Failure::usage(format!("{}: {what}", value.origin)))?;
            for account in accounts {
                found.retain(|known| known.name != account.name);
                found.push(account);
            }
        }
        if found.is_empty() {
            let text = format!("{DEVELOPMENT_ACCOUNT}:{DEVELOPMENT_KEY}");
            found = accounts::parse(&text).map_err(Failure::new)?;
        }
        Ok(found)
    }
}

/// What a setting takes, in words.
fn expected(key: &str) -> &'static str {
    match settings::find(key).map(|setting| setting.kind) {
        Some(Kind::Switch) => "it is `true` or `false`",
        Some(Kind::Port) => "it is a port, 0 to 65535; 0 picks a free one",
        Some(Kind::Count) => "it is a positive whole number",
        Some(Kind::Seconds) => "it is a positive number of seconds",
        _ => "it is malformed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(environment: &[(&str, &str)]) -> Result<Config, String> {
        let find = |name: &str| {
            let found = environment.iter().find(|(have, _)| *have == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        let layers = Layers::read(None, find, &[]).map_err(|failure| failure.to_string())?;
        Config::from_layers(&layers).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = config(&[]).unwrap();
        assert_eq!(config.data, Data::Directory("./lazuli-data".into()));
        assert_eq!(
            (config.blob_port, config.queue_port, config.table_port, config.admin_port),
            (10000, 10001, 10002, 10004)
        );
        assert_eq!(config.host, "127.0.0.1");
        assert_eq!(config.durability, Durability::Sync);
        assert_eq!(config.versions, UnknownVersions::Serve);
        assert_eq!((config.log, config.ready_file.clone()), (LogFormat::Text, None));
        assert_eq!(config.limits, Limits::default());
        assert!(config.is_development());
        assert!(config.transparency.is_some());
        assert_eq!(self::config(&[("LAZULI_TRANSPARENCY_LOG", "off")]).unwrap().transparency, None);
    }

    #[test]
    fn the_log_keeps_its_secrets_beside_the_data() {
        let log = config(&[("LAZULI_DATA", "/srv/blobs/")]).unwrap().transparency.unwrap();
        assert_eq!(log.head_store, Some("/srv/blobs.heads".into()));
        assert_eq!(log.keys, Some("/srv/blobs.keys".into()));
        assert_eq!((log.directory, log.origin), (Some("/srv/blobs.log".into()), None));
        let log = config(&[("LAZULI_HEAD_STORE", "/mnt/heads")]).unwrap();
        assert_eq!(log.transparency.unwrap().head_store, Some("/mnt/heads".into()));
        let strict = config(&[("LAZULI_LOG_STRICT_READS", "devstoreaccount1")]).unwrap();
        assert_eq!(strict.transparency.unwrap().strict_reads, ["devstoreaccount1"]);
        assert!(config(&[("LAZULI_LOG_STRICT_READS", "nobody")]).is_err());
        let log = config(&[("LAZULI_IN_MEMORY", "true"), ("LAZULI_LOG_KEYS", "k")]).unwrap();
        assert_eq!(log.transparency.unwrap().keys, None);
    }

    #[test]
    fn copy_sources_are_azure_unless_others_are_named() {
        let guard = config(&[]).unwrap().copy_sources;
        assert!(guard.admits_host("a.blob.core.windows.net", 443));
        assert!(!guard.admits_host("example.com", 443) && !guard.admits_host("127.0.0.1", 80));
        assert!(!guard.admits_address([127, 0, 0, 1].into()));
        let guard = config(&[
            ("LAZULI_COPY_SOURCE_HOSTS", "127.0.0.1:10000; *.example.com"),
            ("LAZULI_COPY_SOURCE_NETWORKS", "127.0.0.0/8;"),
        ]);
        let guard = guard.unwrap().copy_sources;
        assert!(guard.admits_host("127.0.0.1", 10_000) && guard.admits_host("a.example.com", 1));
        assert!(!guard.admits_host("a.blob.core.windows.net", 443));
        assert!(guard.admits_address([127, 0, 0, 1].into()));
        let none = config(&[("LAZULI_COPY_SOURCE_HOSTS", "")]).unwrap().copy_sources;
        assert!(!none.admits_host("a.blob.core.windows.net", 443));
        for (name, text) in [
            ("LAZULI_COPY_SOURCE_HOSTS", "http://a"),
            ("LAZULI_COPY_SOURCE_NETWORKS", "10.0.0.0/33"),
            ("LAZULI_COPY_SOURCE_CA_FILE", "/no/such.pem"),
        ] {
            let error = config(&[(name, text)]).unwrap_err();
            assert!(error.starts_with(&format!("error: {name}: `{text}` is no value")), "{error}");
        }
    }

    #[test]
    fn a_certificate_comes_with_its_key() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let certificate = ("LAZULI_TLS_CERTIFICATE", certificate.to_str().unwrap());
        let key = ("LAZULI_TLS_KEY", key.to_str().unwrap());
        assert!(config(&[]).unwrap().tls.is_none());
        assert!(config(&[certificate, key]).unwrap().tls.is_some());
        let error = config(&[key]).unwrap_err();
        assert_eq!(error, "error: `tls.certificate`: `tls.key` is there, so it must not be empty");
        assert!(config(&[certificate]).unwrap_err().starts_with("error: `tls.key`: "));
        let error = config(&[certificate, ("LAZULI_TLS_KEY", "/no/such.pem")]).unwrap_err();
        assert!(error.starts_with("error: LAZULI_TLS_CERTIFICATE: "), "{error}");
        assert!(error.contains("/no/such.pem: "), "{error}");
    }

    #[test]
    fn identities_need_a_tenant_and_keys() {
        const TENANT: (&str, &str) =
            ("LAZULI_IDENTITY_TENANT", "ab1f708d-50f6-404c-a006-d71b2ac7a606");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let coordinate = "A".repeat(43);
        let set = format!(
            r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{coordinate}","y":"{coordinate}"}}]}}"#
        );
        std::fs::write(&path, set).unwrap();
        let keys = ("LAZULI_IDENTITY_KEYS", path.to_str().unwrap());
        let role = (
            "LAZULI_IDENTITY_ASSIGNMENTS",
            "devstoreaccount1:11059fcc-5514-4800-b5f8-49808b9cfab6:Storage Queue Data Reader",
        );
        assert!(config(&[]).unwrap().identities.is_none());
        let identities = config(&[TENANT, keys, role]).unwrap().identities.unwrap();
        assert_eq!(identities.tenant().as_str(), TENANT.1);
        for (environment, want) in [
            (&[keys][..], "LAZULI_IDENTITY_KEYS: "),
            (&[role], "LAZULI_IDENTITY_ASSIGNMENTS: "),
            (&[TENANT], "`identity.keys`: it must not be empty"),
            (&[("LAZULI_IDENTITY_TENANT", "here"), keys], "LAZULI_IDENTITY_TENANT: `here` is no"),
            (&[TENANT, ("LAZULI_IDENTITY_KEYS", "/no/such")], "LAZULI_IDENTITY_KEYS: `/no/such`"),
            (
                &[TENANT, keys, ("LAZULI_IDENTITY_ASSIGNMENTS", "x:y:z")],
                "LAZULI_IDENTITY_ASSIGNMENTS: no account is named `x`",
            ),
        ] {
            let error = config(environment).unwrap_err();
            assert!(error.starts_with(&format!("error: {want}")), "{error}");
        }
    }

    #[test]
    fn given_accounts_replace_the_development_account() {
        let config = config(&[
            ("AZURITE_ACCOUNTS", "one:YQ==;two:YQ=="),
            ("LAZULI_ACCOUNTS", "one:Yg==:Yw=="),
        ]);
        let config = config.unwrap();
        let accounts: Vec<_> = config
            .accounts
            .iter()
            .map(|account| (account.name.as_str(), account.keys.len()))
            .collect();
        assert_eq!(accounts, [("two", 1), ("one", 2)]);
        assert!(!config.is_development());
    }

    #[test]
    fn a_wrong_value_is_blamed_on_its_place() {
        for (name, text, want) in [
            (
                "LAZULI_DFS_PORT",
                "70000",
                "error: LAZULI_DFS_PORT: `70000` is no value for `dfs-port`: \
                 it is a port, 0 to 65535; 0 picks a free one",
            ),
            (
                "LAZULI_DURABILITY",
                "none",
                "error: LAZULI_DURABILITY: `none` is no value for `durability`: \
                 it is one of: sync, relaxed",
            ),
            (
                "LAZULI_LIMITS_IDLE_SECONDS",
                "-1",
                "error: LAZULI_LIMITS_IDLE_SECONDS: `-1` is no value for `limits.idle-seconds`: \
                 it is a positive number of seconds",
            ),
            (
                "LAZULI_LIMITS_HEADERS",
                "0",
                "error: LAZULI_LIMITS_HEADERS: `0` is no value for `limits.headers`: \
                 it is a positive whole number",
            ),
            (
                "LAZULI_ACCOUNTS",
                "one:secret!",
                "error: LAZULI_ACCOUNTS: a key of account `one` is empty or not base64",
            ),
        ] {
            assert_eq!(config(&[(name, text)]).unwrap_err(), want);
        }
    }
}
