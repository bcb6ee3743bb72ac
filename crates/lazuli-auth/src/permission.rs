//! The permission letters of shared access signatures and stored access policies, as a bit set.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/create-service-sas#specify-permissions>

use std::fmt;

/// One permission letter of a shared access signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Permission {
    /// `r`: read content, properties and metadata.
    Read,
    /// `a`: append blocks; add messages and entities.
    Add,
    /// `c`: create something that does not exist yet, but not overwrite.
    Create,
    /// `w`: create, overwrite and change.
    Write,
    /// `d`: delete.
    Delete,
    /// `x`: delete a version.
    DeleteVersion,
    /// `y`: delete permanently what is soft-deleted.
    PermanentDelete,
    /// `l`: list.
    List,
    /// `t`: read and write blob tags.
    Tags,
    /// `f`: find blobs by tags.
    Filter,
    /// `m`: move (hierarchical namespace).
    Move,
    /// `e`: traverse and read properties (hierarchical namespace).
    Execute,
    /// `o`: change the owner (hierarchical namespace).
    Ownership,
    /// `p`: process messages; in a blob service SAS, change POSIX permissions.
    Process,
    /// `i`: set immutability policies and legal holds.
    SetImmutability,
    /// `u`: update messages and entities.
    Update,
}

impl Permission {
    /// Every permission, in the order a set is printed.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::Add,
        Self::Create,
        Self::Write,
        Self::Delete,
        Self::DeleteVersion,
        Self::PermanentDelete,
        Self::List,
        Self::Tags,
        Self::Filter,
        Self::Move,
        Self::Execute,
        Self::Ownership,
        Self::Process,
        Self::SetImmutability,
        Self::Update,
    ];

    /// The letter in `sp`.
    pub const fn letter(self) -> char {
        match self {
            Self::Read => 'r',
            Self::Add => 'a',
            Self::Create => 'c',
            Self::Write => 'w',
            Self::Delete => 'd',
            Self::DeleteVersion => 'x',
            Self::PermanentDelete => 'y',
            Self::List => 'l',
            Self::Tags => 't',
            Self::Filter => 'f',
            Self::Move => 'm',
            Self::Execute => 'e',
            Self::Ownership => 'o',
            Self::Process => 'p',
            Self::SetImmutability => 'i',
            Self::Update => 'u',
        }
    }

    /// The permission a letter stands for.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.letter() == letter)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SasPermissions(u16);

/// A letter that is no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPermission(pub char);

impl SasPermissions {
    /// No permission: as a requirement, the one that every token meets.
    pub const NONE: Self = Self(0);
    /// Every permission.
    pub const ALL: Self = Self(u16::MAX);

    /// The set of the given permissions.
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < permissions.len() {
            bits |= 1 << permissions[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Parses letters in any order; a repeated letter counts once.
    ///
    /// # Errors
    /// The first letter that is no permission.
    pub fn parse(letters: &str) -> Result<Self, UnknownPermission> {
        letters.chars().try_fold(Self::NONE, |set, letter| {
            let permission = Permission::from_letter(letter).ok_or(UnknownPermission(letter))?;
            Ok(Self(set.0 | 1 << permission as u8))
        })
    }

    /// The set with one permission more.
    #[must_use]
    pub(crate) const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u8)
    }

    /// The permissions that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the permission is in the set.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }

    /// Whether every permission of `needed` is in the set.
    pub const fn contains_all(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for SasPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Permission::ALL
            .into_iter()
            .filter(|permission| self.contains(*permission))
            .try_for_each(|permission| write!(f, "{}", permission.letter()))
    }
}

impl fmt::Debug for SasPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_round_trip_in_any_order() {
        assert_eq!(SasPermissions::parse("racwdxyltfmeopiu"), Ok(SasPermissions::ALL));
        assert_eq!(SasPermissions::parse("uipoemftlyxdwcar"), Ok(SasPermissions::ALL));
        assert_eq!(SasPermissions::parse("wrw").unwrap().to_string(), "rw");
        for permission in Permission::ALL {
            assert_eq!(Permission::from_letter(permission.letter()), Some(permission));
            let set = SasPermissions::of(&[permission]);
            assert_eq!(SasPermissions::parse(&permission.letter().to_string()), Ok(set));
            assert_eq!(set.to_string().len(), 1);
        }
    }

    #[test]
    fn an_unknown_letter_is_told() {
        for letter in ('\0'..='\u{ff}').filter(|c| !"racwdxyltfmeopiu".contains(*c)) {
            let error = SasPermissions::parse(&format!("r{letter}"));
            assert_eq!(error, Err(UnknownPermission(letter)));
        }
    }
}
