//! Who sends a request and what they may do: head, keys and time in, principal and grant out.
//!
//! Everything here is pure: no socket, no file, no clock. The steps are split so that a caller can
//! look up a stored access policy between them:
//!
//! 1. [`authenticate`] verifies the signature (Shared Key, Shared Key Lite, SAS, session, bearer
//!    token) and parses;
//! 2. [`Principal::into_effective`] merges the stored access policy a SAS names, if any;
//! 3. [`authorise`] checks a SAS's times, address and protocol, then holds the caller against the
//!    [`AccessSpec`] of the operation and yields what is [`Granted`].
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-requests-to-azure-storage>

mod access;
mod action;
mod authenticate;
mod bearer;
mod canonical;
mod challenge;
mod collation;
mod date;
mod delegation;
mod grant;
mod guid;
mod identity;
mod jwks;
mod key;
mod permission;
mod policy;
mod query;
mod refusal;
mod role;
mod sas;
mod sas_delegated;
mod sas_layout;
mod session;
mod shared_key;
mod sign;

pub use access::{
    AccessContext, AccessSpec, AnonymousAccess, EffectivePrincipal, Granted, PublicAccess,
    RoleAccess, ServiceSas, authorise,
};
pub use action::{Actions, DataAction};
pub use authenticate::{AuthRequest, Principal, authenticate};
pub use canonical::Signable;
pub use challenge::{DEFAULT_TENANT, bearer_challenge};
pub use collation::compare_header_names;
pub use date::parse_iso8601;
pub use delegation::{DELEGATION_KEY_MAX, DelegationKey, delegation_service};
pub use grant::{
    AddressRange, Delegation, Protocols, ResourceTypes, ResponseOverrides, SasGrant, SasKind,
    SasResource, Services,
};
pub use guid::{Guid, NoGuid};
pub use identity::{Assignment, Bearer, Identities, Roles};
pub use jwks::{JwksError, VerificationKeys};
pub use key::{AccountKey, AccountKeys, InvalidKey};
pub use permission::{Permission, SasPermissions, UnknownPermission};
pub use policy::{AccessPolicy, EffectiveGrant};
pub use role::Role;
pub use session::{NONCE_BYTES, Session, create_session};
pub use shared_key::Scheme;
pub use sign::{
    AccountSas, ServiceSasToken, account_sas, queue_sas, service_sas, sign_shared_key, table_sas,
};
