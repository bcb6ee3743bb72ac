//! The twelve groups of fields that every entry commits to, each of which can be opened alone.

/// How many groups there are.
pub const GROUPS: usize = 12;

/// The value of a group that an operation has nothing to say in: CBOR null. It is sealed like any
/// other value, so that nobody can see that it is absent.
pub const ABSENT: &[u8] = &[0xf6];

/// A group of fields. Its number is in commitments and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Group {
    /// Who acted, under a pseudonym.
    Principal = 1,
    /// How they were authenticated, and by which key or policy.
    Auth = 2,
    /// A truncated address, and the version of TLS.
    Source = 3,
    /// Which container and blob, queue or table.
    Object = 4,
    /// Sizes, conditions, tier and version of the interface.
    Request = 5,
    /// Status, error code, ETag and version id.
    Result = 6,
    /// A salted hash of the content.
    Content = 7,
    /// The devices that hold the data, and the key they are encrypted with.
    Placement = 8,
    /// The declaration of acceptable use in force.
    Declaration = 9,
    /// Family and major version of the client's SDK.
    Client = 10,
    /// Request id and client request id.
    Correlation = 11,
    /// The inquiry that an access belongs to.
    Case = 12,
}

impl Group {
    /// All groups in the order of their numbers.
    pub const ALL: [Self; GROUPS] = [
        Self::Principal,
        Self::Auth,
        Self::Source,
        Self::Object,
        Self::Request,
        Self::Result,
        Self::Content,
        Self::Placement,
        Self::Declaration,
        Self::Client,
        Self::Correlation,
        Self::Case,
    ];

    /// Its number, 1 to 12.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The place of its value in a list of all values, 0 to 11.
    pub const fn place(self) -> usize {
        self as usize - 1
    }

    /// Its name, as people are shown it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Auth => "auth",
            Self::Source => "source",
            Self::Object => "object",
            Self::Request => "request",
            Self::Result => "result",
            Self::Content => "content",
            Self::Placement => "placement",
            Self::Declaration => "declaration",
            Self::Client => "client",
            Self::Correlation => "correlation",
            Self::Case => "case",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_follow_the_order() {
        for (place, group) in Group::ALL.into_iter().enumerate() {
            assert_eq!((group.place(), usize::from(group.number())), (place, place + 1));
        }
    }
}
