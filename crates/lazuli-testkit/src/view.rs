//! An account's own entries, as the admin listener gives them.

use lazuli_evidence::cbor::Reader;
use lazuli_evidence::{Digest, Entry, GROUPS, Group, Kind};

use crate::client::Client;
use crate::server::Server;

/// An entry of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What kind of operation it is about.
    pub kind: Kind,
    /// The name of the operation.
    pub op: String,
    /// The id of the request; empty if it is of none.
    pub request: String,
    /// What the client calls the request; empty if he gave it no name.
    pub client_request: String,
}

/// All entries of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The label of the account.
    pub label: Digest,
    /// The entries in their order.
    pub entries: Vec<Seen>,
}

/// Where the next page begins, and where all pages end.
type Next = Option<(String, u64)>;

/// Reads all pages of an account's entries.
///
/// # Errors
/// The server does not answer, or with something else than a page.
pub fn view(server: &Server, account: &str) -> Result<View, String> {
    let mut client = Client::new(server.admin()).map_err(|error| error.to_string())?;
    let mut view = View { label: [0; 32], entries: Vec::new() };
    let mut at = String::new();
    let mut stop = None;
    loop {
        let path = format!("/log/entries?account={account}{at}");
        let page = client.fetch(&path).map_err(|error| format!("{path}: {error}"))?;
        let next = read(&page.body, &mut view);
        let next = next.ok_or_else(|| format!("{path}: {}: not a page", page.status))?;
        let Some((next, end)) = next else { return Ok(view) };
        let end = *stop.get_or_insert(end);
        at = format!("&at={next}&end={end}");
    }
}

/// Takes what a page says.
fn read(page: &[u8], view: &mut View) -> Option<Next> {
    let mut reader = Reader::new(page);
    reader.array(9)?;
    (reader.uint()? == 2).then_some(())?;
    view.label = reader.bytes_of()?;
    reader.uint()?;
    let end = reader.uint()?;
    let next = if reader.null() { None } else { Some((reader.text()?.to_owned(), end)) };
    reader.bytes()?;
    let mut entries = reader.bytes()?;
    while let Some((length, rest)) = entries.split_first_chunk() {
        let (item, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        view.entries.push(seen(item)?);
        entries = rest;
    }
    Some(next)
}

/// What an item of a page says of its entry.
fn seen(item: &[u8]) -> Option<Seen> {
    let mut reader = Reader::new(item);
    reader.array(7)?;
    for _ in 0..3 {
        reader.uint()?;
    }
    reader.bytes()?;
    let entry = Entry::decode(reader.bytes()?)?;
    reader.bytes()?;
    let (request, client_request) = (String::new(), String::new());
    let mut seen = Seen { kind: entry.kind, op: entry.op.to_owned(), request, client_request };
    reader.array(GROUPS)?;
    for _ in 0..GROUPS {
        reader.array(3)?;
        let group = reader.uint()?;
        reader.bytes()?;
        let mut value = Reader::new(reader.bytes()?);
        if group == u64::from(Group::Correlation.number()) && value.array(2).is_some() {
            value.text()?.clone_into(&mut seen.request);
            value.text().unwrap_or_default().clone_into(&mut seen.client_request);
        }
    }
    Some(seen)
}
