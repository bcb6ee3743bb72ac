//! Copy Blob From URL: a synchronous copy of a blob that the URL authorises to read.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url>

use http::Method;
use lazuli_auth::Permission;
use lazuli_model::blob_type::BlobType;
use lazuli_model::copy::{CopyState, CopyStatus};
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_model::tier::AccessTier;
use lazuli_model::{ErrorCode, Refusal, limits};
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::copy::{Destination, Source};
use lazuli_store::put::NewBlob;
use lazuli_store::rows::BlobRow;
use lazuli_wire::headers;

use crate::access;
use crate::call::Call;
use crate::copy_source::{Located, OwnAccount, Verified};
use crate::decode::Asked;
use crate::properties::md5_text;
use crate::remote_blob::Wanted;
use crate::remote_source::RemoteSource;
use crate::reply::Reply;
use crate::spec::{
    CONDITIONS, ENTITY, Effect, LEASE, Level, METADATA, SOURCE_CONDITIONS, Selector, Spec, Status,
};

/// Copy Blob From URL.
pub static SPEC: Spec = Spec {
    name: "CopyBlobFromUrl",
    title: "Copy Blob From URL",
    rows: &["Blob_CopyFromURL"],
    page: "https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::NoQuery("comp"),
        Selector::HasHeader("x-ms-copy-source"),
        Selector::NoHeader("x-ms-blob-type"),
        Selector::Header("x-ms-requires-sync", "true"),
    ],
    access: access::BLOB_CREATE,
    query: &["timeout"],
    headers: &[
        CONDITIONS,
        SOURCE_CONDITIONS,
        METADATA,
        LEASE,
        &[
            "x-ms-access-tier",
            "x-ms-tags",
            "x-ms-source-content-md5",
            "x-ms-copy-source-authorization",
            "x-ms-file-request-intent",
            "x-ms-copy-source-tag-option",
            "x-ms-source-lease-id",
        ],
    ],
    success: &[202],
    response: &[ENTITY, &["x-ms-copy-id", "x-ms-copy-status", "content-md5", "x-ms-content-crc64"]],
    status: Status::Built,
};

/// Makes the blob a copy of another.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, asked_of_source) = (call.asked()?, call.asked_of_source()?);
    let source_md5 = headers::md5(call.head.headers, "x-ms-source-content-md5")?;
    let copy_tags = copies_tags(&call)?;
    let bytes_max = limits::COPY_FROM_URL_BYTES_MAX;
    let path = call.path(container.as_str(), blob.as_str());
    let terms = asked.terms(&call);
    let from = match call.locate_source(OwnAccount::DoesNot).await? {
        Located::Here(from) => from,
        Located::There(from) => {
            let wanted =
                Wanted { md5: source_md5, bytes_max, tags: copy_tags, is_block_blob: true };
            return bring(&call, (&path, &terms), (&from, &asked_of_source), wanted).await;
        }
    };
    let asked_md5 = (source_md5, bytes_max);
    let verified = call.verify_source(&from, &asked_of_source.conditions, asked_md5).await?;
    let destination = NewCopy {
        metadata: call.metadata()?,
        tags: call.tags()?,
        tier: call.tier()?,
        url: from.url.clone(),
        copy_tags,
        verified,
    };
    let source = Source {
        path: from.path(),
        snapshot: from.snapshot,
        conditions: &asked_of_source.conditions,
        lease: asked_of_source.lease.as_ref(),
        bytes_max,
    };
    let copied =
        call.store().copy_blob("CopyBlobFromUrl", (&path, &terms), &source, &destination).await?;
    Ok(Reply::new(202)
        .entity(copied.written.etag, copied.written.modified)
        .optional("x-ms-copy-id", copied.copy_id)
        .optional("content-md5", copied.source.content.md5.as_ref().map(md5_text))
        .fixed("x-ms-copy-status", "success"))
}

/// Copies from another server.
async fn bring(
    call: &Call<'_>,
    (path, terms): (&BlobPath<'_>, &Terms<'_>),
    (from, asked): (&RemoteSource, &Asked),
    wanted: Wanted,
) -> Result<Reply, Refusal> {
    call.store().check_put(path, terms).await?;
    let given = (call.metadata()?, call.tags()?, call.tier()?);
    let source = call.bring_blob(from, asked, wanted).await?;
    let (metadata, tags, tier) = given;
    let content = source.properties.content;
    let length = source.payload.len();
    let copy = CopyState {
        id: call.api.entropy.uuid(),
        source: from.told.clone(),
        status: CopyStatus::Success,
        copied: length,
        total: length,
        completed: Some(call.head.now),
        description: None,
    };
    let reply = Reply::new(202)
        .header("x-ms-copy-id", &copy.id)
        .fixed("x-ms-copy-status", copy.status.name())
        .optional("content-md5", content.md5.as_ref().map(md5_text));
    let new = NewBlob {
        content,
        metadata: if metadata.is_empty() { source.properties.metadata } else { metadata },
        tags: if wanted.tags { source.tags } else { tags },
        tier,
        copy: Some(copy),
    };
    let new = (&new, &source.payload);
    let written = call.store().put_blob("CopyBlobFromUrl", path, terms, new).await?;
    Ok(reply.entity(written.etag, written.modified))
}

/// Whether the tags of the source are copied, too.
pub(crate) fn copies_tags(call: &Call<'_>) -> Result<bool, Refusal> {
    let header = "x-ms-copy-source-tag-option";
    match call.header(header)? {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("REPLACE") => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("COPY") => {
            if call.header("x-ms-tags")?.is_some() {
                return Err(ErrorCode::BothUserTagsAndSourceTagsCopyPresentException.into());
            }
            call.granted.require(Permission::Tags)?;
            Ok(true)
        }
        Some(text) => Err(Refusal::header_value(header, text)),
    }
}

struct NewCopy {
    metadata: Metadata,
    tags: TagSet,
    tier: Option<AccessTier>,
    url: String,
    copy_tags: bool,
    verified: Verified,
}

impl Destination for NewCopy {
    fn build(&self, source: &BlobRow) -> Result<NewBlob, Refusal> {
        if source.blob_type != BlobType::Block {
            return Err(ErrorCode::InvalidSourceBlobType.into());
        }
        self.verified.check(source)?;
        let metadata =
            if self.metadata.is_empty() { &source.metadata } else { &self.metadata }.clone();
        Ok(NewBlob {
            content: source.content.clone(),
            metadata,
            tags: if self.copy_tags { source.tags.clone() } else { self.tags.clone() },
            tier: self.tier,
            copy: None,
        })
    }

    fn told_source(&self) -> Option<&str> {
        Some(&self.url)
    }

    fn needs_infinite_lease(&self) -> bool {
        false
    }
}
