//! Query Blob Contents: SQL over what a blob holds.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/query-blob-contents>. The computing is
//! `lazuli-query`'s; here the blob's bytes go in and the answer's frames come out, a piece at a time
//! and on the threads for work that blocks, so that no other request waits for a query.

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_ENCODING;
use lazuli_engine::BoxFuture;
use lazuli_model::blob_type::BlobType;
use lazuli_model::range::ResolvedRange;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_query::request::{self, BODY_BYTES_MAX, InputFormat};
use lazuli_query::{Progress, Query};
use lazuli_store::Store;
use lazuli_store::read::{ContentReader, OpenBlob};

use crate::access;
use crate::call::Call;
use crate::message::ResponseBody;
use crate::properties::md5_text;
use crate::reply::Reply;
use crate::spec::{CONDITIONS, ENTITY, Effect, LEASE, Level, METADATA, Selector, Spec, Status};

/// Query Blob Contents.
pub static SPEC: Spec = Spec {
    name: "QueryBlobContents",
    title: "Query Blob Contents",
    rows: &["Blob_Query"],
    page: "https://learn.microsoft.com/rest/api/storageservices/query-blob-contents",
    level: Level::Blob,
    methods: &[Method::POST],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "query")],
    access: access::BLOB_READ,
    query: &["timeout", "snapshot"],
    headers: &[CONDITIONS, LEASE, &["content-type"]],
    success: &[200],
    response: &[
        ENTITY,
        METADATA,
        &[
            "x-ms-creation-time",
            "x-ms-tag-count",
            "content-length",
            "content-type",
            "cache-control",
            "content-disposition",
            "content-language",
            "x-ms-blob-type",
            "x-ms-copy-completion-time",
            "x-ms-copy-status-description",
            "x-ms-copy-id",
            "x-ms-copy-progress",
            "x-ms-copy-source",
            "x-ms-copy-status",
            "x-ms-lease-duration",
            "x-ms-lease-state",
            "x-ms-lease-status",
            "accept-ranges",
            "x-ms-server-encrypted",
            "x-ms-blob-content-md5",
        ],
    ],
    status: Status::Built,
};

/// The type of an answer, whatever the type of the blob.
const ANSWER_TYPE: &str = "avro/binary";

/// An answer up to this size is sent in one piece with its head.
const WHOLE_BYTES_MAX: usize = 256 * 1024;

/// Answers with the records that the query selects.
pub async fn handle(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let snapshot = call.snapshot()?;
    let body = call.read_announced_body(BODY_BYTES_MAX as u64).await?;
    let request = request::read(&body)?;
    let path = call.path(container.as_str(), blob.as_str());
    let opened = call.store().open_blob_to_read(&path, snapshot, &asked.terms(&call)).await?;
    let row = &opened.row;
    if row.blob_type != BlobType::Block {
        return Err(ErrorCode::InvalidBlobType.into());
    }
    let mut sync = [0; 16];
    call.api.entropy.fill(&mut sync);
    let query = Query::new(&request, row.length, opened.now, sync)?;
    let mut reply = Reply::new(200)
        .blob(row, opened.now, &call.granted, snapshot.is_some())
        .fixed("content-type", ANSWER_TYPE)
        .optional("x-ms-blob-content-md5", row.content.md5.as_ref().map(md5_text));
    // The blob may be encoded; the answer is not, and a client must not decode it.
    reply.headers.remove(CONTENT_ENCODING);
    let content = match request.input {
        InputFormat::Parquet => Content::Parts(call.store().clone(), Box::new(opened)),
        InputFormat::Delimited(_) | InputFormat::Json(_) => {
            Content::Whole(call.store().read_content(opened, None).await?)
        }
    };
    answer(reply, Answer { content, query: Some(query), input: Input::None }).await
}

/// The reply with the whole answer, if that is short, or else with its beginning and a stream of
/// the rest. A query that does not fit the blob's first record is still refused as one.
async fn answer(reply: Reply, mut answer: Answer) -> Result<Reply, Refusal> {
    let mut first = Vec::new();
    while let Some(more) = answer.advance().await? {
        first.extend_from_slice(&more);
        if first.len() > WHOLE_BYTES_MAX {
            let stream = Started { first: Some(first.into()), answer };
            return Ok(reply.stream(Box::new(stream)));
        }
    }
    Ok(reply.header("content-length", first.len()).full(first))
}

/// An answer being computed.
struct Answer {
    content: Content,
    /// The query, unless it is done or at work.
    query: Option<Query>,
    /// What the query is given next.
    input: Input,
}

/// Where a query's input comes from.
enum Content {
    /// From the first byte of the blob to the last.
    Whole(ContentReader),
    /// From parts of it that the query asks for.
    Parts(Store, Box<OpenBlob>),
}

impl Content {
    /// The next bytes.
    async fn next(&mut self) -> Result<Input, Refusal> {
        match self {
            Self::Whole(reader) => {
                Ok(reader.next().await?.map_or(Input::End, |bytes| Input::Bytes(vec![bytes])))
            }
            Self::Parts(..) => Ok(Input::End),
        }
    }

    /// All of these bytes.
    async fn part(&mut self, first: u64, bytes: u64) -> Result<Input, Refusal> {
        let Self::Parts(store, opened) = self else { return Ok(Input::End) };
        let last = first.saturating_add(bytes.saturating_sub(1));
        let mut reader = store.read_part(opened, ResolvedRange { first, last }).await?;
        let mut pieces = Vec::new();
        while let Some(piece) = reader.next().await? {
            pieces.push(piece);
        }
        Ok(Input::Bytes(pieces))
    }
}

/// What a query is given.
enum Input {
    None,
    Bytes(Vec<Bytes>),
    End,
}

/// What a query has done between two returns.
type Worked = Result<(Query, Progress, Vec<u8>), Refusal>;

fn work(mut query: Query, input: Input) -> Worked {
    match input {
        Input::None => {}
        Input::Bytes(pieces) => pieces.iter().for_each(|bytes| query.push(bytes)),
        Input::End => query.finish(),
    }
    let mut out = Vec::new();
    let progress = query.advance(&mut out)?;
    Ok((query, progress, out))
}

impl Answer {
    /// The next frames; `None` at the end.
    async fn advance(&mut self) -> Result<Option<Bytes>, Refusal> {
        while let Some(query) = self.query.take() {
            let input = std::mem::replace(&mut self.input, Input::None);
            let worked = tokio::task::spawn_blocking(move || work(query, input)).await;
            let (query, progress, out) = worked
                .map_err(|error| Refusal::new(ErrorCode::InternalError).with_cause(error))??;
            if progress != Progress::Done {
                self.query = Some(query);
            }
            match progress {
                Progress::Starved => self.input = self.content.next().await?,
                Progress::Wanted { first, bytes } => {
                    self.input = self.content.part(first, bytes).await?;
                }
                Progress::Busy | Progress::Done => {}
            }
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }
}

/// An answer whose beginning is at hand.
struct Started {
    first: Option<Bytes>,
    answer: Answer,
}

impl ResponseBody for Started {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, Refusal>>> {
        Box::pin(async {
            match self.first.take() {
                Some(first) => Some(Ok(first)),
                None => self.answer.advance().await.transpose(),
            }
        })
    }
}
