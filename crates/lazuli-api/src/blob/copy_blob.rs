//! Copy Blob: complete when it is answered if the source is on this server, for no byte moves; from
//! another server it is begun, and goes on by itself.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob>

use http::Method;
use lazuli_fetch::Content;
use lazuli_model::blob_type::BlobType;
use lazuli_model::content::ContentHeaders;
use lazuli_model::lease::LeaseId;
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_model::tier::AccessTier;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::copy::{Destination, Source};
use lazuli_store::pages::{PageRange, SEQUENCE_MAX};
use lazuli_store::put::NewBlob;
use lazuli_store::remote_copy::SourceKind;
use lazuli_store::rows::BlobRow;
use lazuli_store::tier::Retiering;
use lazuli_wire::headers;

use crate::access;
use crate::call::Call;
use crate::copy_source::{Located, OwnAccount};
use crate::decode::Asked;
use crate::remote_source::{Properties, RemoteSource};
use crate::reply::Reply;
use crate::spec::{
    CONDITIONS, ENTITY, Effect, LEASE, Level, METADATA, SOURCE_CONDITIONS, Selector, Spec, Status,
};

/// Copy Blob.
pub static SPEC: Spec = Spec {
    name: "CopyBlob",
    title: "Copy Blob",
    rows: &["Blob_StartCopyFromURL"],
    page: "https://learn.microsoft.com/rest/api/storageservices/copy-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::NoQuery("comp"),
        Selector::HasHeader("x-ms-copy-source"),
        Selector::NoHeader("x-ms-blob-type"),
        Selector::HeaderNot("x-ms-requires-sync", &["true"]),
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
            "x-ms-rehydrate-priority",
            "x-ms-seal-blob",
            "x-ms-source-if-tags",
            "x-ms-tags",
            "x-ms-source-lease-id",
        ],
    ],
    success: &[202],
    response: &[ENTITY, &["x-ms-copy-id", "x-ms-copy-status"]],
    status: Status::Built,
};

/// Whether the copy of an append blob is sealed; without it, it is if its source is.
const SEAL: &str = "x-ms-seal-blob";

/// Makes the blob a copy of another.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, asked_of_source) = (call.asked()?, call.asked_of_source()?);
    let tier = call.tier()?;
    let retiering = call.retiering(tier.unwrap_or(AccessTier::Archive))?;
    let mut destination = NewCopy {
        metadata: call.metadata()?,
        tags: call.tags()?,
        tier,
        retiering,
        url: String::new(),
        seals: headers::boolean(call.head.headers, SEAL)?,
    };
    let path = call.path(container.as_str(), blob.as_str());
    let terms = asked.terms(&call);
    let from = match call.locate_source(OwnAccount::Suffices).await? {
        Located::Here(from) => from,
        Located::There(from) => {
            return begin(&call, (&path, &terms), (&from, &asked_of_source), &destination).await;
        }
    };
    destination.url.clone_from(&from.url);
    let source = Source {
        path: from.path(),
        snapshot: from.snapshot,
        conditions: &asked_of_source.conditions,
        lease: asked_of_source.lease.as_ref(),
        bytes_max: u64::MAX,
    };
    let copied = call.store().copy_blob("CopyBlob", (&path, &terms), &source, &destination).await?;
    Ok(Reply::new(202)
        .entity(copied.written.etag, copied.written.modified)
        .optional("x-ms-copy-id", copied.copy_id)
        .fixed("x-ms-copy-status", "success"))
}

/// Begins a copy from another server.
async fn begin(
    call: &Call<'_>,
    destination: (&BlobPath<'_>, &Terms<'_>),
    (from, asked): (&RemoteSource, &Asked),
    new: &NewCopy,
) -> Result<Reply, Refusal> {
    let store = call.store();
    store.check_copy(destination.0, destination.1).await?;
    let source = call.probe_remote(from, asked).await?;
    let kind = kind_of(&source, new.seals)?;
    if new.tier.is_some() && !AccessTier::applies_to(kind.blob_type()) {
        return Err(ErrorCode::AccessTierNotSupportedForBlobType.into());
    }
    let properties = Properties::of(source.headers())?;
    let remote = lazuli_store::remote_copy::RemoteSource {
        told: &from.told,
        url: &from.url,
        etag: source.etag(),
        lease: asked.lease.as_ref().map(LeaseId::as_str),
        length: source.total(),
        kind,
    };
    let new = new.of(&properties.content, &properties.metadata);
    let (written, id) = store.begin_remote_copy(destination, &new, &remote).await?;
    call.api.copy_begun.notify_one();
    Ok(Reply::new(202)
        .entity(written.etag, written.modified)
        .header("x-ms-copy-id", id)
        .fixed("x-ms-copy-status", "pending"))
}

/// What kind of blob a source elsewhere says it is; `seals` is what is asked of the copy.
fn kind_of(source: &Content, seals: Option<bool>) -> Result<SourceKind, Refusal> {
    let told = |name: &str| source.headers().get(name);
    let number = |name: &str| told(name).and_then(|text| text.parse::<u64>().ok());
    let kind = match told("x-ms-blob-type") {
        None | Some("BlockBlob") => SourceKind::Block,
        Some("AppendBlob") => {
            let is_sealed = || told("x-ms-blob-sealed").is_some_and(|text| text == "true");
            let sealed = seals.unwrap_or_else(is_sealed);
            SourceKind::Append { blocks: number("x-ms-blob-committed-block-count"), sealed }
        }
        Some("PageBlob") => {
            // The end of the last page, unless there is none.
            let last = source.total().checked_sub(1);
            let is_of_pages = last.is_none_or(|last| PageRange::new(0, last).is_ok());
            let sequence = number("x-ms-blob-sequence-number").unwrap_or(0);
            if !is_of_pages || sequence > SEQUENCE_MAX {
                return Err(ErrorCode::CannotVerifyCopySource.into());
            }
            SourceKind::Page { sequence }
        }
        Some(_) => return Err(ErrorCode::InvalidSourceBlobType.into()),
    };
    if seals == Some(true) && kind.blob_type() != BlobType::Append {
        return Err(Refusal::header_value(SEAL, "true"));
    }
    Ok(kind)
}

/// What the destination of a copy gets, given the request.
struct NewCopy {
    metadata: Metadata,
    tags: TagSet,
    tier: Option<AccessTier>,
    retiering: Retiering,
    url: String,
    seals: Option<bool>,
}

impl NewCopy {
    /// The new blob of a source with this content and metadata.
    fn of(&self, content: &ContentHeaders, metadata: &Metadata) -> NewBlob {
        NewBlob {
            content: content.clone(),
            metadata: if self.metadata.is_empty() { metadata } else { &self.metadata }.clone(),
            tags: self.tags.clone(),
            tier: self.tier,
            copy: None,
        }
    }
}

impl Destination for NewCopy {
    fn build(&self, source: &BlobRow) -> Result<NewBlob, Refusal> {
        if self.seals == Some(true) && source.blob_type != BlobType::Append {
            return Err(Refusal::header_value(SEAL, "true"));
        }
        Ok(self.of(&source.content, &source.metadata))
    }

    fn told_source(&self) -> Option<&str> {
        Some(&self.url)
    }

    fn needs_infinite_lease(&self) -> bool {
        true
    }

    fn seals(&self) -> Option<bool> {
        self.seals
    }

    fn rehydrates(&self) -> Option<Retiering> {
        Some(self.retiering).filter(|to| to.tier != AccessTier::Archive)
    }
}
