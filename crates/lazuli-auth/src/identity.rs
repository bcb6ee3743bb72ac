//! Identities: whose tokens are taken, and which roles whoever they name has.

use std::fmt;

use lazuli_model::Service;

use crate::action::Actions;
use crate::guid::Guid;
use crate::jwks::VerificationKeys;
use crate::role::Role;

/// Whose tokens are taken, and who may do what.
#[derive(Clone, Debug)]
pub struct Identities {
    tenant: Guid,
    issuers: Vec<String>,
    keys: VerificationKeys,
    assignments: Vec<Assignment>,
}

/// A role that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The account it is about.
    pub account: String,
    /// Who has it: the object id of a user, an application or a group.
    pub principal: Guid,
    /// What it permits.
    pub role: Role,
    /// The container, queue or table it is for; all of the account without one.
    pub scope: Option<String>,
}

/// Somebody whose token was verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The object id.
    pub object_id: Guid,
    /// The tenant it is in.
    pub tenant: Guid,
    /// What his roles permit in the service and account that the request addresses.
    pub roles: Roles,
    /// What they permit on the addressed container, queue or table, and on the account if none is
    /// addressed.
    pub here: Actions,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("here", &self.here).finish_non_exhaustive()
    }
}

/// What roles permit within one account and service: in all of it, or in what they are scoped to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(Vec<(Option<String>, Actions)>);

impl Roles {
    /// What is permitted on the container, queue or table of this name; without a name, on the
    /// account.
    pub fn on(&self, resource: Option<&str>) -> Actions {
        let reaches = |scope: &Option<String>| match (scope, resource) {
            (None, _) => true,
            (Some(scope), Some(resource)) => scope.eq_ignore_ascii_case(resource),
            (Some(_), None) => false,
        };
        let reaching = self.0.iter().filter(|(scope, _)| reaches(scope));
        reaching.fold(Actions::NONE, |all, (_, actions)| all.union(*actions))
    }

    /// Whether nothing is permitted anywhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Identities {
    /// The identities of a tenant, whose tokens come from one of the issuers and are signed with one
    /// of the keys.
    pub fn new(
        tenant: Guid,
        issuers: Vec<String>,
        keys: VerificationKeys,
        assignments: Vec<Assignment>,
    ) -> Self {
        Self { tenant, issuers, keys, assignments }
    }

    /// The issuers of a tenant's tokens: the old and the new form of Microsoft Entra ID.
    pub fn issuers_of(tenant: &Guid) -> Vec<String> {
        vec![
            format!("https://sts.windows.net/{tenant}/"),
            format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        ]
    }

    /// The tenant.
    pub fn tenant(&self) -> &Guid {
        &self.tenant
    }

    /// Whether tokens of this issuer are taken.
    pub(crate) fn is_issuer(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|known| known == issuer)
    }

    /// The keys that tokens are signed with.
    pub(crate) fn keys(&self) -> &VerificationKeys {
        &self.keys
    }

    /// What one of the principals is permitted in an account and service.
    pub(crate) fn roles(&self, principals: &[Guid], account: &str, service: Service) -> Roles {
        let service = if service == Service::Dfs { Service::Blob } else { service };
        let theirs = self.assignments.iter().filter(|assignment| {
            assignment.account == account
                && assignment.role.service() == service
                && principals.contains(&assignment.principal)
        });
        Roles(theirs.map(|it| (it.scope.clone(), it.role.actions())).collect())
    }
}
