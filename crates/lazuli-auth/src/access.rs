//! The access decision: what an operation asks for, held against what the caller brings.
//!
//! Every operation holds one [`AccessSpec`]; nothing else in the server decides who may call it.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-account-sas#account-sas-permissions-by-operation>

use lazuli_model::entity::{EntityKey, KeySpan};
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};

use crate::action::Actions;
use crate::challenge::{CHALLENGE, no_authentication};
use crate::grant::{ResourceTypes, ResponseOverrides, SasKind, SasResource};
use crate::guid::Guid;
use crate::identity::Bearer;
use crate::permission::{Permission, SasPermissions};
use crate::policy::EffectiveGrant;
use crate::refusal::{failed, unauthorised};

/// The permission to read blobs.
const READ: SasPermissions = SasPermissions::of(&[Permission::Read]);

/// What one operation asks of its caller. Account keys may call every operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessSpec {
    /// The level or levels of the API (`srt` of an account SAS); a token with one of them will do.
    pub resource_types: ResourceTypes,
    /// Sets of permissions, each sufficient alone; [`SasPermissions::NONE`] is met by any token.
    pub any_of: &'static [SasPermissions],
    /// A set of permissions that suffices too, in tokens of this version (`sv`) and newer.
    pub any_of_since: Option<(ApiVersion, SasPermissions)>,
    /// Whether an account SAS may call the operation.
    pub account_sas: bool,
    /// Whether a service SAS may call the operation.
    pub service_sas: ServiceSas,
    /// Whether the operation may be called without authorisation.
    pub anonymous: AnonymousAccess,
    /// What the roles of an identity must permit.
    pub roles: RoleAccess,
}

/// What roles must permit for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleAccess {
    /// All actions of one of these sets, on the addressed container, queue or table.
    AnyOf(&'static [Actions]),
    /// The same in this version and newer; identities may not call it in older ones.
    Since(ApiVersion, &'static [Actions]),
    /// An action, by its official name, that only roles of the management plane permit: none that an
    /// identity can have here.
    Management(&'static str),
    /// Anything at all: what is inside the request is held against the roles part by part.
    EachPart,
    /// Identities may not call it.
    Never,
}

/// Whether a service SAS may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceSas {
    /// With one of the sets of permissions.
    Allowed,
    /// Not at all, whatever its permissions: `AuthorizationFailure`.
    Never,
}

/// Whether an operation may be called without authorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnonymousAccess {
    /// Not at all.
    Never,
    /// On containers whose blobs are public, or that are public altogether.
    BlobPublic,
    /// On containers that are public altogether.
    ContainerPublic,
    /// Always, for instance preflight requests.
    Always,
}

/// What the addressed container allows everybody (`x-ms-blob-public-access`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublicAccess {
    /// Nothing, or there is no container.
    #[default]
    Private,
    /// Reading blobs.
    Blob,
    /// Reading blobs and listing them.
    Container,
    /// Nothing, whatever the container says: the account forbids public access.
    Forbidden,
}

/// What the decision needs to know of the request besides its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessContext {
    /// The service called.
    pub service: Service,
    /// The version the request itself names (`x-ms-version`); `None` if it names none.
    pub requested_version: Option<ApiVersion>,
    /// What the addressed container allows everybody.
    pub public_access: PublicAccess,
    /// The version that decides the request's behaviour.
    pub version: ApiVersion,
    /// Whose identities are taken, for challenges; `None` without any.
    pub tenant: Option<Guid>,
}

/// A caller, with the token's stored access policy merged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectivePrincipal {
    /// A holder of an account key.
    Owner,
    /// A bearer of a shared access signature.
    Sas(Box<EffectiveGrant>),
    /// A holder of a session of the addressed container.
    Session,
    /// Somebody whom a bearer token names.
    Bearer(Box<Bearer>),
    /// Somebody unknown.
    Anonymous,
}

/// A request that may go on, and the finer permissions its handler asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    owner: bool,
    /// Of a caller without authorisation, what the decision knew.
    anonymous: Option<AccessContext>,
    permissions: SasPermissions,
    version: ApiVersion,
    overrides: ResponseOverrides,
    encryption_scope: Option<String>,
    /// Of a token for a table, its name in lower case and the keys the token reaches.
    table: Option<(String, KeySpan)>,
    /// Whom a bearer token names.
    bearer: Option<Box<Bearer>>,
}

impl Granted {
    /// What the holder of an account key is granted: everything.
    pub fn owner() -> Self {
        Self { owner: true, ..Self::of(SasPermissions::ALL) }
    }

    fn of(permissions: SasPermissions) -> Self {
        Self {
            owner: false,
            anonymous: None,
            permissions,
            version: ApiVersion::NEWEST,
            overrides: ResponseOverrides::default(),
            encryption_scope: None,
            table: None,
            bearer: None,
        }
    }

    /// Whether the request is signed with an account key.
    pub fn is_owner(&self) -> bool {
        self.owner
    }

    /// Who calls, if a bearer token names him.
    pub fn bearer(&self) -> Option<&Bearer> {
        self.bearer.as_deref()
    }

    /// Refuses a caller without the permission on a container, queue or table that the address of
    /// the request does not name.
    ///
    /// # Errors
    /// Those of [`Granted::require`].
    pub fn require_on(&self, resource: &str, permission: Permission) -> Result<(), Refusal> {
        let Some(bearer) = &self.bearer else { return self.require(permission) };
        if bearer.roles.on(Some(resource)).permissions().contains(permission) {
            return Ok(());
        }
        Err(ErrorCode::AuthorizationPermissionMismatch.into())
    }

    /// Refuses a caller who brought no authorisation, where public access opens only a part of an
    /// operation.
    ///
    /// # Errors
    /// Those of [`authorise`] without authorisation.
    pub fn require_authorisation(&self) -> Result<(), Refusal> {
        self.anonymous.as_ref().map_or(Ok(()), |context| Err(refuse_anonymous(context)))
    }

    /// Whether the caller has the permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// Refuses a caller without the permission.
    ///
    /// # Errors
    /// 403 `AuthorizationPermissionMismatch` (404 for tokens before 2015-04-05).
    pub fn require(&self, permission: Permission) -> Result<(), Refusal> {
        if self.may(permission) {
            return Ok(());
        }
        Err(unauthorised(self.version, ErrorCode::AuthorizationPermissionMismatch))
    }

    /// Whether an existing blob may be overwritten: `c` alone creates new ones only.
    pub fn may_overwrite(&self) -> bool {
        self.may(Permission::Write)
    }

    /// Refuses a caller who may create blobs but not overwrite them.
    ///
    /// # Errors
    /// 403 `UnauthorizedBlobOverwrite`.
    pub fn require_overwrite(&self) -> Result<(), Refusal> {
        if self.may_overwrite() {
            return Ok(());
        }
        Err(Refusal::new(ErrorCode::UnauthorizedBlobOverwrite))
    }

    /// The table that a token is for, in lower case, and the keys of it that the token reaches;
    /// `None` for who may reach all tables.
    pub fn table(&self) -> Option<(&str, &KeySpan)> {
        self.table.as_ref().map(|(table, span)| (table.as_str(), span))
    }

    /// Refuses a caller whose token does not reach an entity.
    ///
    /// # Errors
    /// 403 `AuthorizationFailure`.
    pub fn require_entity(&self, table: &str, key: &EntityKey) -> Result<(), Refusal> {
        match &self.table {
            Some((own, span)) if !own.eq_ignore_ascii_case(table) || !span.contains(key) => {
                Err(unauthorised(self.version, ErrorCode::AuthorizationFailure))
            }
            _ => Ok(()),
        }
    }

    /// The response headers a service SAS replaces.
    pub fn overrides(&self) -> &ResponseOverrides {
        &self.overrides
    }

    /// The encryption scope a token prescribes for writes.
    pub fn encryption_scope(&self) -> Option<&str> {
        self.encryption_scope.as_deref()
    }
}

/// Decides whether the caller may call the operation.
///
/// A token's times, address and protocol are checked before, by [`EffectiveGrant::check_window`].
///
/// # Errors
/// For a SAS 403 `AuthorizationFailure`, `AuthorizationServiceMismatch`,
/// `AuthorizationResourceTypeMismatch`, `AuthorizationPermissionMismatch` (404 `ResourceNotFound`
/// for tokens before 2015-04-05); without authorisation 401 `NoAuthenticationInformation` with a
/// challenge, or in requests before 2019-12-12 and without version 404 `ResourceNotFound`; for an
/// identity 403 `AuthorizationPermissionMismatch` and, where identities may not call, 403
/// `AuthorizationFailure`.
pub fn authorise(
    spec: &AccessSpec,
    principal: &EffectivePrincipal,
    context: &AccessContext,
) -> Result<Granted, Refusal> {
    match principal {
        EffectivePrincipal::Owner => Ok(Granted::owner()),
        EffectivePrincipal::Sas(grant) => authorise_sas(spec, grant, context),
        EffectivePrincipal::Session => authorise_session(spec),
        EffectivePrincipal::Bearer(bearer) => authorise_bearer(spec, bearer, context),
        EffectivePrincipal::Anonymous => authorise_anonymous(spec, context),
    }
}

fn authorise_sas(
    spec: &AccessSpec,
    effective: &EffectiveGrant,
    context: &AccessContext,
) -> Result<Granted, Refusal> {
    let grant = effective.grant();
    let refuse = |code| Err(unauthorised(grant.version, code));
    let callable = match &grant.kind {
        SasKind::Account { services, resource_types } => {
            if !services.contains(context.service) {
                return refuse(ErrorCode::AuthorizationServiceMismatch);
            }
            if spec.account_sas && !resource_types.intersects(spec.resource_types) {
                return refuse(ErrorCode::AuthorizationResourceTypeMismatch);
            }
            spec.account_sas
        }
        SasKind::Service(_) => spec.service_sas == ServiceSas::Allowed,
    };
    if !callable {
        return refuse(ErrorCode::AuthorizationFailure);
    }
    let mut permissions = effective.permissions();
    if let Some(delegation) = &grant.delegation {
        spec.roles.check(delegation.here, context.version)?;
        permissions = permissions.intersection(delegation.here.permissions());
    }
    let since = spec.any_of_since.filter(|(first, _)| grant.version >= *first);
    let mut sets = spec.any_of.iter().copied().chain(since.map(|(_, needed)| needed));
    if !sets.any(|needed| permissions.contains_all(needed)) {
        return refuse(ErrorCode::AuthorizationPermissionMismatch);
    }
    Ok(Granted {
        version: grant.version,
        overrides: grant.overrides.clone(),
        encryption_scope: grant.encryption_scope.clone(),
        table: match &grant.kind {
            SasKind::Service(SasResource::Table { table, span }) => {
                Some((table.clone(), span.clone()))
            }
            _ => None,
        },
        ..Granted::of(permissions)
    })
}

impl RoleAccess {
    /// Whether roles that permit `held` suffice in a version.
    fn check(self, held: Actions, version: ApiVersion) -> Result<(), Refusal> {
        let any_of = match self {
            Self::AnyOf(any_of) => any_of,
            Self::Since(first, any_of) if version >= first => any_of,
            Self::EachPart => return Ok(()),
            Self::Management(_) => &[],
            Self::Since(..) | Self::Never => return Err(ErrorCode::AuthorizationFailure.into()),
        };
        if any_of.iter().any(|needed| held.contains_all(*needed)) {
            return Ok(());
        }
        Err(ErrorCode::AuthorizationPermissionMismatch.into())
    }
}

fn authorise_bearer(
    spec: &AccessSpec,
    bearer: &Bearer,
    context: &AccessContext,
) -> Result<Granted, Refusal> {
    // Whoever has no role in the account has nothing to ask part by part.
    if bearer.roles.is_empty() {
        return Err(ErrorCode::AuthorizationPermissionMismatch.into());
    }
    spec.roles.check(bearer.here, context.version)?;
    let permissions = bearer.here.permissions();
    Ok(Granted { bearer: Some(Box::new(bearer.clone())), ..Granted::of(permissions) })
}

/// A session reads blobs, and nothing else.
fn authorise_session(spec: &AccessSpec) -> Result<Granted, Refusal> {
    if spec.resource_types == ResourceTypes::OBJECT && spec.any_of == [READ] {
        return Ok(Granted::of(READ));
    }
    Err(ErrorCode::AuthorizationPermissionMismatch.into())
}

fn authorise_anonymous(spec: &AccessSpec, context: &AccessContext) -> Result<Granted, Refusal> {
    const READ_AND_LIST: SasPermissions = SasPermissions::of(&[Permission::Read, Permission::List]);

    let permissions = match (spec.anonymous, context.public_access) {
        (AnonymousAccess::Always, _) | (AnonymousAccess::BlobPublic, PublicAccess::Blob) => READ,
        (
            AnonymousAccess::BlobPublic | AnonymousAccess::ContainerPublic,
            PublicAccess::Container,
        ) => READ_AND_LIST,
        _ => return Err(refuse_anonymous(context)),
    };
    Ok(Granted { anonymous: Some(context.clone()), ..Granted::of(permissions) })
}

fn refuse_anonymous(context: &AccessContext) -> Refusal {
    match (context.requested_version, context.service) {
        (Some(version), _) if version >= CHALLENGE => no_authentication(context.tenant.as_ref()),
        (None, Service::Blob | Service::Dfs)
            if context.public_access == PublicAccess::Forbidden =>
        {
            Refusal::new(ErrorCode::PublicAccessNotPermitted)
        }
        (_, Service::Blob | Service::Dfs) => Refusal::new(ErrorCode::ResourceNotFound),
        (_, Service::Queue | Service::Table) => {
            failed("The request carries no authorization information.")
        }
    }
}
