//! From a request's head to its principal: picks the scheme and runs it.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-requests-to-azure-storage>

use std::net::IpAddr;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use lazuli_base::Timestamp;
use lazuli_model::{ApiVersion, Refusal, Service};

use crate::access::EffectivePrincipal;
use crate::bearer;
use crate::canonical::Signable;
use crate::grant::{SasGrant, SasKind, SasResource};
use crate::guid::Guid;
use crate::identity::{Bearer, Identities};
use crate::key::AccountKeys;
use crate::policy::AccessPolicy;
use crate::query::{Plus, Query};
use crate::refusal::malformed_header;
use crate::shared_key::{Credential, Scheme};
use crate::{sas, session, shared_key};

/// The head of a request, with what addressing has found out about it.
#[derive(Clone, Copy, Debug)]
pub struct AuthRequest<'a> {
    /// The HTTP method, upper case.
    pub method: &'a str,
    /// The path as sent, still encoded; in path style it begins with `/<account>`.
    pub path: &'a str,
    /// The query as sent, still encoded, without `?`.
    pub query: &'a str,
    /// The headers as sent.
    pub headers: &'a HeaderMap,
    /// The service called.
    pub service: Service,
    /// The account addressed, without `-secondary`.
    pub account: &'a str,
    /// The decoded name of the container (queue, table) addressed, if one is.
    pub container: Option<&'a str>,
    /// The decoded name of the blob addressed, if one is.
    pub blob: Option<&'a str>,
    /// Whether the request came over TLS.
    pub secure: bool,
    /// The address of the client.
    pub remote: IpAddr,
    /// The version that decides the request's behaviour.
    pub version: ApiVersion,
    /// The present moment.
    pub now: Timestamp,
}

impl<'a> AuthRequest<'a> {
    pub(crate) fn signable(&self) -> Signable<'a> {
        Signable {
            method: self.method,
            path: self.path,
            query: self.query,
            headers: self.headers,
            service: self.service,
            account: self.account,
            version: self.version,
        }
    }
}

/// Who sent a request, as far as its signature tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A holder of one of the account's keys.
    AccountKey {
        /// The place of the key: 0 for key1, 1 for key2.
        key_index: usize,
    },
    /// A bearer of a shared access signature.
    Sas(Box<SasGrant>),
    /// A holder of a session of the addressed container.
    Session {
        /// The place of the key that the session's was derived from.
        key_index: usize,
    },
    /// Somebody whom a bearer token names.
    Bearer(Box<Bearer>),
    /// Somebody who brought no authorisation.
    Anonymous,
}

impl Principal {
    /// The stored access policy of the addressed container that has to be looked up, if any.
    pub fn policy_id(&self) -> Option<&str> {
        match self {
            Self::Sas(grant) => grant.policy_id.as_deref(),
            _ => None,
        }
    }

    /// The table whose stored access policies the token refers to, if it is a table's.
    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Sas(grant) => match &grant.kind {
                SasKind::Service(SasResource::Table { table, .. }) => Some(table),
                _ => None,
            },
            _ => None,
        }
    }

    /// The place of the account key that signed the request or the token, if one did.
    pub fn key_index(&self) -> Option<usize> {
        match self {
            Self::AccountKey { key_index } | Self::Session { key_index } => Some(*key_index),
            Self::Sas(grant) if grant.delegation.is_none() => Some(grant.key_index),
            Self::Sas(_) | Self::Bearer(_) | Self::Anonymous => None,
        }
    }

    /// The object id of the identity that the request, or the key of its token, belongs to.
    pub fn object_id(&self) -> Option<&Guid> {
        match self {
            Self::Bearer(bearer) => Some(&bearer.object_id),
            Self::Sas(grant) => grant.delegation.as_ref().map(|delegation| &delegation.object_id),
            Self::AccountKey { .. } | Self::Session { .. } | Self::Anonymous => None,
        }
    }

    /// Merges the stored access policy, and checks a token's times, address and protocol.
    ///
    /// # Errors
    /// Those of [`SasGrant::with_policy`] and [`crate::EffectiveGrant::check_window`].
    pub fn into_effective(
        self,
        policy: Option<&AccessPolicy>,
        request: &AuthRequest<'_>,
    ) -> Result<EffectivePrincipal, Refusal> {
        Ok(match self {
            Self::AccountKey { .. } => EffectivePrincipal::Owner,
            Self::Session { .. } => EffectivePrincipal::Session,
            Self::Bearer(bearer) => EffectivePrincipal::Bearer(bearer),
            Self::Anonymous => EffectivePrincipal::Anonymous,
            Self::Sas(grant) => {
                let effective = grant.with_policy(policy)?;
                effective.check_window(request.now, request.remote, request.secure)?;
                EffectivePrincipal::Sas(Box::new(effective))
            }
        })
    }
}

/// Verifies the request's signature, if it has one.
///
/// An `Authorization` header wins over a shared access signature in the query, unless that is bound
/// to whom the header names. Without `identities` there are none.
///
/// # Errors
/// 403 `AuthenticationFailed` with `AuthenticationErrorDetail`; 400 `InvalidAuthenticationInfo` for
/// a malformed header, 401 for a bearer token that is not accepted; 400 `InvalidHeaderValue` for a
/// header that is signed and sent twice.
pub fn authenticate(
    request: &AuthRequest<'_>,
    keys: &dyn AccountKeys,
    identities: Option<&Identities>,
) -> Result<Principal, Refusal> {
    let token = |query: &Query<'_>, user| {
        let grant = sas::verify(request, query, keys, (identities, user))?;
        Ok(Principal::Sas(Box::new(grant)))
    };
    let query = Query::parse(request.query, Plus::Space);
    let mut headers = request.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else {
        return if query.contains("sig") { token(&query, None) } else { Ok(Principal::Anonymous) };
    };
    if headers.next().is_some() {
        return Err(malformed_header("Authorization is sent twice"));
    }
    let header = header.to_str().map_err(|_| malformed_header("Authorization is not ASCII"))?;
    let (scheme, rest) = header
        .trim()
        .split_once(' ')
        .ok_or_else(|| malformed_header("Authorization has no scheme"))?;
    let scheme = if scheme.eq_ignore_ascii_case("SharedKey") {
        Scheme::SharedKey
    } else if scheme.eq_ignore_ascii_case("SharedKeyLite") {
        Scheme::SharedKeyLite
    } else if scheme.eq_ignore_ascii_case("Session") {
        return session::verify(request, &query, rest, keys);
    } else if scheme.eq_ignore_ascii_case("Bearer") {
        let bearer = bearer::verify(request, rest, identities)?;
        return if query.contains("sig") && query.contains("sduoid") {
            token(&query, Some(&bearer))
        } else {
            Ok(Principal::Bearer(Box::new(bearer)))
        };
    } else {
        return Err(malformed_header("the scheme of Authorization is not supported"));
    };
    let credential = Credential::parse(scheme, rest)?;
    // An unknown account fails like a wrong signature.
    let keys = keys.keys(request.account).unwrap_or_default();
    let key_index = shared_key::verify(request, &query, &credential, keys)?;
    Ok(Principal::AccountKey { key_index })
}
