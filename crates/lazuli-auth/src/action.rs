//! What a role may permit: the data actions of Azure's role-based access control, as a bit set.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory#permissions-for-calling-data-operations>

use std::fmt;

use crate::permission::{Permission, SasPermissions};

/// Declares the actions with their official names below `Microsoft.Storage/storageAccounts/`.
macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident $name:literal,)*) => {
        /// Something that a role may permit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum DataAction {
            $($(#[$doc])* $action,)*
        }

        impl DataAction {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$action,)*];

            /// The official name, without `Microsoft.Storage/storageAccounts/`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)*
                }
            }
        }
    };
}

actions! {
    /// Get a key that signs tokens for blobs.
    BlobDelegationKey "blobServices/generateUserDelegationKey/action",
    /// Read a container's properties, list containers.
    ContainerRead "blobServices/containers/read",
    /// Make, change and lease a container.
    ContainerWrite "blobServices/containers/write",
    /// Delete a container.
    ContainerDelete "blobServices/containers/delete",
    /// Read a container's access policies.
    ContainerGetAcl "blobServices/containers/getAcl/action",
    /// Set a container's access policies.
    ContainerSetAcl "blobServices/containers/setAcl/action",
    /// Read and list blobs.
    BlobRead "blobServices/containers/blobs/read",
    /// Make, overwrite, change and lease a blob.
    BlobWrite "blobServices/containers/blobs/write",
    /// Delete a blob.
    BlobDelete "blobServices/containers/blobs/delete",
    /// Make a blob, add to one.
    BlobAdd "blobServices/containers/blobs/add/action",
    /// Move a blob.
    BlobMove "blobServices/containers/blobs/move/action",
    /// Find blobs by their tags.
    BlobFilter "blobServices/containers/blobs/filter/action",
    /// Read a blob's tags.
    BlobTagsRead "blobServices/containers/blobs/tags/read",
    /// Set a blob's tags.
    BlobTagsWrite "blobServices/containers/blobs/tags/write",
    /// Delete a version of a blob.
    BlobVersionDelete "blobServices/containers/blobs/deleteBlobVersion/action",
    /// Delete for good what is soft-deleted.
    BlobPermanentDelete "blobServices/containers/blobs/permanentDelete/action",
    /// Set and delete immutability policies.
    BlobImmutability "blobServices/containers/blobs/immutableStorage/runAsSuperUser/action",
    /// Get a key that signs tokens for queues.
    QueueDelegationKey "queueServices/generateUserDelegationKey/action",
    /// Read a queue's metadata, list queues.
    QueueRead "queueServices/queues/read",
    /// Make and change a queue.
    QueueWrite "queueServices/queues/write",
    /// Delete a queue.
    QueueDelete "queueServices/queues/delete",
    /// Read a queue's access policies.
    QueueGetAcl "queueServices/queues/getAcl/action",
    /// Set a queue's access policies.
    QueueSetAcl "queueServices/queues/setAcl/action",
    /// Peek at messages.
    MessageRead "queueServices/queues/messages/read",
    /// Put and change a message.
    MessageWrite "queueServices/queues/messages/write",
    /// Delete messages.
    MessageDelete "queueServices/queues/messages/delete",
    /// Put a message.
    MessageAdd "queueServices/queues/messages/add/action",
    /// Get and delete messages.
    MessageProcess "queueServices/queues/messages/process/action",
    /// Get a key that signs tokens for tables.
    TableDelegationKey "tableServices/generateUserDelegationKey/action",
    /// List tables.
    TableRead "tableServices/tables/read",
    /// Make a table.
    TableWrite "tableServices/tables/write",
    /// Delete a table.
    TableDelete "tableServices/tables/delete",
    /// Read a table's access policies.
    TableGetAcl "tableServices/tables/getAcl/action",
    /// Set a table's access policies.
    TableSetAcl "tableServices/tables/setAcl/action",
    /// Read entities.
    EntityRead "tableServices/tables/entities/read",
    /// Add and change entities.
    EntityWrite "tableServices/tables/entities/write",
    /// Delete entities.
    EntityDelete "tableServices/tables/entities/delete",
    /// Add entities.
    EntityAdd "tableServices/tables/entities/add/action",
    /// Change entities.
    EntityUpdate "tableServices/tables/entities/update/action",
}

/// A set of actions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Actions(u64);

impl Actions {
    /// No action.
    pub const NONE: Self = Self(0);

    /// The set of the given actions.
    pub const fn of(actions: &[DataAction]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < actions.len() {
            bits |= 1 << actions[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// The actions of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the action is in the set.
    pub const fn contains(self, action: DataAction) -> bool {
        self.0 & (1 << action as u8) != 0
    }

    /// Whether every action of `needed` is in the set.
    pub const fn contains_all(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The actions in the set.
    pub fn iter(self) -> impl Iterator<Item = DataAction> {
        DataAction::ALL.iter().copied().filter(move |action| self.contains(*action))
    }

    /// What the actions of one service amount to in the letters of tokens, which is what operations
    /// ask about beyond the question whether they may be called at all.
    pub(crate) fn permissions(self) -> SasPermissions {
        const LETTERS: &[(Permission, &[Actions])] = {
            use DataAction as A;
            &[
                (
                    Permission::Read,
                    &[
                        Actions::of(&[A::BlobRead]),
                        Actions::of(&[A::QueueRead]),
                        Actions::of(&[A::MessageRead]),
                        Actions::of(&[A::EntityRead]),
                    ],
                ),
                (Permission::List, &[Actions::of(&[A::BlobRead])]),
                (
                    Permission::Add,
                    &[
                        Actions::of(&[A::BlobWrite]),
                        Actions::of(&[A::BlobAdd]),
                        Actions::of(&[A::MessageWrite]),
                        Actions::of(&[A::MessageAdd]),
                        Actions::of(&[A::EntityWrite]),
                        Actions::of(&[A::EntityAdd]),
                    ],
                ),
                (Permission::Create, &[Actions::of(&[A::BlobWrite]), Actions::of(&[A::BlobAdd])]),
                (Permission::Write, &[Actions::of(&[A::BlobWrite])]),
                (
                    Permission::Delete,
                    &[
                        Actions::of(&[A::BlobDelete]),
                        Actions::of(&[A::MessageDelete]),
                        Actions::of(&[A::EntityDelete]),
                    ],
                ),
                (Permission::DeleteVersion, &[Actions::of(&[A::BlobVersionDelete])]),
                (Permission::PermanentDelete, &[Actions::of(&[A::BlobPermanentDelete])]),
                (Permission::Tags, &[Actions::of(&[A::BlobTagsRead, A::BlobTagsWrite])]),
                (Permission::Filter, &[Actions::of(&[A::BlobFilter])]),
                (Permission::Move, &[Actions::of(&[A::BlobMove])]),
                (Permission::SetImmutability, &[Actions::of(&[A::BlobImmutability])]),
                (
                    Permission::Process,
                    &[
                        Actions::of(&[A::MessageProcess]),
                        Actions::of(&[A::MessageRead, A::MessageDelete]),
                    ],
                ),
                (
                    Permission::Update,
                    &[
                        Actions::of(&[A::MessageWrite]),
                        Actions::of(&[A::EntityWrite]),
                        Actions::of(&[A::EntityUpdate]),
                    ],
                ),
            ]
        };
        let held = LETTERS
            .iter()
            .filter(|(_, any_of)| any_of.iter().any(|needed| self.contains_all(*needed)));
        held.fold(SasPermissions::NONE, |set, (letter, _)| set.with(*letter))
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_bit_and_a_name_of_its_own() {
        assert!(DataAction::ALL.len() <= 64);
        for (place, action) in DataAction::ALL.iter().enumerate() {
            assert_eq!(*action as usize, place);
            let others = DataAction::ALL.iter().filter(|other| other.name() == action.name());
            assert_eq!(others.count(), 1, "{action:?}");
            assert_eq!(Actions::of(&[*action]).iter().collect::<Vec<_>>(), [*action]);
        }
    }

    #[test]
    fn letters_need_the_actions_behind_them() {
        use DataAction as A;
        for (actions, letters) in [
            (&[][..], ""),
            (&[A::BlobRead], "rl"),
            (&[A::BlobAdd], "ac"),
            (&[A::BlobWrite, A::BlobDelete], "acwd"),
            (&[A::BlobTagsRead], ""),
            (&[A::BlobTagsRead, A::BlobTagsWrite], "t"),
            (&[A::MessageProcess], "p"),
            (&[A::MessageDelete], "d"),
            (&[A::MessageRead, A::MessageDelete], "rdp"),
            (&[A::EntityAdd], "a"),
            (&[A::EntityWrite], "au"),
            (&[A::ContainerWrite, A::ContainerDelete, A::BlobDelegationKey], ""),
        ] {
            assert_eq!(Actions::of(actions).permissions().to_string(), letters, "{actions:?}");
        }
    }
}
