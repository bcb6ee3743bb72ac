//! Why content could not be had.

use std::fmt;

use crate::head::Headers;

/// Why content could not be read.
#[derive(Clone, Debug)]
pub enum FetchError {
    /// The guard does not admit the host, or none of its addresses.
    NotAllowed,
    /// Nobody answers there: no such name, no connection, no trust in its certificate.
    Unreachable(String),
    /// It took longer than a bound, which is named.
    TimedOut(&'static str),
    /// The host answered, but not with content.
    Answered(Box<Answered>),
    /// The content is another one than when reading began.
    Changed,
    /// What the host says contradicts itself or the protocol.
    Malformed(String),
    /// A range was asked for, and the host gives the whole.
    NoRanges,
    /// The content ended early, and could not be gone on with.
    Interrupted(String),
    /// Too many are read at this time.
    Busy,
}

/// An answer that is not content.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
}

impl FetchError {
    /// Whether asking again may help: the host may be reached, or answer otherwise, later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Interrupted(_) | Self::Busy => true,
            Self::TimedOut(bound) => *bound != crate::content::PACE,
            Self::Answered(answered) => matches!(answered.status, 408 | 429 | 500..=599),
            Self::NotAllowed | Self::Changed | Self::Malformed(_) | Self::NoRanges => false,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("the host may not be read from"),
            Self::Unreachable(why) => write!(f, "the host cannot be reached: {why}"),
            Self::TimedOut(bound) => write!(f, "the host is too slow: {bound}"),
            Self::Answered(answered) => write!(f, "the host answered {}", answered.status),
            Self::Changed => f.write_str("the content changed while it was read"),
            Self::Malformed(what) => write!(f, "the answer makes no sense: {what}"),
            Self::NoRanges => f.write_str("the host does not give ranges"),
            Self::Interrupted(why) => write!(f, "the content ended early: {why}"),
            Self::Busy => f.write_str("too many sources are read at this time"),
        }
    }
}

impl std::error::Error for FetchError {}
