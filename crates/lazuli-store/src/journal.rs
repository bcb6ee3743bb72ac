//! Journal entries: what each commit was, in the order of the history.
//!
//! An entry goes through the commit as a [`Draft`]: twelve groups of fields, each one item of CBOR,
//! of which some are known from the request ([`Origin`]) and some only here. The journal's scribe
//! seals drafts and gives them their place; without one they are stored as they are.
//!
//! ```text
//!  1 principal    "key1" | "key2" | "anonymous" | object id; sealed as a pseudonym of the month
//!  2 auth         [scheme, number of the key | null, stored access policy | null]
//!  3 source       [network | "internal", "tls" | "plain" | null]
//!  4 object       [container, blob | null, snapshot in ticks | null]
//!  5 request      [content length | null, [conditions], tier | null, version, bytes named | null]
//!  6 result       [status | null, error code | null, entity tag | null]
//!                 the error code stands in the entry of a request that was refused
//!                 and, at the end of a long read, "complete" | "aborted"
//!  7 content      ["md5" | "crc64" | "sha256", bytes]
//! 10 client       [family, major version]
//! 11 correlation  [request id, client request id | null]
//! ```
//!
//! A read of a long body that is streamed has a second entry when it ends, with the bytes that were
//! handed to the connection: the client may have got fewer. It has the request id of the first one.
//!
//! A request that was refused although its caller was known has an entry of kind read under the name
//! of its operation: whatever it asked for, nothing changed.
//!
//! A change of an entity tells the entity as its address does, `(PartitionKey='p',RowKey='r')`, in
//! the place of the blob, and has the SHA-256 of the bytes it came in; each change of a transaction
//! has an entry.
//!
//! A copy also has an entry of kind read in the account that it copies from.
//!
//! The others are absent, and so is any of these that has nothing to say. A name that is too long
//! stands as its SHA-256. Never in an entry: signatures, keys, queries, whole addresses, user
//! agents, referrers, metadata.

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_evidence::cbor::Writer;
pub use lazuli_evidence::{Draft, Group, Kind};
use lazuli_model::etag::ETag;
use sha2::{Digest as _, Sha256};

use crate::blob::BlobPath;
use crate::origin::{Checksum, Origin};

/// The longest name that stands in an entry as it is, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// An entry about to be written.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    kind: Kind,
    operation: &'a str,
    account: &'a str,
    object: Option<Object<'a>>,
    bytes: Option<u64>,
    etag: Option<ETag>,
    status: Option<u16>,
    error: Option<&'static str>,
    ending: Option<Ending>,
    content: Option<Checksum>,
}

/// How a long read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All bytes were handed to the connection.
    Complete,
    /// The client went away, or the content could not be read to its end.
    Aborted,
}

impl Ending {
    /// Its name in an entry.
    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Aborted => "aborted",
        }
    }
}

/// What an operation was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// The container.
    pub container: &'a str,
    /// The blob in it, if it was done to one.
    pub blob: Option<&'a str>,
    /// The snapshot of the blob, if it was done to one.
    pub snapshot: Option<Timestamp>,
}

impl<'a> Entry<'a> {
    /// An entry of an operation, by its official name, in an account.
    pub const fn new(kind: Kind, operation: &'a str, account: &'a str) -> Self {
        let (object, bytes, etag, status, error) = (None, None, None, None, None);
        let (ending, content) = (None, None);
        Self { kind, operation, account, object, bytes, etag, status, error, ending, content }
    }

    /// An entry of the store's own work.
    pub const fn system(operation: &'a str) -> Self {
        Self::new(Kind::System, operation, "")
    }

    /// The same entry with what the operation was done to.
    #[must_use]
    pub const fn object(self, object: Option<Object<'a>>) -> Self {
        Self { object, ..self }
    }

    /// The same entry with the container that the operation was done to.
    #[must_use]
    pub const fn container(self, container: &'a str) -> Self {
        self.object(Some(Object { container, blob: None, snapshot: None }))
    }

    /// The same entry with the blob that the operation was done to.
    #[must_use]
    pub const fn blob(self, path: &BlobPath<'a>, snapshot: Option<Timestamp>) -> Self {
        self.object(Some(Object { container: path.container, blob: Some(path.blob), snapshot }))
    }

    /// The same entry with the bytes of content that the operation named or gave.
    #[must_use]
    pub const fn bytes(self, bytes: Option<u64>) -> Self {
        Self { bytes, ..self }
    }

    /// The same entry with the entity tag of the state that the operation made or found.
    #[must_use]
    pub const fn etag(self, etag: Option<ETag>) -> Self {
        Self { etag, ..self }
    }

    /// The same entry with the status of the answer, where it is not the operation's first one.
    #[must_use]
    pub const fn status(self, status: Option<u16>) -> Self {
        Self { status, ..self }
    }

    /// The same entry as that of a request that was refused with `error`, the name of its code.
    #[must_use]
    pub const fn refused(self, status: u16, error: &'static str) -> Self {
        Self { status: Some(status), error: Some(error), ..self }
    }

    /// The same entry with what commits to the content, where a request brings several.
    #[must_use]
    pub const fn content(self, content: Option<Checksum>) -> Self {
        Self { content, ..self }
    }

    /// The same entry as that of the end of a long read.
    #[must_use]
    pub const fn ended(self, ending: Ending) -> Self {
        Self { ending: Some(ending), ..self }
    }

    /// The entry's draft, at time `now`, with what the request tells.
    pub fn encode(&self, now: Timestamp, origin: Option<&Origin>) -> Bytes {
        let mut out = Vec::with_capacity(192);
        if let Some(object) = &self.object {
            object.write(&mut out);
        }
        let object_end = out.len();
        if let Some(request) = origin.map(Origin::request) {
            // All of the array but its last item is known from the request.
            out.extend_from_slice(request);
            optional(&mut out, self.bytes);
        } else if self.bytes.is_some() {
            Writer::new(&mut out).array(5).null().array(0).null().null();
            optional(&mut out, self.bytes);
        }
        let request_end = out.len();
        self.write_result(&mut out, origin);
        let result_end = out.len();
        let content = self.content.as_ref().or(origin.and_then(Origin::content));
        if let Some(checksum) = content {
            checksum.write(&mut out);
        }
        let (object, rest) = out.split_at(object_end);
        let (request, rest) = rest.split_at(request_end - object_end);
        let (result, content) = rest.split_at(result_end - request_end);
        let mut draft = Draft::new(self.kind, self.operation, self.account, now.unix_millis());
        match origin {
            Some(origin) => draft = origin.tell(draft),
            None => draft.values[Group::Source.place()] = INTERNAL,
        }
        let told = [
            (Group::Object, object),
            (Group::Request, request),
            (Group::Result, result),
            (Group::Content, content),
        ];
        for (group, value) in told.into_iter().filter(|(_, value)| !value.is_empty()) {
            draft.values[group.place()] = value;
        }
        draft.encode()
    }

    fn write_result(&self, out: &mut Vec<u8>, origin: Option<&Origin>) {
        Writer::new(out).array(if self.ending.is_some() { 4 } else { 3 });
        let status = self.status.or_else(|| origin.map(Origin::status));
        optional(out, status.map(u64::from));
        match self.error {
            Some(error) => _ = Writer::new(out).text(error),
            None => _ = Writer::new(out).null(),
        }
        match self.etag {
            // The digits of the tag; a tag is always printed so.
            Some(etag) => shown(out, etag.unquoted()),
            None => _ = Writer::new(out).null(),
        }
        if let Some(ending) = self.ending {
            Writer::new(out).text(ending.name());
        }
    }
}

/// The source of what no request asked for.
const INTERNAL: &[u8] = b"\x82\x68internal\xf6";

impl Object<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        Writer::new(out).array(3);
        name(out, self.container, NAME_BYTES_MAX);
        match self.blob {
            Some(blob) => name(out, blob, NAME_BYTES_MAX),
            None => _ = Writer::new(out).null(),
        }
        optional(out, self.snapshot.map(Timestamp::ticks));
    }
}

impl Checksum {
    fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.array(2);
        match self {
            Self::Md5(md5) => writer.text("md5").bytes(md5),
            Self::Sha256(sha256) => writer.text("sha256").bytes(sha256),
            Self::Crc64(crc64) => writer.text("crc64").bytes(&crc64.to_le_bytes()),
        };
    }
}

/// The draft of an entry that stands for as many failed authentications from one network since a
/// moment. Its result has two more items: how many, and since when, in milliseconds since 1970.
pub(crate) fn failed_authentications(
    network: &str,
    (count, since): (u64, Timestamp),
    now: Timestamp,
) -> Bytes {
    let (mut source, mut result) = (Vec::with_capacity(32), Vec::with_capacity(48));
    Writer::new(&mut source).array(2).text(network).null();
    let mut writer = Writer::new(&mut result);
    writer.array(5).null().text("AuthenticationFailed").null();
    writer.uint(count).uint(since.unix_millis());
    Draft::new(Kind::System, "FailedAuthentications", "", now.unix_millis())
        .with(Group::Source, &source)
        .with(Group::Result, &result)
        .encode()
}

/// A text, or the SHA-256 of one that is longer than `bytes_max`.
pub(crate) fn name(out: &mut Vec<u8>, text: &str, bytes_max: usize) {
    if text.len() <= bytes_max {
        Writer::new(out).text(text);
    } else {
        Writer::new(out).bytes(&Sha256::digest(text));
    }
}

/// A number, if there is one.
pub(crate) fn optional(out: &mut Vec<u8>, number: Option<u64>) {
    let mut writer = Writer::new(out);
    match number {
        Some(number) => writer.uint(number),
        None => writer.null(),
    };
}

/// A text as it is printed: at most 64 bytes, of which none are copied twice.
pub(crate) fn shown(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    use std::io::Write as _;

    let mut text = [0; SHOWN_BYTES_MAX];
    let mut rest = text.as_mut_slice();
    // What is shown here is short: numbers, versions, networks.
    let _ = write!(rest, "{value}");
    let length = SHOWN_BYTES_MAX - rest.len();
    let text = text.get(..length).and_then(|text| std::str::from_utf8(text).ok());
    Writer::new(out).text(text.unwrap_or_default());
}

const SHOWN_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use lazuli_evidence::ABSENT;

    use super::*;

    #[test]
    fn what_no_request_asked_for_comes_from_inside() {
        let entry = Entry::system("BeginRun");
        let bytes = entry.encode(Timestamp::from_unix_seconds(2), None);
        let draft = Draft::decode(&bytes).unwrap();
        assert_eq!((draft.kind, draft.op, draft.account), (Kind::System, "BeginRun", ""));
        assert_eq!(draft.t_ms, 2000);
        for group in Group::ALL {
            let value: &[u8] = match group {
                Group::Source => b"\x82\x68internal\xf6",
                Group::Result => b"\x83\xf6\xf6\xf6",
                _ => ABSENT,
            };
            assert_eq!(draft.values[group.place()], value, "{}", group.name());
        }
    }

    #[test]
    fn a_long_name_stands_as_its_hash() {
        let long = "n".repeat(257);
        let path = BlobPath { account: "a", container: "c", blob: &long };
        let entry = Entry::new(Kind::Write, "PutBlob", "a").blob(&path, None);
        let bytes = entry.encode(Timestamp::from_unix_seconds(0), None);
        let object = Draft::decode(&bytes).unwrap().values[Group::Object.place()];
        assert_eq!(object.len(), 1 + 2 + 2 + 32 + 1);
        assert_eq!(object[..5], *b"\x83\x61c\x58\x20");
        let path = BlobPath { blob: &long[1..], ..path };
        let entry = entry.blob(&path, Some(Timestamp::from_ticks(5)));
        let bytes = entry.encode(Timestamp::from_unix_seconds(0), None);
        let object = Draft::decode(&bytes).unwrap().values[Group::Object.place()];
        assert!(object.ends_with(b"nnn\x05"));
    }
}
