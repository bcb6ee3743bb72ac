//! Copy sources: the blob a URL names, whether it is on this server, and, if it is, whether the
//! caller may read it. Of a source elsewhere, its server decides that.
//!
//! A source here is authorised by the token in its URL, by being public, or, for Copy Blob only, by
//! being in the account whose key signed the request, or whose blobs the caller's roles let him read.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob#request-headers>

use http::{HeaderMap, Method};
use lazuli_auth::{AccessContext, AuthRequest, Permission, Principal, authenticate, authorise};
use lazuli_base::Timestamp;
use lazuli_model::conditions::Conditions;
use lazuli_model::etag::ETag;
use lazuli_model::names::{BlobName, ContainerName};
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::blob::BlobPath;
use lazuli_store::rows::BlobRow;
use lazuli_wire::query::Query;
use lazuli_wire::{copy_source, date, headers, md5};

use crate::access;
use crate::accountable::Caller;
use crate::address::{self, Resource};
use crate::call::{Call, too_large};
use crate::own_address;
use crate::remote_source::RemoteSource;

const HEADER: &str = "x-ms-copy-source";

/// The header that authorises the reading of a source elsewhere.
pub(crate) const AUTHORIZATION: &str = "x-ms-copy-source-authorization";

/// Azure's own endpoints. A name below one is that of an account there, even if an account here is
/// called the same, unless requests come to this server under it.
const AZURE: &[&str] =
    &["core.windows.net", "core.usgovcloudapi.net", "core.chinacloudapi.cn", "storage.azure.net"];

/// Whether a source may be read because the caller holds the key of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnAccount {
    /// Yes: Copy Blob.
    Suffices,
    /// No: the From URL operations want a token.
    DoesNot,
}

/// A source on this server that the caller may read.
#[derive(Clone, Debug)]
pub(crate) struct SourceBlob {
    /// The URL as it is told later: without its query's signature.
    pub(crate) url: String,
    account: String,
    container: ContainerName,
    blob: BlobName,
    /// The snapshot, if one is named.
    pub(crate) snapshot: Option<Timestamp>,
}

impl SourceBlob {
    /// The blob's full name.
    pub(crate) fn path(&self) -> BlobPath<'_> {
        BlobPath {
            account: &self.account,
            container: self.container.as_str(),
            blob: self.blob.as_str(),
        }
    }
}

/// Where a copy source is.
#[derive(Clone, Debug)]
pub(crate) enum Located {
    /// On this server.
    Here(SourceBlob),
    /// On another.
    There(RemoteSource),
}

/// The state of a source whose content was verified; nothing if none was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verified(Option<ETag>);

impl Verified {
    /// Refuses a source that changed since: `SourceConditionNotMet`.
    pub(crate) fn check(self, source: &BlobRow) -> Result<(), Refusal> {
        match self.0 {
            Some(etag) if etag != source.etag => Err(ErrorCode::SourceConditionNotMet.into()),
            _ => Ok(()),
        }
    }
}

impl Call<'_> {
    /// The blob that `x-ms-copy-source` names, here or elsewhere.
    ///
    /// `CannotVerifyCopySource` with the status of what is wrong with one that is here; nothing is
    /// known yet of one elsewhere.
    pub(crate) async fn locate_source(&self, own: OwnAccount) -> Result<Located, Refusal> {
        let text = self.required_header(HEADER)?;
        let source = copy_source::parse(HEADER, text)?;
        let host = host_of(&source);
        if self.is_here(&host) || self.is_own_address(&source) {
            return Ok(Located::Here(self.source_here(&source, own).await?));
        }
        Ok(Located::There(RemoteSource::new(text, &source)))
    }

    /// The blob that `x-ms-copy-source` names, for Incremental Copy Blob, whose source is on this
    /// server.
    ///
    /// As [`Call::locate_source`]; `InvalidSourceBlobUrl` for one elsewhere, of which nothing here
    /// tells that it is a page blob's.
    pub(crate) async fn copy_source(&self, own: OwnAccount) -> Result<SourceBlob, Refusal> {
        match self.locate_source(own).await? {
            Located::Here(source) => Ok(source),
            Located::There(_) => Err(ErrorCode::InvalidSourceBlobUrl.into()),
        }
    }

    /// A source on this server.
    async fn source_here(
        &self,
        source: &copy_source::CopySource<'_>,
        own: OwnAccount,
    ) -> Result<SourceBlob, Refusal> {
        let host = host_of(source);
        let target = match source.raw_query {
            "" => source.raw_path.to_owned(),
            query => format!("{}?{query}", source.raw_path),
        };
        let is_account = |name: &str| self.api.accounts.contains(name);
        let address = address::resolve(&target, Some(&host), source.secure, is_account)
            .map_err(|refusal| unverified(&refusal))?;
        let Resource::Blob(container, blob) = address.resource(None) else {
            return Err(Refusal::header_value(HEADER, source.raw_path));
        };
        let query = Query::parse(address.query)?;
        let headers = self.source_authorization()?;
        let allowed = self.check_source((&address, &headers), (&container, &blob), own).await;
        let caller = allowed.map_err(|refusal| {
            self.api.count_refused(&refusal, self.head.remote);
            unverified(&refusal)
        })?;
        let snapshot = match query.get_non_empty("snapshot") {
            None => None,
            Some(text) => Some(
                date::parse_iso7(text)
                    .ok_or_else(|| Refusal::header_value(HEADER, target.as_str()))?,
            ),
        };
        let scheme = if source.secure { "https" } else { "http" };
        let shown = match query.raw_value("snapshot") {
            Some(snapshot) => format!("?snapshot={snapshot}"),
            None => String::new(),
        };
        let source = SourceBlob {
            url: format!("{scheme}://{host}{}{shown}", source.raw_path),
            container: ContainerName::parse(&container).map_err(|refusal| unverified(&refusal))?,
            blob: BlobName::parse(&blob, container == "$root")
                .map_err(|refusal| unverified(&refusal))?,
            account: address.account,
            snapshot,
        };
        self.copies_from((&source.path(), snapshot), caller.as_ref());
        Ok(source)
    }

    /// Reads a source whose content has to have an MD5. What its owner stored as its MD5 proves
    /// nothing.
    ///
    /// `Md5Mismatch` for other content, `RequestBodyTooLarge` for more than `bytes_max`.
    pub(crate) async fn verify_source(
        &self,
        from: &SourceBlob,
        conditions: &Conditions,
        (expected, bytes_max): (Option<[u8; 16]>, u64),
    ) -> Result<Verified, Refusal> {
        let Some(expected) = expected else { return Ok(Verified(None)) };
        let opened = self.store().open_source(&from.path(), from.snapshot, conditions).await?;
        if opened.row.length > bytes_max {
            return Err(too_large(bytes_max));
        }
        let etag = opened.row.etag;
        let mut reader = self.store().read_content(opened, None).await?;
        let mut digest = md5::Md5::new();
        while let Some(part) = reader.next().await? {
            digest.update(&part);
        }
        md5::verify(&expected, &digest.finish())?;
        Ok(Verified(Some(etag)))
    }

    /// Whether a URL's host is this server: the name the request itself was sent to, or a name of
    /// one of this server's accounts.
    fn is_here(&self, host: &str) -> bool {
        let own = headers::text(self.head.headers, "host").ok().flatten().unwrap_or_default();
        if host.eq_ignore_ascii_case(own) {
            return true;
        }
        let port = |host: &str| host.rsplit_once(':').map(|(_, port)| port.to_owned());
        let label = host.split_once('.').map_or("", |(label, _)| label);
        let address = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let domain = |host: &str| {
            let (name, _) = host.rsplit_once(':').unwrap_or((host, ""));
            name.split_once('.').map(|(_, domain)| domain.to_ascii_lowercase())
        };
        let is_azure =
            domain(host).is_some_and(|domain| AZURE.iter().any(|azure| domain.ends_with(azure)));
        if is_azure && domain(host) != domain(own) {
            return false;
        }
        address.parse::<std::net::IpAddr>().is_err()
            && self.api.accounts.contains(label.trim_end_matches("-secondary"))
            && (port(host).is_none() || port(host) == port(own))
    }

    /// Whether a URL names an address that this server listens at.
    fn is_own_address(&self, source: &copy_source::CopySource<'_>) -> bool {
        let is_account = |name: &str| self.api.accounts.contains(name);
        let listeners = &self.api.listens_at;
        listeners.iter().any(|listener| own_address::names(source, *listener, is_account))
    }

    /// The headers that authorise the reading of a source here: the bearer token for it, if the
    /// operation takes one.
    ///
    /// `InvalidHeaderValue` for any other scheme.
    fn source_authorization(&self) -> Result<HeaderMap, Refusal> {
        let mut sent = HeaderMap::new();
        if !self.spec.reads_header(AUTHORIZATION) {
            return Ok(sent);
        }
        let Some(value) = self.head.headers.get(AUTHORIZATION) else { return Ok(sent) };
        let text = value.to_str().unwrap_or_default();
        let (scheme, _) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("Bearer") {
            // What follows the scheme may be a secret.
            return Err(Refusal::header_value(AUTHORIZATION, scheme));
        }
        sent.insert(http::header::AUTHORIZATION, value.clone());
        Ok(sent)
    }

    /// Who is allowed to read a source; `None` if the caller himself is, as the owner of both.
    async fn check_source(
        &self,
        (address, headers): (&address::Address<'_>, &HeaderMap),
        (container, blob): (&str, &str),
        own: OwnAccount,
    ) -> Result<Option<Caller>, Refusal> {
        let auth = AuthRequest {
            method: Method::GET.as_str(),
            path: address.path,
            query: address.query,
            headers,
            service: self.head.service,
            account: &address.account,
            container: Some(container),
            blob: Some(blob),
            secure: self.head.secure,
            remote: self.head.remote,
            version: self.head.version,
            now: self.head.now,
        };
        let identities = self.api.identities.as_deref();
        let principal = authenticate(&auth, &*self.api.accounts, identities)?;
        let reads = || self.granted.require_on(container, Permission::Read).is_ok();
        let owned = address.account == self.account()
            && (self.granted.is_owner() || self.granted.bearer().is_some() && reads());
        if matches!(principal, Principal::Anonymous) && owned && own == OwnAccount::Suffices {
            return Ok(None);
        }
        let caller = Caller::of(&principal);
        let row = self.store().find_container(&address.account, container).await?;
        let policy = principal.policy_id().and_then(|id| {
            row.as_ref()?.policies.iter().find(|policy| policy.id == id).map(access::policy)
        });
        let principal = principal.into_effective(policy.as_ref(), &auth)?;
        let context = AccessContext {
            service: self.head.service,
            requested_version: self.head.requested_version,
            public_access: access::public(row.as_ref()),
            version: self.head.version,
            tenant: self.api.tenant(),
        };
        authorise(&access::BLOB_READ, &principal, &context).map(|_| Some(caller))
    }
}

/// Host and, unless it is the scheme's own, port of a source.
fn host_of(source: &copy_source::CopySource<'_>) -> String {
    if source.port == if source.secure { 443 } else { 80 } {
        source.host.to_owned()
    } else {
        format!("{}:{}", source.host, source.port)
    }
}

/// What is wrong with a source is told as the source's answer.
pub(crate) fn unverified(refusal: &Refusal) -> Refusal {
    Refusal::new(ErrorCode::CannotVerifyCopySource)
        .with_status(refusal.status())
        .with_message(refusal.message().to_owned())
        .with_detail("CopySourceStatusCode", refusal.status().to_string())
        .with_detail("CopySourceErrorCode", refusal.code().name())
        .with_detail("CopySourceErrorMessage", refusal.message().to_owned())
}
