//! Copy Blob: complete when it is answered, for no byte moves.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob>

use http::Method;
use lazuli_model::Refusal;
use lazuli_model::blob_type::BlobType;
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_model::tier::AccessTier;
use lazuli_store::copy::{Destination, Source};
use lazuli_store::put::NewBlob;
use lazuli_store::rows::BlobRow;
use lazuli_store::tier::Retiering;
use lazuli_wire::headers;

use crate::access;
use crate::call::Call;
use crate::copy_source::OwnAccount;
use crate::reply::Reply;
use crate::spec::{
    CONDITIONS, ENTITY, LEASE, Level, METADATA, SOURCE_CONDITIONS, Selector, Spec, Status,
};

/// Copy Blob.
pub static SPEC: Spec = Spec {
    name: "CopyBlob",
    title: "Copy Blob",
    rows: &["Blob_StartCopyFromURL"],
    page: "https://learn.microsoft.com/rest/api/storageservices/copy-blob",
    level: Level::Blob,
    methods: &[Method::PUT],
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
    let from = call.copy_source(OwnAccount::Suffices).await?;
    let destination = NewCopy {
        metadata: call.metadata()?,
        tags: call.tags()?,
        tier,
        retiering,
        url: from.url.clone(),
        seals: headers::boolean(call.head.headers, SEAL)?,
    };
    let source = Source {
        path: from.path(),
        snapshot: from.snapshot,
        conditions: &asked_of_source.conditions,
        lease: asked_of_source.lease.as_ref(),
        bytes_max: u64::MAX,
    };
    let path = call.path(container.as_str(), blob.as_str());
    let terms = asked.terms(&call);
    let copied = call.store().copy_blob("CopyBlob", (&path, &terms), &source, &destination).await?;
    Ok(Reply::new(202)
        .entity(copied.written.etag, copied.written.modified)
        .optional("x-ms-copy-id", copied.copy_id)
        .fixed("x-ms-copy-status", "success"))
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

impl Destination for NewCopy {
    fn build(&self, source: &BlobRow) -> Result<NewBlob, Refusal> {
        if self.seals == Some(true) && source.blob_type != BlobType::Append {
            return Err(Refusal::header_value(SEAL, "true"));
        }
        let metadata =
            if self.metadata.is_empty() { &source.metadata } else { &self.metadata }.clone();
        Ok(NewBlob {
            content: source.content.clone(),
            metadata,
            tags: self.tags.clone(),
            tier: self.tier,
            copy: None,
        })
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
