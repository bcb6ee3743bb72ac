//! The access matrix in its few shapes: who may call which kind of operation.
//!
//! The table is that of
//! <https://learn.microsoft.com/rest/api/storageservices/create-account-sas#account-sas-permissions-by-operation>;
//! operations name a shape of it, with the sets of permissions of which any one suffices.

use lazuli_auth::Permission::{
    Add, Create, Delete, DeleteVersion, Filter, List, Process, Read, SetImmutability, Tags, Update,
    Write,
};
use lazuli_auth::{
    AccessPolicy, AccessSpec, AnonymousAccess, PublicAccess, ResourceTypes, SasPermissions,
    ServiceSas, parse_iso8601,
};
use lazuli_base::Timestamp;
use lazuli_model::acl::SignedIdentifier;
use lazuli_store::rows::ContainerRow;

const fn spec(
    resource_types: ResourceTypes,
    any_of: &'static [SasPermissions],
    service_sas: ServiceSas,
    anonymous: AnonymousAccess,
) -> AccessSpec {
    AccessSpec { resource_types, any_of, account_sas: true, service_sas, anonymous }
}

const fn service(any_of: &'static [SasPermissions]) -> AccessSpec {
    spec(ResourceTypes::SERVICE, any_of, ServiceSas::Never, AnonymousAccess::Never)
}

const fn container(any_of: &'static [SasPermissions]) -> AccessSpec {
    spec(ResourceTypes::CONTAINER, any_of, ServiceSas::Never, AnonymousAccess::Never)
}

const fn object(any_of: &'static [SasPermissions]) -> AccessSpec {
    spec(ResourceTypes::OBJECT, any_of, ServiceSas::Allowed, AnonymousAccess::Never)
}

/// Reads service properties and statistics.
pub const SERVICE_READ: AccessSpec = service(&[SasPermissions::of(&[Read])]);
/// Writes service properties.
pub const SERVICE_WRITE: AccessSpec = service(&[SasPermissions::of(&[Write])]);
/// Lists containers, queues or tables.
pub const SERVICE_LIST: AccessSpec = service(&[SasPermissions::of(&[List])]);
/// Finds blobs by tags in all containers.
pub const SERVICE_FILTER: AccessSpec = spec(
    ResourceTypes::OBJECT,
    &[SasPermissions::of(&[Filter])],
    ServiceSas::Never,
    AnonymousAccess::Never,
);
/// Any valid token will do: what it may do is asked of what is inside.
pub const ANY_TOKEN: AccessSpec =
    spec(ResourceTypes::ANY, &[SasPermissions::NONE], ServiceSas::Allowed, AnonymousAccess::Never);
/// Only an account key may.
pub const KEY_ONLY: AccessSpec = AccessSpec { account_sas: false, ..container(&[]) };

/// Creates a container.
pub const CONTAINER_CREATE: AccessSpec =
    container(&[SasPermissions::of(&[Create]), SasPermissions::of(&[Write])]);
/// Reads a container's properties and metadata.
pub const CONTAINER_READ: AccessSpec = AccessSpec {
    anonymous: AnonymousAccess::ContainerPublic,
    ..container(&[SasPermissions::of(&[Read])])
};
/// Changes a container's metadata or lease.
pub const CONTAINER_WRITE: AccessSpec = container(&[SasPermissions::of(&[Write])]);
/// Breaks a container's lease.
pub const CONTAINER_BREAK_LEASE: AccessSpec =
    container(&[SasPermissions::of(&[Write]), SasPermissions::of(&[Delete])]);
/// Deletes a container.
pub const CONTAINER_DELETE: AccessSpec = container(&[SasPermissions::of(&[Delete])]);
/// Lists a container's blobs.
pub const CONTAINER_LIST: AccessSpec = spec(
    ResourceTypes::CONTAINER,
    &[SasPermissions::of(&[List])],
    ServiceSas::Allowed,
    AnonymousAccess::ContainerPublic,
);
/// Finds a container's blobs by tags.
pub const CONTAINER_FILTER: AccessSpec = spec(
    ResourceTypes::CONTAINER,
    &[SasPermissions::of(&[Filter])],
    ServiceSas::Allowed,
    AnonymousAccess::Never,
);

/// Reads a blob.
pub const BLOB_READ: AccessSpec =
    AccessSpec { anonymous: AnonymousAccess::BlobPublic, ..object(&[SasPermissions::of(&[Read])]) };
/// Makes a blob, or overwrites one with the permission to write.
pub const BLOB_CREATE: AccessSpec =
    object(&[SasPermissions::of(&[Write]), SasPermissions::of(&[Create])]);
/// Changes a blob.
pub const BLOB_WRITE: AccessSpec = object(&[SasPermissions::of(&[Write])]);
/// Breaks a blob's lease.
pub const BLOB_BREAK_LEASE: AccessSpec =
    object(&[SasPermissions::of(&[Write]), SasPermissions::of(&[Delete])]);
/// Appends to a blob.
pub const BLOB_APPEND: AccessSpec =
    object(&[SasPermissions::of(&[Add]), SasPermissions::of(&[Write])]);
/// Deletes a blob, or a version of one.
pub const BLOB_DELETE: AccessSpec =
    object(&[SasPermissions::of(&[Delete]), SasPermissions::of(&[DeleteVersion])]);
/// Reads or writes a blob's tags.
pub const BLOB_TAGS: AccessSpec = object(&[SasPermissions::of(&[Tags])]);
/// Sets immutability policies and legal holds.
pub const BLOB_IMMUTABILITY: AccessSpec = object(&[SasPermissions::of(&[SetImmutability])]);

/// Makes a queue.
pub const QUEUE_CREATE: AccessSpec = CONTAINER_CREATE;
/// Deletes a queue.
pub const QUEUE_DELETE: AccessSpec = CONTAINER_DELETE;
/// Changes a queue's metadata.
pub const QUEUE_WRITE: AccessSpec = CONTAINER_WRITE;
/// Reads a queue's metadata.
pub const QUEUE_READ: AccessSpec =
    AccessSpec { service_sas: ServiceSas::Allowed, ..container(&[SasPermissions::of(&[Read])]) };
/// Puts a message.
pub const MESSAGE_ADD: AccessSpec = object(&[SasPermissions::of(&[Add])]);
/// Peeks at messages.
pub const MESSAGE_READ: AccessSpec = object(&[SasPermissions::of(&[Read])]);
/// Changes a message.
pub const MESSAGE_UPDATE: AccessSpec = object(&[SasPermissions::of(&[Update])]);
/// Gets messages, or deletes one.
pub const MESSAGE_PROCESS: AccessSpec = object(&[SasPermissions::of(&[Process])]);
/// Deletes all messages of a queue.
pub const MESSAGES_CLEAR: AccessSpec =
    AccessSpec { service_sas: ServiceSas::Never, ..object(&[SasPermissions::of(&[Delete])]) };

/// Makes a table.
pub const TABLE_CREATE: AccessSpec = CONTAINER_CREATE;
/// Deletes a table.
pub const TABLE_DELETE: AccessSpec = CONTAINER_DELETE;
/// Reads entities.
pub const ENTITY_READ: AccessSpec = object(&[SasPermissions::of(&[Read])]);
/// Adds an entity.
pub const ENTITY_ADD: AccessSpec = object(&[SasPermissions::of(&[Add])]);
/// Changes an entity.
pub const ENTITY_UPDATE: AccessSpec = object(&[SasPermissions::of(&[Update])]);
/// Adds or changes an entity.
pub const ENTITY_UPSERT: AccessSpec = object(&[SasPermissions::of(&[Add, Update])]);
/// Deletes an entity.
pub const ENTITY_DELETE: AccessSpec = object(&[SasPermissions::of(&[Delete])]);
/// Changes entities together: what a token permits is asked of each change.
pub const ENTITY_TRANSACTION: AccessSpec = object(&[SasPermissions::NONE]);

/// What the owner of a container, or of what another service has in its place, opens to others.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// What everybody may do.
    pub(crate) public: PublicAccess,
    /// Its stored access policies.
    pub(crate) policies: Vec<SignedIdentifier>,
}

impl Opened {
    /// The stored access policy of this name.
    pub(crate) fn policy(&self, id: &str) -> Option<&SignedIdentifier> {
        self.policies.iter().find(|policy| policy.id == id)
    }
}

/// What a container allows everybody; nothing if there is none.
pub fn public(container: Option<&ContainerRow>) -> PublicAccess {
    match container.map(|row| row.public_access) {
        None | Some(lazuli_model::acl::PublicAccess::None) => PublicAccess::Private,
        Some(lazuli_model::acl::PublicAccess::Blob) => PublicAccess::Blob,
        Some(lazuli_model::acl::PublicAccess::Container) => PublicAccess::Container,
    }
}

/// A stored access policy as tokens are held against it. What does not parse grants nothing: a
/// policy with such a time is never valid, one with such permissions permits nothing.
pub fn policy(identifier: &SignedIdentifier) -> AccessPolicy {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let stored = &identifier.policy;
    let never_begun = Timestamp::from_ticks(u64::MAX);
    let long_over = Timestamp::from_ticks(0);
    AccessPolicy {
        start: text(&stored.start).map(|text| parse_iso8601(&text).unwrap_or(never_begun)),
        expiry: text(&stored.expiry).map(|text| parse_iso8601(&text).unwrap_or(long_over)),
        permissions: text(&stored.permission)
            .map(|letters| SasPermissions::parse(&letters).unwrap_or(SasPermissions::NONE)),
    }
}
