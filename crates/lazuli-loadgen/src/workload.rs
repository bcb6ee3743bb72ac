//! The workloads: what each connection sends, one request after the other.

mod tags;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use tokio::task::LocalSet;

use crate::arguments::{Arguments, Mode};
use crate::connection::{Answer, Connection, Sink};
use crate::measure::{Measured, Stopwatch};
use crate::queues::{self, Belt};
use crate::sign::{Request, Signer, encode};
use crate::tables;

/// The size of a block of a large blob, in bytes.
const BLOCK_BYTES: usize = 8 << 20;

/// The header of requests that make a block blob.
const BLOCK_BLOB: &[(&str, &str)] = &[("x-ms-blob-type", "BlockBlob")];

/// The header of requests that make an append blob.
const APPEND_BLOB: &[(&str, &str)] = &[("x-ms-blob-type", "AppendBlob")];

/// The most blocks that an append blob takes.
const APPENDS_MAX: u64 = 50_000;

/// The names on a page of a listing.
const PAGE_NAMES: &str = "5000";

/// Failures after which a connection gives up.
const ERRORS_MAX: u64 = 20;

/// A multiplier that scatters consecutive numbers over the whole range (it is odd and large).
const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Runs the workload that the arguments name.
pub(crate) async fn run(arguments: &Arguments) -> Result<Measured, String> {
    let shared = Rc::new(Shared {
        arguments: arguments.clone(),
        next: Cell::new(0),
        deadline: Instant::now() + arguments.duration,
        body: body(arguments),
        belt: Belt::new(),
    });
    let mut clients = Vec::new();
    for _ in 0..arguments.connections {
        clients.push(Client::new(Rc::clone(&shared)).await?);
    }
    let watch = Stopwatch::start();
    let mut measured = Measured::default();
    let local = LocalSet::new();
    let clients = clients.into_iter().enumerate();
    let tasks: Vec<_> = clients
        .map(|(place, client)| match arguments.mode {
            Mode::Cycle if place % 2 == 0 => local.spawn_local(client.produce()),
            Mode::Cycle => local.spawn_local(client.consume()),
            _ => local.spawn_local(client.work()),
        })
        .collect();
    local.await;
    for task in tasks {
        measured.add(task.await.map_err(|error| error.to_string())?);
    }
    watch.finish(&mut measured);
    Ok(measured)
}

/// The bytes that are sent as a blob or block: a pattern that does not repeat at a page's size.
fn body(arguments: &Arguments) -> Vec<u8> {
    let length = match arguments.mode {
        Mode::Put
        | Mode::Fill
        | Mode::PutLarge
        | Mode::Churn
        | Mode::Append
        | Mode::PutPage
        | Mode::FillPages => arguments.bytes,
        Mode::Blocks => BLOCK_BYTES.min(arguments.bytes),
        Mode::Csv => return lines(BLOCK_BYTES.min(arguments.bytes)),
        Mode::Get
        | Mode::GetLarge
        | Mode::List
        | Mode::Query
        | Mode::Container
        | Mode::AppendBlobs
        | Mode::PageBlobs
        | Mode::Snapshot
        | Mode::Tag
        | Mode::Find
        | Mode::Copy
        | Mode::Table
        | Mode::Insert
        | Mode::Upsert
        | Mode::Point
        | Mode::Range
        | Mode::Queue
        | Mode::PutMessage
        | Mode::Cycle => 0,
    };
    let mut state = SCATTER;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The query that is measured: the third column is above 100 in every second record, about.
const QUERY: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><QueryRequest>\
    <QueryType>SQL</QueryType>\
    <Expression>SELECT * FROM BlobStorage WHERE _3 &gt; 100</Expression></QueryRequest>";

/// Delimited text of whole lines, each of eight columns.
fn lines(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 128);
    let mut number: u64 = 0;
    while bytes.len() + 128 < length {
        let third = (number.wrapping_mul(SCATTER) >> 32) % 200;
        let line = format!(
            "{number},name of {number},{third},2024-05-01T10:11:12Z,true,{}.25,some words,end\n",
            number % 1000
        );
        bytes.extend_from_slice(line.as_bytes());
        number += 1;
    }
    // The last line is as long as it has to be, and a record like the others.
    bytes.extend_from_slice(b"0,padding,0,");
    bytes.resize(length.saturating_sub(1), b'x');
    bytes.push(b'\n');
    bytes
}

/// What all connections share.
struct Shared {
    arguments: Arguments,
    next: Cell<u64>,
    deadline: Instant,
    body: Vec<u8>,
    belt: Belt,
}

impl Shared {
    /// The number of the next operation; `None` ends the run.
    fn take(&self) -> Option<u64> {
        let number = self.next.get();
        let is_over = match self.arguments.ops {
            0 => Instant::now() >= self.deadline,
            ops => number >= ops,
        };
        if is_over {
            return None;
        }
        self.next.set(number + 1);
        Some(number)
    }
}

/// One connection and what it measured.
struct Client {
    shared: Rc<Shared>,
    connection: Connection,
    signer: Signer,
    head: String,
    measured: Measured,
}

impl Client {
    /// Connects.
    async fn new(shared: Rc<Shared>) -> Result<Self, String> {
        let Arguments { authority, account, key, mode, .. } = &shared.arguments;
        let connection = Connection::open(authority).await?;
        let signer = Signer::new(authority, account, key)?.of_tables(tables::is_mode(*mode));
        Ok(Self { shared, connection, signer, head: String::new(), measured: Measured::default() })
    }

    /// Sends requests until the run is over.
    async fn work(mut self) -> Measured {
        if self.shared.arguments.mode == Mode::List {
            self.walk().await;
            return self.measured;
        }
        while let Some(number) = self.shared.take() {
            let begun = Instant::now();
            match self.operation(number).await {
                Ok(bytes) => self.measured.note(begun.elapsed(), bytes),
                Err(message) => {
                    self.measured.note_error(message);
                    if self.measured.errors >= ERRORS_MAX || !self.reconnect().await {
                        break;
                    }
                }
            }
        }
        self.measured
    }

    /// Puts messages, as long as others delete them, until the run is over.
    async fn produce(mut self) -> Measured {
        let shared = Rc::clone(&self.shared);
        let mut number = 0;
        while shared.belt.may_put().await {
            number += 1;
            if let Err(message) = self.put_message(number).await {
                self.measured.note_error(message);
                shared.belt.end();
            }
        }
        self.measured
    }

    /// Gets and deletes messages, one at a time, until the run is over.
    async fn consume(mut self) -> Measured {
        let shared = Rc::clone(&self.shared);
        let mut begun = Instant::now();
        while begun < shared.deadline && self.measured.errors == 0 {
            match self.take_message().await {
                Ok(0) => tokio::time::sleep(queues::PAUSE).await,
                Ok(bytes) => {
                    shared.belt.deleted();
                    self.measured.note(begun.elapsed(), bytes);
                }
                Err(message) => self.measured.note_error(message),
            }
            begun = Instant::now();
        }
        shared.belt.end();
        self.measured
    }

    /// Puts one message.
    async fn put_message(&mut self, number: u64) -> Result<u64, String> {
        let path = format!("/{}/messages", self.shared.arguments.container);
        let body = queues::message(number);
        let request = Request { length: body.len(), ..Request::new("POST", &path) };
        let answer = self.send(&request, body.as_bytes(), Sink::Discard).await?;
        expect(&answer, 201)?;
        Ok(body.len() as u64)
    }

    /// Gets a message and deletes it; gives the bytes of the answer, 0 if there was no message.
    async fn take_message(&mut self) -> Result<u64, String> {
        let queue = self.shared.arguments.container.clone();
        let mut got = Vec::new();
        let path = format!("/{queue}/messages");
        let answer = self.send(&Request::new("GET", &path), &[], Sink::Keep(&mut got)).await?;
        expect(&answer, 200)?;
        let Some((path, receipt)) = queues::deletion(&queue, &got) else { return Ok(0) };
        let query = [("popreceipt", receipt.as_str())];
        let request = Request { query: &query, ..Request::new("DELETE", &path) };
        let answer = self.send(&request, &[], Sink::Discard).await?;
        expect(&answer, 204)?;
        Ok(got.len() as u64)
    }

    /// A new connection after a failure, which may have left the old one between two answers.
    async fn reconnect(&mut self) -> bool {
        match Connection::open(&self.shared.arguments.authority).await {
            Ok(connection) => self.connection = connection,
            Err(message) => self.measured.note_error(message),
        }
        self.measured.errors < ERRORS_MAX
    }

    /// One operation; gives the bytes of the bodies.
    async fn operation(&mut self, number: u64) -> Result<u64, String> {
        let shared = Rc::clone(&self.shared);
        let Arguments { mode, container, first, count, bytes, .. } = &shared.arguments;
        let number_scattered = first + (number.wrapping_mul(SCATTER) >> 20) % count;
        match mode {
            Mode::Put | Mode::Fill | Mode::PutLarge => {
                let path = format!("/{container}/{}", name(first + number));
                self.put(&path, &[], &shared.body, BLOCK_BLOB).await
            }
            Mode::Churn => {
                let path = format!("/{container}/{}", name(first + number % count));
                self.put(&path, &[], &shared.body, BLOCK_BLOB).await
            }
            Mode::Get => self.get(&format!("/{container}/{}", name(number_scattered))).await,
            Mode::GetLarge => self.get(&format!("/{container}/{}", name(*first))).await,
            Mode::Query => {
                let path = format!("/{container}/{}", name(*first));
                self.query(&path).await?;
                // What is measured is how fast the blob is read.
                Ok(*bytes as u64)
            }
            Mode::Blocks | Mode::Csv => {
                let path = format!("/{container}/{}", name(first + number));
                self.put_blocks(&path, *bytes, &shared.body).await
            }
            Mode::Container => {
                let path = format!("/{container}");
                self.put(&path, &[("restype", "container")], &[], &[]).await
            }
            Mode::AppendBlobs => {
                let path = format!("/{container}/{}", name(first + number));
                self.put(&path, &[], &[], APPEND_BLOB).await
            }
            Mode::Append => {
                // One blob takes all appends at a time, until it has as many as it may have.
                let blob = first + (number / APPENDS_MAX) % count;
                let path = format!("/{container}/{}", name(blob));
                self.put(&path, &[("comp", "appendblock")], &shared.body, &[]).await
            }
            Mode::PageBlobs => {
                let path = format!("/{container}/{}", name(first + number));
                self.put_page_blob(&path, *bytes).await
            }
            Mode::PutPage | Mode::FillPages => {
                let scattered = (number.wrapping_mul(SCATTER) >> 20) % count;
                let place = if *mode == Mode::PutPage { scattered } else { number % count };
                let path = format!("/{container}/{}", name(*first));
                self.put_page(&path, place * *bytes as u64, &shared.body).await
            }
            Mode::Copy => {
                let Arguments { authority, account, .. } = &shared.arguments;
                let source = format!("http://{authority}/{account}/{container}/{}", name(*first));
                let path = format!("/{container}/{}", name(first + 1 + number));
                self.put(&path, &[], &[], &[("x-ms-copy-source", source.as_str())]).await
            }
            Mode::Tag => self.tag(&format!("/{container}/{}", name(first + number)), number).await,
            Mode::Find => self.find(*count).await,
            Mode::Snapshot => {
                let path = format!("/{container}/{}", name(first + number % count));
                self.put(&path, &[("comp", "snapshot")], &[], &[]).await
            }
            Mode::List | Mode::Cycle => Err("the mode has no single operations".to_owned()),
            Mode::Queue => self.put(&format!("/{container}"), &[], &[], &[]).await,
            Mode::PutMessage => self.put_message(first + number).await,
            _ => self.table_operation(&shared.arguments, first + number, number_scattered).await,
        }
    }

    /// One operation on the table.
    async fn table_operation(
        &mut self,
        arguments: &Arguments,
        number: u64,
        scattered: u64,
    ) -> Result<u64, String> {
        const JSON: &str = "application/json";
        let container = &arguments.container;
        match arguments.mode {
            Mode::Table => {
                let body = format!("{{\"TableName\":\"{container}\"}}");
                self.post(("/Tables", JSON), body.as_bytes(), 201).await
            }
            Mode::Insert => {
                let body = tables::entity(number);
                self.post((&format!("/{container}"), JSON), body.as_bytes(), 201).await
            }
            Mode::Upsert => {
                let body = tables::transaction(arguments, number);
                self.post(("/$batch", tables::BATCH), body.as_bytes(), 202).await
            }
            Mode::Point => self.get(&tables::address(container, scattered)).await,
            _ => {
                let filter = encode(&tables::range(scattered));
                let (path, query) = (format!("/{container}()"), [("$filter", filter.as_str())]);
                let request = Request { query: &query, ..Request::new("GET", &path) };
                let answer = self.send(&request, &[], Sink::Discard).await?;
                expect(&answer, 200)?;
                Ok(answer.body_bytes)
            }
        }
    }

    /// Posts a body to the Table service.
    async fn post(
        &mut self,
        (path, content_type): (&str, &str),
        body: &[u8],
        status: u16,
    ) -> Result<u64, String> {
        let request = Request { length: body.len(), content_type, ..Request::new("POST", path) };
        let answer = self.send(&request, body, Sink::Discard).await?;
        expect(&answer, status)?;
        Ok(body.len() as u64)
    }

    /// Puts a body.
    async fn put(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<u64, String> {
        let length = body.len();
        let request = Request { query, length, headers, ..Request::new("PUT", path) };
        let answer = self.send(&request, body, Sink::Discard).await?;
        // A copy is accepted, all else is made.
        let copies = headers.iter().any(|(name, _)| *name == "x-ms-copy-source");
        expect(&answer, if copies { 202 } else { 201 })?;
        Ok(body.len() as u64)
    }

    /// Makes a page blob.
    async fn put_page_blob(&mut self, path: &str, bytes: usize) -> Result<u64, String> {
        let length = bytes.to_string();
        let headers =
            [("x-ms-blob-content-length", length.as_str()), ("x-ms-blob-type", "PageBlob")];
        self.put(path, &[], &[], &headers).await
    }

    /// Writes pages at an offset.
    async fn put_page(&mut self, path: &str, offset: u64, body: &[u8]) -> Result<u64, String> {
        let range = format!("bytes={offset}-{}", offset + body.len() as u64 - 1);
        let headers = [("x-ms-page-write", "update"), ("x-ms-range", range.as_str())];
        self.put(path, &[("comp", "page")], body, &headers).await
    }

    /// Gets a blob or an entity and drops it.
    async fn get(&mut self, path: &str) -> Result<u64, String> {
        let request = Request::new("GET", path);
        let answer = self.send(&request, &[], Sink::Discard).await?;
        expect(&answer, 200)?;
        Ok(answer.body_bytes)
    }

    /// Queries a blob and drops the answer.
    async fn query(&mut self, path: &str) -> Result<(), String> {
        let query = [("comp", "query")];
        let length = QUERY.len();
        let request = Request { query: &query, length, ..Request::new("POST", path) };
        let answer = self.send(&request, QUERY.as_bytes(), Sink::Discard).await?;
        expect(&answer, 200)
    }

    /// Puts a blob in blocks and commits their list.
    async fn put_blocks(&mut self, path: &str, bytes: usize, body: &[u8]) -> Result<u64, String> {
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        let mut sent = 0;
        while sent < bytes {
            let block = body.get(..body.len().min(bytes - sent)).unwrap_or_default();
            // Twelve digits are a valid base64 text of nine bytes.
            let id = format!("{sent:012}");
            self.put(path, &[("blockid", &id), ("comp", "block")], block, &[]).await?;
            list.push_str("<Latest>");
            list.push_str(&id);
            list.push_str("</Latest>");
            sent += block.len();
        }
        list.push_str("</BlockList>");
        self.put(path, &[("comp", "blocklist")], list.as_bytes(), &[]).await?;
        Ok(bytes as u64)
    }

    /// Lists the container page by page, from the start again when the end is reached, until the
    /// run is over.
    async fn walk(&mut self) {
        let mut marker = String::new();
        while self.shared.take().is_some() {
            let begun = Instant::now();
            match self.page(&marker).await {
                Ok((bytes, next)) => {
                    self.measured.note(begun.elapsed(), bytes);
                    // Without a number of pages to read, one walk to the end is enough.
                    if next.is_empty() && self.shared.arguments.ops == 0 {
                        return;
                    }
                    marker = next;
                }
                Err(message) => {
                    self.measured.note_error(message);
                    return;
                }
            }
        }
    }

    /// Reads one page; gives its length and the marker of the next.
    async fn page(&mut self, marker: &str) -> Result<(u64, String), String> {
        let path = format!("/{}", self.shared.arguments.container);
        let marker = encode(marker);
        let mut query = vec![("comp", "list")];
        if !marker.is_empty() {
            query.push(("marker", &marker));
        }
        query.extend([("maxresults", PAGE_NAMES), ("restype", "container")]);
        let request = Request { query: &query, ..Request::new("GET", &path) };
        let mut page = Vec::new();
        let answer = self.send(&request, &[], Sink::Keep(&mut page)).await?;
        expect(&answer, 200)?;
        Ok((answer.body_bytes, next_marker(&page)))
    }

    /// Signs and sends a request and reads its answer.
    async fn send(
        &mut self,
        request: &Request<'_>,
        body: &[u8],
        sink: Sink<'_>,
    ) -> Result<Answer, String> {
        self.signer.write_head(request, &mut self.head);
        self.connection.exchange(&self.head, body, sink).await
    }
}

/// The name of the blob with this number.
fn name(number: u64) -> String {
    format!("blob-{number:010}")
}

/// An answer with another status is a failure.
fn expect(answer: &Answer, status: u16) -> Result<(), String> {
    if answer.status == status {
        return Ok(());
    }
    Err(format!("status {} where {status} was expected", answer.status))
}

/// The marker at the end of a page of a listing; empty on the last one.
fn next_marker(page: &[u8]) -> String {
    // It stands behind all names, so that looking at the end is enough.
    let end = String::from_utf8_lossy(page.get(page.len().saturating_sub(8192)..).unwrap_or(page));
    end.split_once("<NextMarker>")
        .and_then(|(_, rest)| rest.split_once("</NextMarker>"))
        .map(|(marker, _)| marker.replace("&amp;", "&"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{lines, next_marker};

    #[test]
    fn delimited_text_has_its_length_and_ends_with_a_line() {
        for length in [1, 100, 10_000] {
            let text = lines(length);
            assert_eq!((text.len(), text.last()), (length, Some(&b'\n')));
        }
        let text = String::from_utf8(lines(1_000)).expect("text");
        assert_eq!(text.lines().next().map(|line| line.split(',').count()), Some(8));
    }

    #[test]
    fn the_marker_is_found_at_the_end_of_a_page() {
        let page = format!("{}<NextMarker>2!8</NextMarker></X>", "x".repeat(10_000));
        assert_eq!(next_marker(page.as_bytes()), "2!8");
        assert_eq!(next_marker(b"<NextMarker />"), "");
        assert_eq!(next_marker(b"<NextMarker></NextMarker>"), "");
    }
}
