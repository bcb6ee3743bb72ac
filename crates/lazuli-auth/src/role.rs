//! The built-in roles that permit something on data, and what each permits.
//!
//! <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage>

use lazuli_model::Service;

use crate::action::{Actions, DataAction};

/// A built-in role. Roles of the management plane are none of these: they permit nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything on containers and blobs.
    BlobDataOwner,
    /// Reads, writes and deletes containers and blobs.
    BlobDataContributor,
    /// Reads containers and blobs.
    BlobDataReader,
    /// Gets keys that sign tokens for blobs.
    BlobDelegator,
    /// Reads, writes and deletes queues and messages.
    QueueDataContributor,
    /// Peeks at, gets and deletes messages.
    QueueDataMessageProcessor,
    /// Puts messages.
    QueueDataMessageSender,
    /// Reads queues and peeks at messages.
    QueueDataReader,
    /// Gets keys that sign tokens for queues.
    QueueDelegator,
    /// Reads, writes and deletes tables and entities.
    TableDataContributor,
    /// Reads tables and entities.
    TableDataReader,
    /// Gets keys that sign tokens for tables.
    TableDelegator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 12] = [
        Self::BlobDataOwner,
        Self::BlobDataContributor,
        Self::BlobDataReader,
        Self::BlobDelegator,
        Self::QueueDataContributor,
        Self::QueueDataMessageProcessor,
        Self::QueueDataMessageSender,
        Self::QueueDataReader,
        Self::QueueDelegator,
        Self::TableDataContributor,
        Self::TableDataReader,
        Self::TableDelegator,
    ];

    /// The official name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlobDataOwner => "Storage Blob Data Owner",
            Self::BlobDataContributor => "Storage Blob Data Contributor",
            Self::BlobDataReader => "Storage Blob Data Reader",
            Self::BlobDelegator => "Storage Blob Delegator",
            Self::QueueDataContributor => "Storage Queue Data Contributor",
            Self::QueueDataMessageProcessor => "Storage Queue Data Message Processor",
            Self::QueueDataMessageSender => "Storage Queue Data Message Sender",
            Self::QueueDataReader => "Storage Queue Data Reader",
            Self::QueueDelegator => "Storage Queue Delegator",
            Self::TableDataContributor => "Storage Table Data Contributor",
            Self::TableDataReader => "Storage Table Data Reader",
            Self::TableDelegator => "Storage Table Delegator",
        }
    }

    /// The role with an official name; letter case is not told apart, as in Azure.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name))
    }

    /// The service whose data the role is about.
    pub const fn service(self) -> Service {
        match self {
            Self::BlobDataOwner
            | Self::BlobDataContributor
            | Self::BlobDataReader
            | Self::BlobDelegator => Service::Blob,
            Self::QueueDataContributor
            | Self::QueueDataMessageProcessor
            | Self::QueueDataMessageSender
            | Self::QueueDataReader
            | Self::QueueDelegator => Service::Queue,
            Self::TableDataContributor | Self::TableDataReader | Self::TableDelegator => {
                Service::Table
            }
        }
    }

    /// What the role permits.
    pub const fn actions(self) -> Actions {
        use DataAction as A;
        const BLOB_CONTRIBUTOR: Actions = Actions::of(&[
            A::BlobDelegationKey,
            A::ContainerRead,
            A::ContainerWrite,
            A::ContainerDelete,
            A::BlobRead,
            A::BlobWrite,
            A::BlobDelete,
            A::BlobAdd,
            A::BlobMove,
        ]);
        match self {
            Self::BlobDataOwner => BLOB_CONTRIBUTOR.union(Actions::of(&[
                A::ContainerGetAcl,
                A::ContainerSetAcl,
                A::BlobFilter,
                A::BlobTagsRead,
                A::BlobTagsWrite,
                A::BlobVersionDelete,
                A::BlobPermanentDelete,
                A::BlobImmutability,
            ])),
            Self::BlobDataContributor => BLOB_CONTRIBUTOR,
            Self::BlobDataReader => {
                Actions::of(&[A::BlobDelegationKey, A::ContainerRead, A::BlobRead])
            }
            Self::BlobDelegator => Actions::of(&[A::BlobDelegationKey]),
            Self::QueueDataContributor => Actions::of(&[
                A::QueueRead,
                A::QueueWrite,
                A::QueueDelete,
                A::MessageRead,
                A::MessageWrite,
                A::MessageDelete,
                A::MessageAdd,
                A::MessageProcess,
            ]),
            Self::QueueDataMessageProcessor => Actions::of(&[A::MessageRead, A::MessageProcess]),
            Self::QueueDataMessageSender => Actions::of(&[A::MessageAdd]),
            Self::QueueDataReader => Actions::of(&[A::QueueRead, A::MessageRead]),
            Self::QueueDelegator => Actions::of(&[A::QueueDelegationKey]),
            Self::TableDataContributor => Actions::of(&[
                A::TableRead,
                A::TableWrite,
                A::TableDelete,
                A::EntityRead,
                A::EntityWrite,
                A::EntityDelete,
                A::EntityAdd,
                A::EntityUpdate,
            ]),
            Self::TableDataReader => Actions::of(&[A::TableRead, A::EntityRead]),
            Self::TableDelegator => Actions::of(&[A::TableDelegationKey]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_told_by_their_names_and_permit_on_their_service_only() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
            assert_eq!(Role::parse(&role.name().to_lowercase()), Some(role));
            let prefix = match role.service() {
                Service::Blob | Service::Dfs => "blobServices/",
                Service::Queue => "queueServices/",
                Service::Table => "tableServices/",
            };
            assert!(!role.actions().is_empty(), "{role:?}");
            for action in role.actions().iter() {
                assert!(action.name().starts_with(prefix), "{role:?} {action:?}");
            }
        }
        for name in ["", "Owner", "Contributor", "Storage Account Contributor"] {
            assert_eq!(Role::parse(name), None, "{name}");
        }
    }
}
