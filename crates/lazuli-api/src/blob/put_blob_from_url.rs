//! Put Blob From URL: a new block blob with the content of another.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob-from-url>

use http::Method;
use lazuli_model::blob_type::BlobType;
use lazuli_model::content::ContentHeaders;
use lazuli_model::metadata::Metadata;
use lazuli_model::tags::TagSet;
use lazuli_model::tier::AccessTier;
use lazuli_model::{Refusal, limits};
use lazuli_store::blob::{BlobPath, Terms};
use lazuli_store::copy::{Destination, Source};
use lazuli_store::put::NewBlob;
use lazuli_store::rows::BlobRow;
use lazuli_wire::headers;

use crate::access;
use crate::blob::copy_blob_from_url::copies_tags;
use crate::call::Call;
use crate::copy_source::{Located, OwnAccount, Verified};
use crate::properties::md5_text;
use crate::remote_blob::{RemoteBlob, Wanted};
use crate::remote_source::Properties;
use crate::reply::Reply;
use crate::spec::{
    BLOB_CONTENT, CONDITIONS, ENCRYPTED, ENTITY, Effect, LEASE, Level, METADATA, SOURCE_CONDITIONS,
    Selector, Spec, Status,
};

/// Put Blob From URL.
pub static SPEC: Spec = Spec {
    name: "PutBlobFromUrl",
    title: "Put Blob From URL",
    rows: &["BlockBlob_PutBlobFromUrl"],
    page: "https://learn.microsoft.com/rest/api/storageservices/put-blob-from-url",
    level: Level::Blob,
    methods: &[Method::PUT],
    effect: Effect::Changes,
    selectors: &[
        Selector::NoQuery("comp"),
        Selector::HasHeader("x-ms-copy-source"),
        Selector::Header("x-ms-blob-type", "BlockBlob"),
    ],
    access: access::BLOB_CREATE,
    query: &["timeout"],
    headers: &[
        CONDITIONS,
        SOURCE_CONDITIONS,
        BLOB_CONTENT,
        METADATA,
        LEASE,
        &[
            "x-ms-access-tier",
            "x-ms-source-if-tags",
            "x-ms-tags",
            "x-ms-source-content-md5",
            "x-ms-copy-source-authorization",
            "x-ms-file-request-intent",
            "x-ms-copy-source-tag-option",
            "content-md5",
            "x-ms-copy-source-blob-properties",
        ],
    ],
    success: &[201],
    response: &[ENTITY, ENCRYPTED, &["content-md5", "x-ms-content-crc64"]],
    status: Status::Built,
};

/// Makes or overwrites the blob.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let (asked, asked_of_source) = (call.asked()?, call.asked_of_source()?);
    let source_md5 = headers::md5(call.head.headers, "x-ms-source-content-md5")?;
    let bytes_max = limits::put_blob_bytes_max(call.version());
    let path = call.path(container.as_str(), blob.as_str());
    let terms = asked.terms(&call);
    let properties = call.header("x-ms-copy-source-blob-properties")?;
    let mut destination = NewFromUrl {
        content: call.content(false)?,
        copy_properties: !properties.is_some_and(|text| text.eq_ignore_ascii_case("false")),
        metadata: call.metadata()?,
        tags: call.tags()?,
        tier: call.tier()?,
        copy_tags: copies_tags(&call)?,
        verified: Verified::default(),
    };
    let from = match call.locate_source(OwnAccount::DoesNot).await? {
        Located::Here(from) => from,
        Located::There(from) => {
            let wanted = Wanted {
                md5: source_md5,
                bytes_max,
                tags: destination.copy_tags,
                is_block_blob: false,
            };
            call.store().check_put(&path, &terms).await?;
            let source = call.bring_blob(&from, &asked_of_source, wanted).await?;
            return put(&call, (&path, &terms), source, &destination).await;
        }
    };
    let asked_md5 = (source_md5, bytes_max);
    destination.verified =
        call.verify_source(&from, &asked_of_source.conditions, asked_md5).await?;
    let source = Source {
        path: from.path(),
        snapshot: from.snapshot,
        conditions: &asked_of_source.conditions,
        lease: None,
        bytes_max,
    };
    let copied =
        call.store().copy_blob("PutBlobFromUrl", (&path, &terms), &source, &destination).await?;
    Ok(Reply::new(201)
        .entity(copied.written.etag, copied.written.modified)
        .optional("content-md5", copied.source.content.md5.as_ref().map(md5_text))
        .encrypted())
}

/// Makes the blob of what was brought from another server.
async fn put(
    call: &Call<'_>,
    (path, terms): (&BlobPath<'_>, &Terms<'_>),
    source: RemoteBlob,
    destination: &NewFromUrl,
) -> Result<Reply, Refusal> {
    let Properties { content, metadata } = &source.properties;
    let new = destination.of((content, metadata), &source.tags);
    let blob = (&new, &source.payload);
    let written = call.store().put_blob("PutBlobFromUrl", path, terms, blob).await?;
    Ok(Reply::new(201)
        .entity(written.etag, written.modified)
        .optional("content-md5", content.md5.as_ref().map(md5_text))
        .encrypted())
}

struct NewFromUrl {
    content: ContentHeaders,
    copy_properties: bool,
    metadata: Metadata,
    tags: TagSet,
    tier: Option<AccessTier>,
    copy_tags: bool,
    verified: Verified,
}

impl NewFromUrl {
    /// The new blob of a source with this content, metadata and tags.
    fn of(&self, (source, metadata): (&ContentHeaders, &Metadata), tags: &TagSet) -> NewBlob {
        let given = &self.content;
        let from = if self.copy_properties { source.clone() } else { ContentHeaders::default() };
        let content = ContentHeaders {
            content_type: given.content_type.clone().or(from.content_type),
            encoding: given.encoding.clone().or(from.encoding),
            language: given.language.clone().or(from.language),
            disposition: given.disposition.clone().or(from.disposition),
            cache_control: given.cache_control.clone().or(from.cache_control),
            md5: given.md5.or(source.md5),
        };
        let metadata = if self.metadata.is_empty() && self.copy_properties {
            metadata.clone()
        } else {
            self.metadata.clone()
        };
        NewBlob {
            content,
            metadata,
            tags: if self.copy_tags { tags } else { &self.tags }.clone(),
            tier: self.tier,
            copy: None,
        }
    }
}

impl Destination for NewFromUrl {
    fn build(&self, source: &BlobRow) -> Result<NewBlob, Refusal> {
        self.verified.check(source)?;
        Ok(self.of((&source.content, &source.metadata), &source.tags))
    }

    fn told_source(&self) -> Option<&str> {
        None
    }

    fn needs_infinite_lease(&self) -> bool {
        false
    }

    fn blob_type(&self, _: &BlobRow) -> BlobType {
        BlobType::Block
    }
}
