//! Stored access policies, and what is left of a token once its policy is merged into it.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/define-stored-access-policy>

use std::net::IpAddr;

use lazuli_base::Timestamp;
use lazuli_model::{ErrorCode, Refusal};

use crate::date::rfc1123;
use crate::grant::{Protocols, SasGrant};
use crate::permission::SasPermissions;
use crate::refusal::{failed, missing_field, unauthorised};

/// A stored access policy of a container: what a token that names it need not say itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Not valid before.
    pub start: Option<Timestamp>,
    /// Not valid at or after.
    pub expiry: Option<Timestamp>,
    /// What it permits.
    pub permissions: Option<SasPermissions>,
}

/// A token with its policy merged in: complete, and still to be checked against time and caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveGrant {
    grant: SasGrant,
    permissions: SasPermissions,
    start: Option<Timestamp>,
    expiry: Timestamp,
}

impl SasGrant {
    /// Completes the token with the stored access policy its `policy_id` names; `None` says that
    /// there is no such policy, or that the token names none.
    ///
    /// # Errors
    /// 403 `AuthenticationFailed`: the policy does not exist, a field is in both places, or the
    /// permissions or the expiry are in neither.
    pub fn with_policy(self, policy: Option<&AccessPolicy>) -> Result<EffectiveGrant, Refusal> {
        let policy = match (&self.policy_id, policy) {
            (None, _) => AccessPolicy::default(),
            (Some(_), Some(policy)) => *policy,
            (Some(id), None) => {
                return Err(failed(format!(
                    "The signed identifier '{id}' does not name a stored access policy."
                )));
            }
        };
        let start = either("st", self.start, policy.start)?;
        let expiry =
            either("se", self.expiry, policy.expiry)?.ok_or_else(|| missing_field("se"))?;
        let permissions = either("sp", self.permissions, policy.permissions)?
            .ok_or_else(|| missing_field("sp"))?;
        Ok(EffectiveGrant { grant: self, permissions, start, expiry })
    }
}

/// The one place a field is given in.
fn either<T>(name: &str, token: Option<T>, policy: Option<T>) -> Result<Option<T>, Refusal> {
    match (token, policy) {
        (Some(_), Some(_)) => Err(failed(format!(
            "{name} is specified both in the signature and in the stored access policy."
        ))),
        (token, policy) => Ok(token.or(policy)),
    }
}

impl EffectiveGrant {
    /// The token as verified.
    pub fn grant(&self) -> &SasGrant {
        &self.grant
    }

    /// The permissions of the token or of its policy.
    pub fn permissions(&self) -> SasPermissions {
        self.permissions
    }

    /// Checks what does not depend on the operation, in the service's order: validity period,
    /// source address, protocol.
    ///
    /// # Errors
    /// 403 `AuthenticationFailed` outside the period, `AuthorizationSourceIPMismatch`,
    /// `AuthorizationProtocolMismatch`.
    pub fn check_window(
        &self,
        now: Timestamp,
        remote: IpAddr,
        secure: bool,
    ) -> Result<(), Refusal> {
        self.check_period(now)?;
        if self.grant.addresses.is_some_and(|range| !range.contains(remote)) {
            let ip = remote.to_canonical();
            return Err(unauthorised(self.grant.version, ErrorCode::AuthorizationSourceIPMismatch)
                .with_message(format!(
                    "This request is not authorized to perform this operation using this source IP \
                 {ip}."
                ))
                .with_detail("SourceIP", ip.to_string()));
        }
        if self.grant.protocols == Protocols::HttpsOnly && !secure {
            return Err(unauthorised(self.grant.version, ErrorCode::AuthorizationProtocolMismatch));
        }
        Ok(())
    }

    fn check_period(&self, now: Timestamp) -> Result<(), Refusal> {
        let started = self.start.is_none_or(|start| start <= now);
        if started && now < self.expiry {
            return Ok(());
        }
        Err(failed(format!(
            "Signature not valid in the specified time frame: Start [{}] - Expiry [{}] - Current \
             [{}]",
            self.start.map(rfc1123).unwrap_or_default(),
            rfc1123(self.expiry),
            rfc1123(now)
        )))
    }
}
