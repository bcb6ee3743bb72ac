//! An account's own entries, as the admin listener gives them.

use std::collections::BTreeSet;

use lazuli_evidence::cbor::Reader;
use lazuli_evidence::{Digest, GROUPS, Group};
use lazuli_testkit::Server;

use crate::parties::{Outcome, ask};

/// The label of an account, and the ids of the requests that have entries.
pub(crate) struct View {
    pub(crate) label: Digest,
    pub(crate) requests: BTreeSet<String>,
}

/// Where the next page begins, and where all pages end.
type Next = Option<(String, u64)>;

/// Reads all pages.
pub(crate) fn view(server: &Server, account: &str) -> Outcome<View> {
    let mut view = View { label: [0; 32], requests: BTreeSet::new() };
    let mut at = String::new();
    let mut stop = None;
    loop {
        let page = ask(server, &format!("/log/entries?account={account}{at}"))?;
        let next = read(&page.body, &mut view).ok_or("not a page")?;
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
        view.requests.insert(request_of(item)?);
        entries = rest;
    }
    Some(next)
}

/// The id of the request that an entry is of; empty if it is of none.
fn request_of(item: &[u8]) -> Option<String> {
    let mut reader = Reader::new(item);
    reader.array(7)?;
    for _ in 0..3 {
        reader.uint()?;
    }
    for _ in 0..3 {
        reader.bytes()?;
    }
    reader.array(GROUPS)?;
    let mut found = String::new();
    for _ in 0..GROUPS {
        reader.array(3)?;
        let group = reader.uint()?;
        reader.bytes()?;
        let mut value = Reader::new(reader.bytes()?);
        if group == u64::from(Group::Correlation.number()) && value.array(2).is_some() {
            value.text()?.clone_into(&mut found);
        }
    }
    Some(found)
}
