//! Copy sources on other servers: how they are asked for, and how what they answer is told.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-from-url#authorization>

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_fetch::{Answered, Ask, Content, FetchError, Headers, Target};
use lazuli_model::conditions::{Conditions, Current};
use lazuli_model::content::ContentHeaders;
use lazuli_model::lease::LeaseId;
use lazuli_model::metadata::Metadata;
use lazuli_model::range::ByteRange;
use lazuli_model::tags::TagSet;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_wire::copy_source::CopySource;
use lazuli_wire::query::Query;
use lazuli_wire::{body, date, headers};

use crate::call::Call;
use crate::copy_source::{AUTHORIZATION, unverified};
use crate::decode::Asked;
use crate::spelling::METADATA_PREFIX;

/// The version other servers are asked in: it has all that is asked for, and Azure's emulators and
/// Lazulis of some age know it.
const VERSION: &str = "2021-12-02";

/// The header that says why a file share is read by a token, and the version of the File service that
/// knows it.
///
/// <https://learn.microsoft.com/rest/api/storageservices/put-blob-from-url#request-headers>
const FILE_INTENT: (&str, &str) = ("x-ms-file-request-intent", "2022-11-02");

/// Most bytes of a blob's tags.
const TAGS_BYTES_MAX: u64 = 64 * 1024;

/// How long an operation may take to bring what it answers with.
const BRING_TIME: Duration = Duration::from_hours(1);

/// The conditions on a source, and as what the source is asked to keep them.
const CONDITIONS: &[(&str, &str)] = &[
    ("x-ms-source-if-match", "If-Match"),
    ("x-ms-source-if-none-match", "If-None-Match"),
    ("x-ms-source-if-modified-since", "If-Modified-Since"),
    ("x-ms-source-if-unmodified-since", "If-Unmodified-Since"),
    ("x-ms-source-if-tags", "x-ms-if-tags"),
];

/// A source on another server.
#[derive(Clone)]
pub(crate) struct RemoteSource {
    /// The URL as it is told later: without its token.
    pub(crate) told: String,
    /// The URL as it was given.
    pub(crate) url: String,
    target: Target,
}

/// Its token stays untold.
impl std::fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told)
    }
}

/// What a source tells of its blob besides the bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    /// Content properties.
    pub(crate) content: ContentHeaders,
    /// Metadata, names as they are spelled there.
    pub(crate) metadata: Metadata,
}

/// Where a source's URL leads.
pub(crate) fn target_of(source: &CopySource<'_>) -> Target {
    let path = (source.raw_path, source.raw_query);
    Target::new(source.secure, source.host, source.port, path)
}

/// The headers that go with every request to a source.
pub(crate) fn standing_headers(lease: Option<&str>) -> Vec<(&'static str, String)> {
    let mut sent = vec![("x-ms-version", VERSION.to_owned())];
    sent.extend(lease.map(|lease| ("x-ms-lease-id", lease.to_owned())));
    sent
}

impl RemoteSource {
    /// The source that a URL names.
    pub(crate) fn new(url: &str, source: &CopySource<'_>) -> Self {
        let end = url.find(['?', '#']).unwrap_or(url.len());
        let query = Query::parse(source.raw_query).ok();
        let snapshot = query.as_ref().and_then(|query| query.raw_value("snapshot"));
        let shown = snapshot.map(|snapshot| format!("?snapshot={snapshot}")).unwrap_or_default();
        let told = format!("{}{shown}", url.get(..end).unwrap_or_default());
        Self { told, url: url.to_owned(), target: target_of(source) }
    }
}

/// Bounds the time that something is brought in.
///
/// `OperationTimedOut` if it takes longer.
pub(crate) async fn in_time<T>(
    bringing: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let brought = tokio::time::timeout(BRING_TIME, bringing).await;
    brought.unwrap_or_else(|_| Err(ErrorCode::OperationTimedOut.into()))
}

impl Call<'_> {
    /// Begins to read a source, or a range of it, and holds the conditions on it against what it
    /// says of itself.
    pub(crate) async fn open_remote(
        &self,
        from: &RemoteSource,
        asked: &Asked,
        range: Option<ByteRange>,
    ) -> Result<Content, Refusal> {
        let content = self.fetch(self.ask(from, asked, range)?).await;
        let content = content.map_err(|error| unfetched(&error))?;
        self.check_remote(&content, asked)?;
        Ok(content)
    }

    /// The headers of a source, its length and its entity tag, at the price of a byte.
    pub(crate) async fn probe_remote(
        &self,
        from: &RemoteSource,
        asked: &Asked,
    ) -> Result<Content, Refusal> {
        let first = ByteRange { first: 0, last: Some(0) };
        let begun = match self.fetch(self.ask(from, asked, Some(first))?).await {
            // There are no ranges, or there is no first byte.
            Err(FetchError::NoRanges) => self.fetch(self.ask(from, asked, None)?).await,
            Err(FetchError::Answered(answered)) if answered.status == 416 => {
                self.fetch(self.ask(from, asked, None)?).await
            }
            begun => begun,
        };
        let content = begun.map_err(|error| unfetched(&error))?;
        self.check_remote(&content, asked)?;
        Ok(content)
    }

    /// Holds the conditions on a source against what it says of itself.
    fn check_remote(&self, content: &Content, asked: &Asked) -> Result<(), Refusal> {
        let tags = TagSet::default();
        let modified = content.headers().get("last-modified").and_then(date::parse_http_date);
        let current = Current {
            etag: content.headers().get("etag").unwrap_or_default(),
            modified: modified.unwrap_or(self.head.now),
            tags: &tags,
        };
        // The source alone knows its tags.
        let conditions = Conditions { if_tags: None, ..asked.conditions.clone() };
        conditions.check_source(Some(current))
    }

    /// The tags of a source.
    pub(crate) async fn remote_tags(
        &self,
        from: &RemoteSource,
        asked: &Asked,
    ) -> Result<TagSet, Refusal> {
        let target = from.target.with_query("comp=tags");
        let headers = self.headers_for(from, asked)?;
        let ask = Ask { headers, ..Ask::all(target) };
        let told = self.api.fetcher.whole(ask, TAGS_BYTES_MAX).await;
        let told = told.map_err(|error| unfetched(&error))?;
        let strange = || unreadable("The tags of the copy source cannot be read.");
        let pairs = body::tags::read(&told.bytes).map_err(|_| strange())?;
        TagSet::new(pairs).map_err(|_| strange())
    }

    async fn fetch(&self, ask: Ask) -> Result<Content, FetchError> {
        self.api.fetcher.open(ask).await
    }

    fn ask(
        &self,
        from: &RemoteSource,
        asked: &Asked,
        range: Option<ByteRange>,
    ) -> Result<Ask, Refusal> {
        let mut conditions = Vec::new();
        for (given, sent) in CONDITIONS {
            if self.spec.reads_header(given)
                && let Some(value) = headers::non_empty(self.head.headers, given)?
            {
                conditions.push((*sent, value.to_owned()));
            }
        }
        Ok(Ask {
            target: from.target.clone(),
            range: range.map(|range| (range.first, range.last)),
            headers: self.headers_for(from, asked)?,
            conditions,
        })
    }

    fn headers_for(
        &self,
        from: &RemoteSource,
        asked: &Asked,
    ) -> Result<Vec<(&'static str, String)>, Refusal> {
        let mut sent = standing_headers(asked.lease.as_ref().map(LeaseId::as_str));
        if self.spec.reads_header(AUTHORIZATION)
            && let Some(token) = headers::non_empty(self.head.headers, AUTHORIZATION)?
        {
            // A token in the clear would be anybody's.
            if !from.target.is_secure() {
                return Err(Refusal::header_value("x-ms-copy-source", from.told.as_str())
                    .with_message("A copy source that is authorized by a token takes https."));
            }
            sent.push(("Authorization", token.to_owned()));
        }
        let (intent, version) = FILE_INTENT;
        if self.spec.reads_header(intent)
            && let Some(value) = headers::non_empty(self.head.headers, intent)?
        {
            if value != "backup" {
                return Err(Refusal::header_value(intent, value));
            }
            sent.retain(|(name, _)| *name != "x-ms-version");
            sent.extend([("x-ms-version", version.to_owned()), (intent, value.to_owned())]);
        }
        Ok(sent)
    }
}

impl Properties {
    /// What the headers of a source tell.
    pub(crate) fn of(headers: &Headers) -> Result<Self, Refusal> {
        let text = |name: &str| headers.get(name).filter(|text| !text.is_empty());
        let owned = |name: &str| text(name).map(str::to_owned);
        let pairs = headers.iter().filter_map(|(name, value)| {
            let prefix = name.get(..METADATA_PREFIX.len())?;
            let rest = name.get(METADATA_PREFIX.len()..)?;
            prefix.eq_ignore_ascii_case(METADATA_PREFIX).then_some((rest, value))
        });
        let metadata = Metadata::new(pairs).map_err(|refusal| unverified(&refusal))?;
        let md5 = text("x-ms-blob-content-md5").or_else(|| text("content-md5"));
        let content = ContentHeaders {
            content_type: owned("content-type"),
            encoding: owned("content-encoding"),
            language: owned("content-language"),
            disposition: owned("content-disposition"),
            cache_control: owned("cache-control"),
            md5: md5.and_then(|md5| STANDARD.decode(md5).ok()?.try_into().ok()),
        };
        Ok(Self { content, metadata })
    }
}

/// A source that cannot be verified, and why.
fn unreadable(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::CannotVerifyCopySource).with_message(message.into())
}

/// What kept a source from being read, as Azure tells it.
pub(crate) fn unfetched(error: &FetchError) -> Refusal {
    let refusal = match error {
        FetchError::Answered(answered) => return refused_by(answered),
        FetchError::Changed => Refusal::new(ErrorCode::SourceConditionNotMet),
        FetchError::NotAllowed => {
            unreadable("This server may not read from the host of the copy source.")
                .with_status(403)
        }
        FetchError::Busy => Refusal::new(ErrorCode::ServerBusy),
        FetchError::Unreachable(_)
        | FetchError::TimedOut(_)
        | FetchError::Malformed(_)
        | FetchError::NoRanges
        | FetchError::Interrupted(_) => Refusal::new(ErrorCode::CannotVerifyCopySource),
    };
    refusal.with_cause(error)
}

/// What a source answered in place of content.
fn refused_by(answered: &Answered) -> Refusal {
    let status = answered.status;
    let code = answered.headers.get("x-ms-error-code");
    let refusal = match status {
        304 | 412 => return ErrorCode::SourceConditionNotMet.into(),
        416 => {
            let range = answered.headers.get("content-range").unwrap_or("bytes */0");
            return Refusal::new(ErrorCode::InvalidRange).with_header("content-range", range);
        }
        300..400 => unreadable(format!(
            "The copy source redirects (HTTP status code {status}), which is not followed."
        ))
        .with_status(400),
        400..600 => unreadable(match status {
            404 => "The specified resource does not exist.".to_owned(),
            _ => format!("The copy source answered with HTTP status code {status}."),
        })
        .with_status(status),
        _ => unreadable(format!("The copy source answered with HTTP status code {status}.")),
    };
    let refusal = refusal.with_detail("CopySourceStatusCode", status.to_string());
    match code.filter(|code| code.len() <= 128 && code.bytes().all(|b| b.is_ascii_alphanumeric())) {
        Some(code) => refusal.with_detail("CopySourceErrorCode", code),
        None => refusal,
    }
}
