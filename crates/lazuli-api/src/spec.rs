//! What an operation is, declared: from these come routing, access, documentation and the diff
//! against the official API description.

use http::{HeaderMap, Method};
use lazuli_auth::AccessSpec;
use lazuli_evidence::{OPENING_HEADER, RECEIPT_HEADER};
use lazuli_wire::headers::first;
use lazuli_wire::query::Query;

/// What an operation acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The account's service.
    Account,
    /// A container.
    Container,
    /// A blob.
    Blob,
    /// The account's tables.
    Tables,
    /// A table among the tables.
    NamedTable,
    /// The entities of a table.
    Table,
    /// An entity.
    Entity,
    /// An entity group transaction.
    Batch,
    /// A queue.
    Queue,
    /// The messages of a queue.
    Messages,
    /// A message.
    Message,
}

impl Level {
    /// What it is called in the reference.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Container => "container",
            Self::Blob => "blob",
            Self::Tables => "tables",
            Self::NamedTable | Self::Table => "table",
            Self::Entity => "entity",
            Self::Batch => "batch",
            Self::Queue => "queue",
            Self::Messages => "messages",
            Self::Message => "message",
        }
    }
}

/// A property of the request that an operation requires.
///
/// Together the selectors of the operations of one level and method leave no request to two
/// operations; [`Selector::excludes`] is how a test proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The query parameter has this value, letter case aside.
    Query(&'static str, &'static str),
    /// The query parameter is absent or has another value.
    QueryNot(&'static str, &'static str),
    /// The query parameter is absent or empty.
    NoQuery(&'static str),
    /// The header has this value, letter case aside.
    Header(&'static str, &'static str),
    /// The header has none of these values; it may be absent.
    HeaderNot(&'static str, &'static [&'static str]),
    /// The header is present.
    HasHeader(&'static str),
    /// The header is absent.
    NoHeader(&'static str),
}

impl Selector {
    /// Whether the request has the property.
    pub fn matches(&self, query: &Query<'_>, headers: &HeaderMap) -> bool {
        let header = |name: &str| first(headers, name).and_then(|value| value.to_str().ok());
        match *self {
            Self::Query(name, value) => {
                query.get(name).is_some_and(|given| given.eq_ignore_ascii_case(value))
            }
            Self::QueryNot(name, value) => {
                !query.get(name).is_some_and(|given| given.eq_ignore_ascii_case(value))
            }
            Self::NoQuery(name) => query.get(name).is_none_or(str::is_empty),
            Self::Header(name, value) => {
                header(name).is_some_and(|given| given.eq_ignore_ascii_case(value))
            }
            Self::HeaderNot(name, values) => !header(name)
                .is_some_and(|given| values.iter().any(|value| given.eq_ignore_ascii_case(value))),
            Self::HasHeader(name) => first(headers, name).is_some(),
            Self::NoHeader(name) => first(headers, name).is_none(),
        }
    }

    /// Whether no request can have both properties.
    pub fn excludes(&self, other: &Self) -> bool {
        self.excludes_one_way(other) || other.excludes_one_way(self)
    }

    fn excludes_one_way(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Query(a, x), Self::Query(b, y)) | (Self::Header(a, x), Self::Header(b, y)) => {
                a == b && !x.eq_ignore_ascii_case(y)
            }
            (Self::Query(a, x), Self::QueryNot(b, y)) => a == b && x.eq_ignore_ascii_case(y),
            (Self::Query(a, _), Self::NoQuery(b))
            | (Self::Header(a, _) | Self::HasHeader(a), Self::NoHeader(b)) => a == b,
            (Self::Header(a, x), Self::HeaderNot(b, values)) => {
                a == b && values.iter().any(|value| value.eq_ignore_ascii_case(x))
            }
            _ => false,
        }
    }
}

/// Whether an operation is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what its page says.
    Built,
    /// It answers 501, for this reason.
    NotYet(&'static str),
}

/// What an operation does to what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing: the journal has an entry of it because it is answered, not because it
    /// commits something.
    Reads,
    /// It may change something, whatever its method is.
    Changes,
}

/// An operation's declaration.
#[derive(Debug)]
pub struct Spec {
    /// The official name in one word, such as `PutBlockList`: file, metric and anchor are named so.
    pub name: &'static str,
    /// The official name as its page writes it.
    pub title: &'static str,
    /// The rows of the official description this operation serves.
    pub rows: &'static [&'static str],
    /// The REST reference page.
    pub page: &'static str,
    /// What it acts on.
    pub level: Level,
    /// The methods it answers; the first is the documented one.
    pub methods: &'static [Method],
    /// Whether it reads or changes.
    pub effect: Effect,
    /// What else a request must have to be this operation.
    pub selectors: &'static [Selector],
    /// Who may call it.
    pub access: AccessSpec,
    /// Query parameters it reads, beyond its selectors.
    pub query: &'static [&'static str],
    /// Request headers it reads, beyond those every operation reads; `x-ms-meta-*` stands for all
    /// metadata.
    pub headers: &'static [&'static [&'static str]],
    /// Statuses of success.
    pub success: &'static [u16],
    /// Response headers it sets, beyond those every response has.
    pub response: &'static [&'static [&'static str]],
    /// Whether it is built.
    pub status: Status,
}

/// Request headers that any operation may carry and the pipeline reads.
pub const REQUEST_HEADERS: &[&str] = &[
    "x-ms-version",
    "x-ms-client-request-id",
    "x-ms-date",
    "authorization",
    "content-length",
    RECEIPT_HEADER,
];

/// Response headers the pipeline sets on every response; the receipt and its opening where there
/// are any.
pub const RESPONSE_HEADERS: &[&str] = &[
    "x-ms-request-id",
    "x-ms-version",
    "x-ms-client-request-id",
    "date",
    "server",
    RECEIPT_HEADER,
    OPENING_HEADER,
];

/// The standard conditional headers and `x-ms-if-tags`.
pub const CONDITIONS: &[&str] =
    &["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "x-ms-if-tags"];

/// The conditions on a copy source.
pub const SOURCE_CONDITIONS: &[&str] = &[
    "x-ms-source-if-match",
    "x-ms-source-if-none-match",
    "x-ms-source-if-modified-since",
    "x-ms-source-if-unmodified-since",
];

/// The headers that set a blob's content properties.
pub const BLOB_CONTENT: &[&str] = &[
    "x-ms-blob-cache-control",
    "x-ms-blob-content-type",
    "x-ms-blob-content-md5",
    "x-ms-blob-content-encoding",
    "x-ms-blob-content-language",
    "x-ms-blob-content-disposition",
];

/// Checksums of a request body and the structured message that may carry it.
pub const BODY_CHECKS: &[&str] = &[
    "content-md5",
    "x-ms-content-crc64",
    "x-ms-structured-body",
    "x-ms-structured-content-length",
    "content-type",
];

/// Metadata, as a header collection.
pub const METADATA: &[&str] = &["x-ms-meta-*"];

/// The lease a caller holds.
pub const LEASE: &[&str] = &["x-ms-lease-id"];

/// Entity tag and time of last change, as most responses carry them.
pub const ENTITY: &[&str] = &["etag", "last-modified"];

/// What every response to a write of content says about encryption at rest.
pub const ENCRYPTED: &[&str] = &["x-ms-request-server-encrypted"];

impl Spec {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        self.effect == Effect::Reads
    }

    /// Whether the operation declares that it reads this request header (lower case).
    pub fn reads_header(&self, name: &str) -> bool {
        let listed = |names: &&[&str]| names.contains(&name);
        REQUEST_HEADERS.contains(&name)
            || self.headers.iter().any(listed)
            || self.selectors.iter().any(|selector| match *selector {
                Selector::Header(n, _)
                | Selector::HeaderNot(n, _)
                | Selector::HasHeader(n)
                | Selector::NoHeader(n) => n == name,
                Selector::Query(..) | Selector::QueryNot(..) | Selector::NoQuery(_) => false,
            })
    }

    /// Whether the operation declares that it reads this query parameter (lower case).
    pub fn reads_query(&self, name: &str) -> bool {
        self.query.contains(&name)
            || self.selectors.iter().any(|selector| match *selector {
                Selector::Query(n, _) | Selector::QueryNot(n, _) | Selector::NoQuery(n) => {
                    n == name
                }
                _ => false,
            })
    }

    /// Whether the operation declares that it sets this response header (lower case).
    pub fn sets_header(&self, name: &str) -> bool {
        RESPONSE_HEADERS.contains(&name)
            || self.response.iter().any(|names| {
                names.contains(&name)
                    || (name.starts_with("x-ms-meta-") && names.contains(&"x-ms-meta-*"))
            })
    }

    /// Whether no request can be both this operation and `other`.
    pub fn excludes(&self, other: &Self) -> bool {
        self.level != other.level
            || !self.methods.iter().any(|method| other.methods.contains(method))
            || self.selectors.iter().any(|a| other.selectors.iter().any(|b| a.excludes(b)))
    }
}
