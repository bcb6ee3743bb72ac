//! Step 1 of a request: account, container and blob from the raw target and the `Host` header.
//!
//! Addresses come in two styles: host style (`http://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB`,
//! any suffix) and path style (`http://127.0.0.1:10000/ACCOUNT/CONTAINER/BLOB`), as the emulators
//! use. <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>

use std::borrow::Cow;
use std::net::IpAddr;

use lazuli_model::entity::EntityKey;
use lazuli_model::{ErrorCode, Refusal, Service};
use lazuli_wire::odata::address::TableAddress;
use lazuli_wire::{odata, percent};

use crate::spec::Level;

/// What a request's target names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The account, without a `-secondary` suffix.
    pub account: String,
    /// Whether the account was addressed by its read-only secondary name.
    pub secondary: bool,
    /// Path exactly as sent, never empty.
    pub path: &'a str,
    /// Query exactly as sent, without the question mark.
    pub query: &'a str,
    /// First path segment below the account, decoded; empty if there is none.
    pub first: String,
    /// Everything after the first segment's slash, decoded; `None` without such a slash.
    pub rest: Option<String>,
    /// The base of URLs that name this account, with a trailing slash, as listings print it.
    pub endpoint: String,
}

/// Suffixes of the account label that name another way to reach the same account.
const LABEL_SUFFIXES: [&str; 3] = ["-secondary", "-ipv6", "-dualstack"];

/// Splits `target` (a path with query as sent) into its parts.
///
/// `is_account` tells which accounts exist: a name that is both no account's host and not a path
/// style URL is refused as `ResourceNotFound`.
pub fn resolve<'a>(
    target: &'a str,
    host: Option<&str>,
    secure: bool,
    is_account: impl Fn(&str) -> bool,
) -> Result<Address<'a>, Refusal> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') {
        return Err(ErrorCode::InvalidUri.into());
    }
    let host = host.unwrap_or_default();
    let scheme = if secure { "https" } else { "http" };
    // Host names have no letter case; names of accounts are lower case.
    let name = host_account(host).map(str::to_ascii_lowercase);
    let from_host = name.as_deref().map(split_label).filter(|(label, _)| is_account(label));
    let (account, secondary, below, endpoint) = if let Some((label, secondary)) = from_host {
        (label.to_owned(), secondary, path, [scheme, "://", host, "/"].concat())
    } else {
        let inner = path.get(1..).unwrap_or_default();
        let (segment, below) = match inner.find('/') {
            Some(slash) => inner.split_at(slash),
            None => (inner, ""),
        };
        let decoded = percent::decode_path(segment)?;
        let (label, secondary) = split_label(&decoded);
        if !is_account(label) {
            return Err(Refusal::new(ErrorCode::ResourceNotFound)
                .with_cause(format!("no account `{label}` (host `{host}`)")));
        }
        (label.to_owned(), secondary, below, [scheme, "://", host, "/", segment, "/"].concat())
    };
    let below = below.strip_prefix('/').unwrap_or(below);
    let (first, rest) = match below.split_once('/') {
        Some((first, rest)) => (percent::decode_path(first)?, Some(percent::decode_path(rest)?)),
        None => (percent::decode_path(below)?, None),
    };
    Ok(Address {
        account,
        secondary,
        path,
        query,
        first: first.into_owned(),
        rest: rest.map(std::borrow::Cow::into_owned),
        endpoint,
    })
}

/// The first label of a host name that has several; `None` for addresses and single labels.
fn host_account(host: &str) -> Option<&str> {
    let name = match host.strip_prefix('[') {
        Some(_) => return None,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    if name.parse::<IpAddr>().is_ok() {
        return None;
    }
    name.split_once('.').map(|(label, _)| label)
}

/// The account of a host label or path segment, and whether it names the secondary.
fn split_label(label: &str) -> (&str, bool) {
    let mut account = label;
    let mut secondary = false;
    while let Some(suffix) = LABEL_SUFFIXES.iter().find(|suffix| account.ends_with(**suffix)) {
        secondary |= *suffix == "-secondary";
        account = account.strip_suffix(suffix).unwrap_or(account);
    }
    (account, secondary)
}

/// What a URL names inside an account, once the query said whether one segment is a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The account (the service).
    Account,
    /// A container.
    Container(String),
    /// A blob in a container.
    Blob(String, String),
    /// The tables of the account.
    Tables,
    /// A table among the tables.
    NamedTable(String),
    /// The entities of a table.
    Table(String),
    /// An entity.
    Entity(EntityAddress),
    /// Where entity group transactions are sent.
    Batch,
    /// A queue.
    Queue(String),
    /// The messages of a queue.
    Messages(String),
    /// A message of a queue, by what the address has in the place of its identifier.
    Message(String, String),
}

/// An entity in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityAddress {
    /// The table.
    pub table: String,
    /// The entity's key.
    pub key: EntityKey,
    /// The key as the journal tells it.
    pub predicate: String,
}

impl Resource {
    /// What a request to `service` names, given its `restype`.
    ///
    /// `InvalidInput` for an address that the Table service cannot read, `InvalidUri` for one that
    /// the Queue service cannot.
    pub fn of(
        service: Service,
        address: &Address<'_>,
        restype: Option<&str>,
    ) -> Result<Self, Refusal> {
        match service {
            Service::Blob | Service::Dfs => Ok(address.resource(restype)),
            Service::Queue => address.queue_resource(),
            Service::Table => address.table_resource(),
        }
    }

    /// The level of the operations on it.
    pub fn level(&self) -> Level {
        match self {
            Self::Account => Level::Account,
            Self::Container(_) => Level::Container,
            Self::Blob(..) => Level::Blob,
            Self::Tables => Level::Tables,
            Self::NamedTable(_) => Level::NamedTable,
            Self::Table(_) => Level::Table,
            Self::Entity(_) => Level::Entity,
            Self::Batch => Level::Batch,
            Self::Queue(_) => Level::Queue,
            Self::Messages(_) => Level::Messages,
            Self::Message(..) => Level::Message,
        }
    }

    /// The container, or what another service has in its place, and the blob, as far as they are
    /// named: what a token is signed for and what has stored access policies.
    pub fn names(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Account | Self::Tables | Self::Batch => (None, None),
            Self::NamedTable(table) | Self::Table(table) => (Some(table), None),
            Self::Entity(entity) => (Some(&entity.table), None),
            Self::Container(container) => (Some(container), None),
            Self::Queue(queue) | Self::Messages(queue) | Self::Message(queue, _) => {
                (Some(queue), None)
            }
            Self::Blob(container, blob) => (Some(container), Some(blob)),
        }
    }
}

impl Address<'_> {
    /// The resource, given the request's `restype`: without one, a single segment names a blob in
    /// the root container.
    ///
    /// <https://learn.microsoft.com/rest/api/storageservices/working-with-the-root-container>
    pub fn resource(&self, restype: Option<&str>) -> Resource {
        match (self.first.as_str(), self.rest.as_deref()) {
            ("", None | Some("")) => Resource::Account,
            (first, None | Some("")) if restype.is_some() => Resource::Container(first.to_owned()),
            (first, None) => Resource::Blob("$root".to_owned(), first.to_owned()),
            (first, Some("")) => Resource::Container(first.to_owned()),
            (first, Some(rest)) => Resource::Blob(first.to_owned(), rest.to_owned()),
        }
    }
}

impl Address<'_> {
    /// <https://learn.microsoft.com/rest/api/storageservices/operations-on-messages>
    fn queue_resource(&self) -> Result<Resource, Refusal> {
        match (self.first.as_str(), self.rest.as_deref().unwrap_or_default()) {
            ("", "") => Ok(Resource::Account),
            ("", _) => Err(ErrorCode::InvalidUri.into()),
            (queue, "") => Ok(Resource::Queue(queue.to_owned())),
            (queue, "messages" | "messages/") => Ok(Resource::Messages(queue.to_owned())),
            (queue, rest) => match rest.strip_prefix("messages/") {
                Some(id) if !id.contains('/') => {
                    Ok(Resource::Message(queue.to_owned(), id.to_owned()))
                }
                _ => Err(ErrorCode::InvalidUri.into()),
            },
        }
    }
}

impl Address<'_> {
    fn table_resource(&self) -> Result<Resource, Refusal> {
        let path = match &self.rest {
            Some(rest) => Cow::Owned(format!("{}/{rest}", self.first)),
            None => Cow::Borrowed(self.first.as_str()),
        };
        Ok(match odata::address::parse(&path)? {
            TableAddress::Service => Resource::Account,
            TableAddress::Tables => Resource::Tables,
            TableAddress::NamedTable(table) => Resource::NamedTable(table),
            TableAddress::Table(table) => Resource::Table(table),
            TableAddress::Entity(table, key) => {
                let predicate = key.predicate();
                Resource::Entity(EntityAddress { table, key, predicate })
            }
            TableAddress::Batch => Resource::Batch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address<'a>(target: &'a str, host: &str) -> Result<Address<'a>, Refusal> {
        resolve(target, Some(host), false, |name| name == "devstoreaccount1")
    }

    #[test]
    fn path_style_takes_the_first_segment() {
        let a = address("/devstoreaccount1/c/a%20b/x?comp=list", "127.0.0.1:10000").unwrap();
        assert_eq!((a.account.as_str(), a.secondary), ("devstoreaccount1", false));
        assert_eq!(a.resource(None), Resource::Blob("c".into(), "a b/x".into()));
        assert_eq!(a.query, "comp=list");
        assert_eq!(a.endpoint, "http://127.0.0.1:10000/devstoreaccount1/");
    }

    #[test]
    fn host_style_takes_the_first_label_whatever_the_suffix() {
        for host in [
            "devstoreaccount1.blob.core.windows.net",
            "devstoreaccount1.localhost:10000",
            "DEVSTOREACCOUNT1.Blob.core.windows.net",
        ] {
            let a = address("/c//a", host).unwrap();
            assert_eq!(a.resource(None), Resource::Blob("c".into(), "/a".into()), "{host}");
            assert_eq!((a.account.as_str(), a.secondary), ("devstoreaccount1", false), "{host}");
        }
        for host in ["devstoreaccount1-secondary.blob.x.net", "devStoreAccount1-Secondary.x.net"] {
            assert!(address("/c", host).unwrap().secondary, "{host}");
        }
        // A path is not a host name.
        assert!(address("/DEVSTOREACCOUNT1/c", "127.0.0.1:10000").is_err());
    }

    #[test]
    fn a_dotted_host_that_is_no_account_serves_path_style() {
        let a = address("/devstoreaccount1-secondary", "storage.example.net").unwrap();
        assert!(a.secondary);
        assert_eq!(a.resource(None), Resource::Account);
        assert!(address("/nobody/c", "storage.example.net").is_err());
    }

    #[test]
    fn one_segment_is_a_container_only_with_restype() {
        let a = address("/devstoreaccount1/c", "localhost:10000").unwrap();
        assert_eq!(a.resource(Some("container")), Resource::Container("c".into()));
        assert_eq!(a.resource(None), Resource::Blob("$root".into(), "c".into()));
        let slash = address("/devstoreaccount1/c/?restype=container", "[::1]:10000").unwrap();
        assert_eq!(slash.resource(Some("container")), Resource::Container("c".into()));
    }

    #[test]
    fn queues_have_messages_and_nothing_deeper() {
        let of = |below: &str| {
            let target = format!("/devstoreaccount1{below}");
            let address = address(&target, "127.0.0.1:10001").unwrap();
            Resource::of(Service::Queue, &address, None).map_err(|refusal| refusal.code())
        };
        for below in ["", "/", "?comp=list", "/?comp=list"] {
            assert_eq!(of(below), Ok(Resource::Account), "{below}");
        }
        for below in ["/q", "/q/", "/q?comp=metadata"] {
            assert_eq!(of(below), Ok(Resource::Queue("q".into())), "{below}");
        }
        for below in ["/q/messages", "/q/messages/", "/q/messages?peekonly=true"] {
            assert_eq!(of(below), Ok(Resource::Messages("q".into())), "{below}");
        }
        let message = Resource::Message("q".into(), "a b".into());
        assert_eq!(of("/q/messages/a%20b?popreceipt=x"), Ok(message));
        for below in ["//messages", "/q//", "/q/message", "/q/messages/a/b", "/q/messages/a/"] {
            assert_eq!(of(below), Err(ErrorCode::InvalidUri), "{below}");
        }
        let host = address("/q/messages", "devstoreaccount1.queue.core.windows.net").unwrap();
        let resource = Resource::of(Service::Queue, &host, None);
        assert_eq!(resource, Ok(Resource::Messages("q".into())));
    }
}
