//! A client at work: random operations on names of its own, until the server is gone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use lazuli_testkit::{Client, Kept, Random, Request, Response, Trust};

use crate::appends::Appends;
use crate::model::{Base, Content, Endings, Model, Observed, Pairs, Read, Snapshot, Staged, State};
use crate::pages::PageWrites;

/// Where all blobs are.
pub(crate) const CONTAINER: &str = "crash";

/// How many names an actor has: few, so that they are overwritten often.
const NAMES: u64 = 12;

/// Most snapshots an actor takes of a name.
const SNAPSHOTS_MAX: usize = 3;

const OK: u16 = 200;
const CREATED: u16 = 201;
const ACCEPTED: u16 = 202;
const NO_CONTENT: u16 = 204;
const NOT_FOUND: u16 = 404;
const BUSY: u16 = 503;

/// One client and what it knows.
#[derive(Debug)]
pub(crate) struct Actor {
    index: u64,
    random: Random,
    model: Model,
    /// What it appended to blobs that others append to as well.
    pub(crate) appends: Appends,
    /// What it wrote to page blobs that others write to as well.
    pub(crate) pages: PageWrites,
    /// The generation of the append blobs.
    pub(crate) generation: u64,
    pub(crate) trust: Arc<Trust>,
    /// The receipts of all operations that were acknowledged.
    pub(crate) kept: Vec<Kept>,
}

/// An operation to try: what it is called, the status of its success, and the state it makes.
struct Attempt<'a> {
    name: &'a str,
    asked: &'static str,
    status: u16,
    new: State,
}

/// `None` where the server was gone before it answered.
type Answer = Result<Option<Response>, String>;

fn read(client: &mut Client, path: &str, query: &str) -> Result<Response, String> {
    let request = Request { method: "GET", path, query, ..Request::default() };
    client.send(&request).map_err(|error| format!("GET {path}?{query}: {error}"))
}

/// The texts of all elements `tag`, in order.
fn texts<'x>(xml: &'x str, tag: &str) -> Vec<&'x str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let parts = xml.split(open.as_str()).skip(1);
    parts.filter_map(|part| part.split(close.as_str()).next()).collect()
}

fn content_of(response: Response) -> Read {
    let mut metadata = Pairs::new();
    for (name, value) in &response.headers {
        if let Some(name) = name.as_str().strip_prefix("x-ms-meta-") {
            metadata.insert(name.to_owned(), value.to_str().unwrap_or_default().to_owned());
        }
    }
    let length = response.body.len();
    Read { bytes: Some(response.body), length, metadata, tags: Pairs::new() }
}

impl Actor {
    /// An actor whose names begin with its index.
    pub(crate) fn new(index: u64, random: Random, trust: Arc<Trust>) -> Self {
        let (model, appends) = (Model::default(), Appends::of(index));
        let (pages, kept) = (PageWrites::of(index), Vec::new());
        Self { index, random, model, appends, pages, generation: 0, trust, kept }
    }

    fn path(name: &str) -> String {
        format!("/{CONTAINER}/{name}")
    }

    /// Works until the server no longer answers.
    pub(crate) fn work(&mut self, address: SocketAddr) -> Result<(), String> {
        let mut client = Client::new(address).map_err(|error| error.to_string())?;
        while self.step(&mut client)? {}
        Ok(())
    }

    /// One random operation; `false` once the server is gone.
    fn step(&mut self, client: &mut Client) -> Result<bool, String> {
        match self.random.between(0, 4) {
            0 => return self.append(client),
            1 => return self.put_page(client),
            _ => {}
        }
        let name = format!("{}-{}", self.index, self.random.between(0, NAMES));
        let state = self.model.names.get(&name).cloned().unwrap_or_default();
        let dice = self.random.between(0, 100);
        let answered = match (dice, state.base.clone()) {
            (0..10, _) => self.blocks(client, &name, state)?,
            (10..18, Some(_)) => self.delete(client, &name)?,
            (18..26, Some(base)) => self.snapshot(client, &name, state, &base)?,
            (26..36, Some(base)) => self.set_metadata(client, &name, state, base)?,
            (36..46, Some(base)) => self.set_tags(client, &name, state, base)?,
            (46..56, Some(base)) => self.copy(client, &name, &base)?,
            _ => self.put(client, &name, state)?,
        };
        Ok(answered)
    }

    /// Appends a block to a blob that others append to at the same time.
    fn append(&mut self, client: &mut Client) -> Result<bool, String> {
        let block = self.appends.next(&mut self.random, self.generation);
        let (name, path) = (block.blob.as_str(), Self::path(&block.blob));
        let (query, body) = ("comp=appendblock", block.bytes.as_slice());
        let request = Request { method: "PUT", path: &path, query, headers: &[], body };
        let Ok(response) = client.send(&request) else { return Ok(false) };
        if response.status != CREATED {
            let text = response.text();
            return Err(format!("Append Block to {name} answered {}: {text}", response.status));
        }
        self.appends.answered(&block, response.header("x-ms-blob-append-offset"))?;
        let kept = self.trust.keep(&response, name);
        self.kept.push(kept.map_err(|error| format!("Append Block to {name}: {error}"))?);
        Ok(true)
    }

    /// Writes pages of a blob that others write to at the same time, or takes a snapshot of it.
    fn put_page(&mut self, client: &mut Client) -> Result<bool, String> {
        let write = self.pages.next(&mut self.random);
        let path = Self::path(&write.blob);
        let (how, range, body) = write.request();
        let headers = [("x-ms-page-write", how), ("x-ms-range", range.as_str())];
        let query = "comp=page";
        let request = Request { method: "PUT", path: &path, query, headers: &headers, body: &body };
        let Ok(response) = client.send(&request) else { return Ok(false) };
        if response.status != CREATED {
            return Err(format!("Put Page {write:?}: {}: {}", response.status, response.text()));
        }
        self.pages.answered();
        let kept = self.trust.keep(&response, &write.blob);
        self.kept.push(kept.map_err(|error| format!("Put Page to {}: {error}", write.blob))?);
        if self.random.between(0, 40) > 0 {
            return Ok(true);
        }
        let request =
            Request { method: "PUT", path: &path, query: "comp=snapshot", ..Request::default() };
        let Ok(response) = client.send(&request) else { return Ok(false) };
        // It may have no luck where everybody writes.
        Ok(response.status == CREATED || response.status == BUSY)
    }

    fn attempt(&mut self, client: &mut Client, what: Attempt<'_>, request: &Request<'_>) -> Answer {
        let Attempt { name, asked, status, new } = what;
        self.model.touched.insert(name.to_owned());
        self.model.pending = Some((name.to_owned(), asked, new.clone()));
        let Ok(response) = client.send(request) else { return Ok(None) };
        if response.status != status {
            let text = response.text();
            return Err(format!("{asked} of {name} answered {}: {text}", response.status));
        }
        self.model.pending = None;
        self.model.names.insert(name.to_owned(), new);
        let kept = self.trust.keep(&response, name);
        self.kept.push(kept.map_err(|error| format!("{asked} of {name}: {error}"))?);
        Ok(Some(response))
    }

    fn content(&mut self) -> Content {
        let len = match self.random.between(0, 100) {
            0..70 => self.random.between(0, 4096),
            70..97 => self.random.between(64 << 10, 300 << 10),
            _ => self.random.between(4 << 20, 9 << 20),
        };
        Content { seed: self.random.next(), len: usize::try_from(len).unwrap_or_default() }
    }

    fn put(&mut self, client: &mut Client, name: &str, old: State) -> Result<bool, String> {
        let content = self.content();
        let value = self.random.next().to_string();
        let metadata = Pairs::from([("round".to_owned(), value.clone())]);
        let base = Base { content, metadata, tags: Pairs::new() };
        let new = State { base: Some(base), snapshots: old.snapshots, staged: None };
        let headers = [("x-ms-blob-type", "BlockBlob"), ("x-ms-meta-round", value.as_str())];
        let (path, body) = (Self::path(name), content.bytes());
        let request =
            Request { method: "PUT", path: &path, headers: &headers, body: &body, query: "" };
        let what = Attempt { name, asked: "Put Blob", status: CREATED, new };
        Ok(self.attempt(client, what, &request)?.is_some())
    }

    fn delete(&mut self, client: &mut Client, name: &str) -> Result<bool, String> {
        let path = Self::path(name);
        let headers = [("x-ms-delete-snapshots", "include")];
        let request =
            Request { method: "DELETE", path: &path, headers: &headers, ..Request::default() };
        let new = State::default();
        let what = Attempt { name, asked: "Delete Blob", status: ACCEPTED, new };
        Ok(self.attempt(client, what, &request)?.is_some())
    }

    fn snapshot(
        &mut self,
        client: &mut Client,
        name: &str,
        mut state: State,
        base: &Base,
    ) -> Result<bool, String> {
        if state.snapshots.len() >= SNAPSHOTS_MAX {
            return Ok(true);
        }
        let path = Self::path(name);
        let request =
            Request { method: "PUT", path: &path, query: "comp=snapshot", ..Request::default() };
        // An unanswered snapshot has a name that nobody knows: it is not looked for.
        let what = Attempt { name, asked: "Snapshot Blob", status: CREATED, new: state.clone() };
        let Some(response) = self.attempt(client, what, &request)? else { return Ok(false) };
        let id = response.header("x-ms-snapshot").to_owned();
        let (content, metadata) = (base.content, base.metadata.clone());
        state.snapshots.push(Snapshot { id, content, metadata });
        self.model.names.insert(name.to_owned(), state);
        Ok(true)
    }

    fn set_metadata(
        &mut self,
        client: &mut Client,
        name: &str,
        state: State,
        base: Base,
    ) -> Result<bool, String> {
        let value = self.random.next().to_string();
        let metadata = Pairs::from([("set".to_owned(), value.clone())]);
        let new = State { base: Some(Base { metadata, ..base }), ..state };
        let (path, headers) = (Self::path(name), [("x-ms-meta-set", value.as_str())]);
        let query = "comp=metadata";
        let request = Request { method: "PUT", path: &path, query, headers: &headers, body: b"" };
        let what = Attempt { name, asked: "Set Blob Metadata", status: OK, new };
        Ok(self.attempt(client, what, &request)?.is_some())
    }

    fn set_tags(
        &mut self,
        client: &mut Client,
        name: &str,
        state: State,
        base: Base,
    ) -> Result<bool, String> {
        let value = self.random.next().to_string();
        let body = format!(
            "<Tags><TagSet><Tag><Key>set</Key><Value>{value}</Value></Tag></TagSet></Tags>"
        );
        let tags = Pairs::from([("set".to_owned(), value)]);
        let new = State { base: Some(Base { tags, ..base }), ..state };
        let path = Self::path(name);
        let headers = [("content-type", "application/xml")];
        let (query, body) = ("comp=tags", body.as_bytes());
        let request = Request { method: "PUT", path: &path, query, headers: &headers, body };
        let what = Attempt { name, asked: "Set Blob Tags", status: NO_CONTENT, new };
        Ok(self.attempt(client, what, &request)?.is_some())
    }

    /// Copies `base` to another name.
    fn copy(&mut self, client: &mut Client, from: &str, base: &Base) -> Result<bool, String> {
        let name = format!("{}-{}", self.index, self.random.between(0, NAMES));
        if name == from {
            return Ok(true);
        }
        let old = self.model.names.get(&name).cloned().unwrap_or_default();
        let copied = Base { tags: Pairs::new(), ..base.clone() };
        let new = State { base: Some(copied), snapshots: old.snapshots, staged: None };
        let (path, source) = (Self::path(&name), client.url(&Self::path(from)));
        let headers = [("x-ms-copy-source", source.as_str())];
        let request =
            Request { method: "PUT", path: &path, headers: &headers, ..Request::default() };
        let what = Attempt { name: &name, asked: "Copy Blob", status: ACCEPTED, new };
        Ok(self.attempt(client, what, &request)?.is_some())
    }

    /// Adds blocks to those that wait, and mostly commits them.
    fn blocks(&mut self, client: &mut Client, name: &str, old: State) -> Result<bool, String> {
        let path = Self::path(name);
        let fresh = Staged { seed: self.random.next(), block_len: 0, count: 0 };
        let mut staged = old.staged.unwrap_or(fresh);
        if staged.count == 0 {
            staged.block_len =
                8 * usize::try_from(self.random.between(1, 32 << 10)).unwrap_or_default();
        }
        for _ in 0..self.random.between(1, 4) {
            let id = Staged::block_id(staged.count);
            let whole = Content { seed: staged.seed, len: staged.block_len * (staged.count + 1) };
            let body = whole.bytes().split_off(staged.block_len * staged.count);
            staged.count += 1;
            let new = State { staged: Some(staged), ..old.clone() };
            let query = format!("comp=block&blockid={id}");
            let request =
                Request { method: "PUT", path: &path, query: &query, headers: &[], body: &body };
            let what = Attempt { name, asked: "Put Block", status: CREATED, new };
            if self.attempt(client, what, &request)?.is_none() {
                return Ok(false);
            }
        }
        if self.random.between(0, 4) == 0 {
            return Ok(true);
        }
        let mut body = String::from("<BlockList>");
        for index in 0..staged.count {
            body.extend(["<Latest>", &Staged::block_id(index), "</Latest>"]);
        }
        body.push_str("</BlockList>");
        let content = staged.content();
        let base = Base { content, metadata: Pairs::new(), tags: Pairs::new() };
        let new = State { base: Some(base), snapshots: old.snapshots, staged: None };
        let (query, body) = ("comp=blocklist", body.as_bytes());
        let request = Request { method: "PUT", path: &path, query, headers: &[], body };
        let what = Attempt { name, asked: "Put Block List", status: CREATED, new };
        Ok(self.attempt(client, what, &request)?.is_some())
    }

    /// Reads every name and holds it against the model.
    pub(crate) fn verify(
        &mut self,
        client: &mut Client,
        endings: &mut Endings,
    ) -> Result<(), String> {
        self.model.names.extend(
            std::mem::take(&mut self.model.touched)
                .into_iter()
                .filter(|name| !self.model.names.contains_key(name))
                .map(|name| (name, State::default()))
                .collect::<BTreeMap<_, _>>(),
        );
        for (name, state) in self.model.names.clone() {
            let observed = observe(client, &name, &state)?;
            self.model.settle(&name, &observed, endings)?;
        }
        Ok(())
    }
}

fn observe(client: &mut Client, name: &str, state: &State) -> Result<Observed, String> {
    let path = Actor::path(name);
    let mut observed = Observed::default();
    let base = read(client, &path, "")?;
    if base.status == OK {
        let mut base = content_of(base);
        let tags = read(client, &path, "comp=tags")?.text();
        let (keys, values) = (texts(&tags, "Key"), texts(&tags, "Value"));
        base.tags = keys.into_iter().zip(values).map(|(k, v)| (k.into(), v.into())).collect();
        observed.base = Some(base);
    } else if base.status != NOT_FOUND {
        return Err(format!("Get Blob of {name} answered {}: {}", base.status, base.text()));
    }
    for snapshot in &state.snapshots {
        let query = format!("snapshot={}", snapshot.id.replace(':', "%3A"));
        let response = read(client, &path, &query)?;
        match response.status {
            OK => observed.snapshots.push((snapshot.id.clone(), content_of(response))),
            NOT_FOUND => {}
            status => return Err(format!("{name} at {}: {status}", snapshot.id)),
        }
    }
    let list = read(client, &path, "comp=blocklist&blocklisttype=uncommitted")?;
    if list.status == OK {
        let list = list.text();
        let sizes = texts(&list, "Size").into_iter().map(|size| size.parse().unwrap_or_default());
        let names = texts(&list, "Name").into_iter().map(str::to_owned);
        observed.blocks = names.zip(sizes).collect();
    }
    Ok(observed)
}
