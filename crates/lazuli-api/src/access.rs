//! The access matrix in its few shapes: who may call which kind of operation.
//!
//! The table is that of
//! <https://learn.microsoft.com/rest/api/storageservices/create-account-sas#account-sas-permissions-by-operation>;
//! operations name a shape of it, with the sets of permissions of which any one suffices.
//!
//! Beside the letters of tokens, a shape says which data actions the roles of an identity must
//! permit. The table is that of
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#permissions-for-calling-data-operations>.

use lazuli_auth::Permission::{
    Add, Create, Delete, DeleteVersion, Filter, List, Process, Read, SetImmutability, Tags, Update,
    Write,
};
use lazuli_auth::{
    AccessPolicy, AccessSpec, Actions, AnonymousAccess, DataAction, PublicAccess, ResourceTypes,
    RoleAccess, SasPermissions, ServiceSas, parse_iso8601,
};
use lazuli_base::Timestamp;
use lazuli_model::ApiVersion;
use lazuli_model::acl::SignedIdentifier;
use lazuli_store::rows::ContainerRow;

/// Since this version identities may read and set the access policies of containers, queues and
/// tables, and get keys that sign tokens for queues and tables.
const ACL_BY_IDENTITY: ApiVersion = ApiVersion::new(2025, 7, 5);

/// Since this version a token that creates blobs also stages and commits the blocks of a new one.
const BLOCKS_BY_CREATE: ApiVersion = ApiVersion::new(2026, 6, 6);

/// Roles that permit one action.
macro_rules! role {
    ($($action:ident),+) => {
        RoleAccess::AnyOf(&[$(Actions::of(&[DataAction::$action])),+])
    };
}

const fn spec(
    resource_types: ResourceTypes,
    any_of: &'static [SasPermissions],
    service_sas: ServiceSas,
    roles: RoleAccess,
) -> AccessSpec {
    let anonymous = AnonymousAccess::Never;
    AccessSpec {
        resource_types,
        any_of,
        any_of_since: None,
        account_sas: true,
        service_sas,
        anonymous,
        roles,
    }
}

const fn service(any_of: &'static [SasPermissions], roles: RoleAccess) -> AccessSpec {
    spec(ResourceTypes::SERVICE, any_of, ServiceSas::Never, roles)
}

const fn container(any_of: &'static [SasPermissions], roles: RoleAccess) -> AccessSpec {
    spec(ResourceTypes::CONTAINER, any_of, ServiceSas::Never, roles)
}

const fn object(any_of: &'static [SasPermissions], roles: RoleAccess) -> AccessSpec {
    spec(ResourceTypes::OBJECT, any_of, ServiceSas::Allowed, roles)
}

/// What no token permits.
const fn no_token(roles: RoleAccess) -> AccessSpec {
    AccessSpec { account_sas: false, ..container(&[], roles) }
}

/// What no token permits, and identities only in versions that know of it.
const fn acl(any_of: &'static [Actions]) -> AccessSpec {
    no_token(RoleAccess::Since(ACL_BY_IDENTITY, any_of))
}

/// Reads properties and statistics of the Blob service.
pub const BLOB_SERVICE_READ: AccessSpec =
    service(&[SasPermissions::of(&[Read])], RoleAccess::Management("blobServices/read"));
/// Writes properties of the Blob service.
pub const BLOB_SERVICE_WRITE: AccessSpec =
    service(&[SasPermissions::of(&[Write])], RoleAccess::Management("blobServices/write"));
/// Reads properties and statistics of the Queue service.
pub const QUEUE_SERVICE_READ: AccessSpec =
    service(&[SasPermissions::of(&[Read])], RoleAccess::Management("queueServices/read"));
/// Writes properties of the Queue service.
pub const QUEUE_SERVICE_WRITE: AccessSpec =
    service(&[SasPermissions::of(&[Write])], RoleAccess::Management("queueServices/write"));
/// Reads properties and statistics of the Table service.
pub const TABLE_SERVICE_READ: AccessSpec =
    service(&[SasPermissions::of(&[Read])], RoleAccess::Management("tableServices/read"));
/// Writes properties of the Table service.
pub const TABLE_SERVICE_WRITE: AccessSpec =
    service(&[SasPermissions::of(&[Write])], RoleAccess::Management("tableServices/write"));
/// Lists containers.
pub const CONTAINERS_LIST: AccessSpec =
    service(&[SasPermissions::of(&[List])], role!(ContainerRead));
/// Lists queues.
pub const QUEUES_LIST: AccessSpec = service(&[SasPermissions::of(&[List])], role!(QueueRead));
/// Lists tables.
pub const TABLES_LIST: AccessSpec = service(&[SasPermissions::of(&[List])], role!(TableRead));
/// Finds blobs by tags in all containers.
pub const SERVICE_FILTER: AccessSpec = spec(
    ResourceTypes::OBJECT,
    &[SasPermissions::of(&[Filter])],
    ServiceSas::Never,
    role!(BlobFilter),
);
/// Reads what kind of account it is: any valid token will do.
pub const ACCOUNT_INFORMATION: AccessSpec =
    any_token(RoleAccess::Management("blobServices/getInfo/action"));
/// Calls operations on blobs together: what a token may do is asked of what is inside.
pub const BATCH: AccessSpec = any_token(role!(ContainerWrite));

const fn any_token(roles: RoleAccess) -> AccessSpec {
    spec(ResourceTypes::ANY, &[SasPermissions::NONE], ServiceSas::Allowed, roles)
}

/// Only an account key may.
pub const KEY_ONLY: AccessSpec = no_token(RoleAccess::Never);
/// Gets a key that signs tokens for blobs: an identity may, and nobody else.
pub const BLOB_DELEGATION_KEY: AccessSpec = no_token(role!(BlobDelegationKey));
/// Gets a key that signs tokens for queues.
pub const QUEUE_DELEGATION_KEY: AccessSpec = no_token(role!(QueueDelegationKey));
/// Gets a key that signs tokens for tables.
pub const TABLE_DELEGATION_KEY: AccessSpec = no_token(role!(TableDelegationKey));

/// Creates a container.
pub const CONTAINER_CREATE: AccessSpec = container(
    &[SasPermissions::of(&[Create]), SasPermissions::of(&[Write])],
    role!(ContainerWrite),
);
/// Reads a container's properties and metadata.
pub const CONTAINER_READ: AccessSpec = AccessSpec {
    anonymous: AnonymousAccess::ContainerPublic,
    ..container(&[SasPermissions::of(&[Read])], role!(ContainerRead))
};
/// Changes a container's metadata or lease.
pub const CONTAINER_WRITE: AccessSpec =
    container(&[SasPermissions::of(&[Write])], role!(ContainerWrite));
/// Breaks a container's lease.
pub const CONTAINER_BREAK_LEASE: AccessSpec = container(
    &[SasPermissions::of(&[Write]), SasPermissions::of(&[Delete])],
    role!(ContainerWrite),
);
/// Deletes a container.
pub const CONTAINER_DELETE: AccessSpec =
    container(&[SasPermissions::of(&[Delete])], role!(ContainerDelete));
/// Reads a container's access policies.
pub const CONTAINER_GET_ACL: AccessSpec = acl(&[Actions::of(&[DataAction::ContainerGetAcl])]);
/// Sets a container's access policies.
pub const CONTAINER_SET_ACL: AccessSpec = acl(&[Actions::of(&[DataAction::ContainerSetAcl])]);
/// Lists a container's blobs.
pub const CONTAINER_LIST: AccessSpec = AccessSpec {
    anonymous: AnonymousAccess::ContainerPublic,
    ..spec(
        ResourceTypes::CONTAINER,
        &[SasPermissions::of(&[List])],
        ServiceSas::Allowed,
        role!(BlobRead),
    )
};
/// Finds a container's blobs by tags.
pub const CONTAINER_FILTER: AccessSpec = spec(
    ResourceTypes::CONTAINER,
    &[SasPermissions::of(&[Filter])],
    ServiceSas::Allowed,
    role!(BlobFilter),
);

/// Reads a blob.
pub const BLOB_READ: AccessSpec = AccessSpec {
    anonymous: AnonymousAccess::BlobPublic,
    ..object(&[SasPermissions::of(&[Read])], role!(BlobRead))
};
/// Makes a blob, or overwrites one with the permission to write.
pub const BLOB_CREATE: AccessSpec = object(
    &[SasPermissions::of(&[Write]), SasPermissions::of(&[Create])],
    role!(BlobWrite, BlobAdd),
);
/// Makes a block of a blob, or the blob of blocks.
pub const BLOB_BLOCKS: AccessSpec = AccessSpec {
    any_of_since: Some((BLOCKS_BY_CREATE, SasPermissions::of(&[Create]))),
    ..BLOB_WRITE
};
/// Changes a blob.
pub const BLOB_WRITE: AccessSpec = object(&[SasPermissions::of(&[Write])], role!(BlobWrite));
/// Breaks a blob's lease.
pub const BLOB_BREAK_LEASE: AccessSpec =
    object(&[SasPermissions::of(&[Write]), SasPermissions::of(&[Delete])], role!(BlobWrite));
/// Appends to a blob.
pub const BLOB_APPEND: AccessSpec =
    object(&[SasPermissions::of(&[Add]), SasPermissions::of(&[Write])], role!(BlobWrite, BlobAdd));
/// Deletes a blob, or a version of one.
pub const BLOB_DELETE: AccessSpec = object(
    &[SasPermissions::of(&[Delete]), SasPermissions::of(&[DeleteVersion])],
    role!(BlobDelete),
);
/// Reads a blob's tags.
pub const BLOB_TAGS_READ: AccessSpec = object(&[SasPermissions::of(&[Tags])], role!(BlobTagsRead));
/// Sets a blob's tags.
pub const BLOB_TAGS_WRITE: AccessSpec =
    object(&[SasPermissions::of(&[Tags])], role!(BlobTagsWrite));
/// Sets immutability policies and legal holds.
pub const BLOB_IMMUTABILITY: AccessSpec =
    object(&[SasPermissions::of(&[SetImmutability])], role!(BlobImmutability));

/// Makes a queue.
pub const QUEUE_CREATE: AccessSpec = AccessSpec { roles: role!(QueueWrite), ..CONTAINER_CREATE };
/// Deletes a queue.
pub const QUEUE_DELETE: AccessSpec = AccessSpec { roles: role!(QueueDelete), ..CONTAINER_DELETE };
/// Changes a queue's metadata.
pub const QUEUE_WRITE: AccessSpec = AccessSpec { roles: role!(QueueWrite), ..CONTAINER_WRITE };
/// Reads a queue's metadata.
pub const QUEUE_READ: AccessSpec = AccessSpec {
    service_sas: ServiceSas::Allowed,
    ..container(&[SasPermissions::of(&[Read])], role!(QueueRead))
};
/// Reads a queue's access policies.
pub const QUEUE_GET_ACL: AccessSpec = acl(&[Actions::of(&[DataAction::QueueGetAcl])]);
/// Sets a queue's access policies.
pub const QUEUE_SET_ACL: AccessSpec = acl(&[Actions::of(&[DataAction::QueueSetAcl])]);
/// Puts a message.
pub const MESSAGE_ADD: AccessSpec =
    object(&[SasPermissions::of(&[Add])], role!(MessageAdd, MessageWrite));
/// Peeks at messages.
pub const MESSAGE_READ: AccessSpec = object(&[SasPermissions::of(&[Read])], role!(MessageRead));
/// Changes a message.
pub const MESSAGE_UPDATE: AccessSpec =
    object(&[SasPermissions::of(&[Update])], role!(MessageWrite));
/// Gets messages.
pub const MESSAGE_GET: AccessSpec = object(
    &[SasPermissions::of(&[Process])],
    RoleAccess::AnyOf(&[
        Actions::of(&[DataAction::MessageProcess]),
        Actions::of(&[DataAction::MessageDelete, DataAction::MessageRead]),
    ]),
);
/// Deletes a message.
pub const MESSAGE_DELETE: AccessSpec =
    object(&[SasPermissions::of(&[Process])], role!(MessageProcess, MessageDelete));
/// Deletes all messages of a queue.
pub const MESSAGES_CLEAR: AccessSpec = AccessSpec {
    service_sas: ServiceSas::Never,
    ..object(&[SasPermissions::of(&[Delete])], role!(MessageDelete))
};

/// Makes a table.
pub const TABLE_CREATE: AccessSpec = AccessSpec { roles: role!(TableWrite), ..CONTAINER_CREATE };
/// Deletes a table.
pub const TABLE_DELETE: AccessSpec = AccessSpec { roles: role!(TableDelete), ..CONTAINER_DELETE };
/// Reads a table's access policies.
pub const TABLE_GET_ACL: AccessSpec = acl(&[Actions::of(&[DataAction::TableGetAcl])]);
/// Sets a table's access policies.
pub const TABLE_SET_ACL: AccessSpec = acl(&[Actions::of(&[DataAction::TableSetAcl])]);
/// Reads entities.
pub const ENTITY_READ: AccessSpec = object(&[SasPermissions::of(&[Read])], role!(EntityRead));
/// Adds an entity.
pub const ENTITY_ADD: AccessSpec =
    object(&[SasPermissions::of(&[Add])], role!(EntityWrite, EntityAdd));
/// Changes an entity.
pub const ENTITY_UPDATE: AccessSpec =
    object(&[SasPermissions::of(&[Update])], role!(EntityWrite, EntityUpdate));
/// Adds or changes an entity.
pub const ENTITY_UPSERT: AccessSpec = object(
    &[SasPermissions::of(&[Add, Update])],
    RoleAccess::AnyOf(&[
        Actions::of(&[DataAction::EntityWrite]),
        Actions::of(&[DataAction::EntityAdd, DataAction::EntityUpdate]),
    ]),
);
/// Deletes an entity.
pub const ENTITY_DELETE: AccessSpec = object(&[SasPermissions::of(&[Delete])], role!(EntityDelete));
/// Changes entities together: what a caller may do is asked of each change.
pub const ENTITY_TRANSACTION: AccessSpec = object(&[SasPermissions::NONE], RoleAccess::EachPart);

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
