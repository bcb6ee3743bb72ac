//! The lease state machine of blobs and containers.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/lease-blob#remarks> draws the states; the
//! two tables in the tests are that page's. Expiry is not an event here: a stored lease tells its
//! state from the time it is asked at.

use std::fmt::Write as _;
use std::time::Duration;

use lazuli_base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, Refusal};

/// A lease's id: a GUID in its lower-case 8-4-4-4-12 form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseId(String);

impl LeaseId {
    /// Parses a GUID in any of its written forms: bare, hyphenated, hyphenated in braces or
    /// parentheses, or as numbers in braces (`{0x..,0x..,0x..,{0x..,..}}`).
    ///
    /// <https://learn.microsoft.com/dotnet/api/system.guid.-ctor#system-guid-ctor(system-string)>
    ///
    /// `InvalidHeaderValue` naming `header` for anything else.
    pub fn parse(header: &str, text: &str) -> Result<Self, Refusal> {
        let digits = hyphenated(text).or_else(|| numbers(text));
        let digits = digits.ok_or_else(|| Refusal::header_value(header, text))?;
        let mut id = String::with_capacity(36);
        for (index, digit) in digits.to_ascii_lowercase().chars().enumerate() {
            if matches!(index, 8 | 12 | 16 | 20) {
                id.push('-');
            }
            id.push(digit);
        }
        Ok(Self(id))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for LeaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Digits in a GUID.
const DIGITS: usize = 32;

/// The digits of a GUID that is one text, with or without hyphens, braces or parentheses.
fn hyphenated(text: &str) -> Option<String> {
    let inner = [('{', '}'), ('(', ')')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .unwrap_or(text);
    let digits: String = inner.chars().filter(|c| *c != '-').collect();
    let hex = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hyphens = inner.match_indices('-').map(|(at, _)| at).collect::<Vec<_>>();
    (hex && (hyphens.is_empty() || hyphens == [8, 13, 18, 23])).then_some(digits)
}

/// The digits of a GUID that is eleven numbers in braces, the last eight in braces of their own.
fn numbers(text: &str) -> Option<String> {
    const WIDTHS: [usize; 11] = [8, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2];
    let inner = text.strip_prefix('{')?.strip_suffix("}}")?;
    let (head, tail) = inner.split_once(",{")?;
    let mut digits = String::with_capacity(DIGITS);
    let mut numbers = head.split(',').chain(tail.split(','));
    for width in WIDTHS {
        let number = numbers.next()?.strip_prefix("0x")?;
        let is_number = (1..=width).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_number {
            return None;
        }
        // Writing to a string cannot fail.
        let _ = write!(digits, "{number:0>width$}");
    }
    (numbers.next().is_none() && head.split(',').count() == 3).then_some(digits)
}

/// What a lease is on: the codes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKind {
    /// A blob.
    Blob,
    /// A container.
    Container,
}

/// How long a lease lasts without being renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseDuration {
    /// Until it is released or broken.
    Infinite,
    /// 15 to 60 seconds.
    Seconds(u8),
}

impl LeaseDuration {
    /// Parses `x-ms-lease-duration`: -1, or 15 to 60. `InvalidHeaderValue` for anything else.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text.parse::<i64>() {
            Ok(-1) => Ok(Self::Infinite),
            Ok(seconds @ 15..=60) => Ok(Self::Seconds(seconds as u8)),
            _ => Err(Refusal::header_value("x-ms-lease-duration", text)),
        }
    }

    fn expiry(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Infinite => None,
            Self::Seconds(seconds) => {
                Some(now.saturating_add(Duration::from_secs(u64::from(seconds))))
            }
        }
    }
}

/// A lease as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lease {
    /// There is none.
    #[default]
    Available,
    /// Held, until `expires` unless that is `None`.
    Leased {
        /// The holder's id.
        id: LeaseId,
        /// How long each renewal lasts.
        duration: LeaseDuration,
        /// When it expires.
        expires: Option<Timestamp>,
    },
    /// Being broken: held until `until`.
    Breaking {
        /// The holder's id.
        id: LeaseId,
        /// When it will be broken.
        until: Timestamp,
    },
    /// Broken.
    Broken {
        /// The last holder's id.
        id: LeaseId,
    },
}

/// The state of a lease at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State<'l> {
    Available,
    Leased(&'l LeaseId),
    Breaking(&'l LeaseId),
    Broken(&'l LeaseId),
    Expired(&'l LeaseId),
}

/// Longest break period, in seconds.
pub const BREAK_SECONDS_MAX: u8 = 60;

impl Lease {
    fn at(&self, now: Timestamp) -> State<'_> {
        match self {
            Self::Available => State::Available,
            Self::Leased { id, expires: Some(expires), .. } if now >= *expires => {
                State::Expired(id)
            }
            Self::Leased { id, .. } => State::Leased(id),
            Self::Breaking { id, until } if now >= *until => State::Broken(id),
            Self::Breaking { id, .. } => State::Breaking(id),
            Self::Broken { id } => State::Broken(id),
        }
    }

    fn held(id: LeaseId, duration: LeaseDuration, now: Timestamp) -> Self {
        Self::Leased { id, duration, expires: duration.expiry(now) }
    }

    /// `x-ms-lease-status`: `locked` or `unlocked`.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self.at(now) {
            State::Leased(_) | State::Breaking(_) => "locked",
            _ => "unlocked",
        }
    }

    /// `x-ms-lease-state`.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.at(now) {
            State::Available => "available",
            State::Leased(_) => "leased",
            State::Breaking(_) => "breaking",
            State::Broken(_) => "broken",
            State::Expired(_) => "expired",
        }
    }

    /// `x-ms-lease-duration`: told of a held lease only.
    pub fn duration(&self, now: Timestamp) -> Option<&'static str> {
        match (self.at(now), self) {
            (State::Leased(_), Self::Leased { duration, .. }) => Some(match duration {
                LeaseDuration::Infinite => "infinite",
                LeaseDuration::Seconds(_) => "fixed",
            }),
            _ => None,
        }
    }

    /// Whether it is held for ever.
    pub fn is_infinite(&self, now: Timestamp) -> bool {
        self.duration(now) == Some("infinite")
    }

    /// Acquire: the lease after it. `id` is the proposed id or a fresh one.
    pub fn acquire(
        &self,
        now: Timestamp,
        id: LeaseId,
        duration: LeaseDuration,
    ) -> Result<Self, Refusal> {
        match self.at(now) {
            State::Leased(holder) if *holder == id => Ok(Self::held(id, duration, now)),
            State::Breaking(holder) if *holder == id => {
                Err(ErrorCode::LeaseIsBreakingAndCannotBeAcquired.into())
            }
            State::Leased(_) | State::Breaking(_) => Err(ErrorCode::LeaseAlreadyPresent.into()),
            State::Available | State::Broken(_) | State::Expired(_) => {
                Ok(Self::held(id, duration, now))
            }
        }
    }

    /// Renew. An expired lease can be renewed while the resource is `unmodified` since.
    pub fn renew(&self, now: Timestamp, id: &LeaseId, unmodified: bool) -> Result<Self, Refusal> {
        let mismatch = || Err(ErrorCode::LeaseIdMismatchWithLeaseOperation.into());
        match (self.at(now), self) {
            (State::Leased(holder), Self::Leased { duration, .. }) if holder == id => {
                Ok(Self::held(id.clone(), *duration, now))
            }
            (State::Expired(holder), Self::Leased { duration, .. })
                if holder == id && unmodified =>
            {
                Ok(Self::held(id.clone(), *duration, now))
            }
            (State::Breaking(holder) | State::Broken(holder), _) if holder == id => {
                Err(ErrorCode::LeaseIsBrokenAndCannotBeRenewed.into())
            }
            _ => mismatch(),
        }
    }

    /// Change: from `id` to `proposed`.
    pub fn change(&self, now: Timestamp, id: &LeaseId, proposed: LeaseId) -> Result<Self, Refusal> {
        match (self.at(now), self) {
            (State::Leased(holder), Self::Leased { duration, expires, .. }) => {
                // Saying it again after the answer was lost must not fail.
                if holder != id && *holder != proposed {
                    return Err(ErrorCode::LeaseIdMismatchWithLeaseOperation.into());
                }
                Ok(Self::Leased { id: proposed, duration: *duration, expires: *expires })
            }
            (State::Breaking(_), _) => Err(ErrorCode::LeaseIsBreakingAndCannotBeChanged.into()),
            _ => Err(ErrorCode::LeaseNotPresentWithLeaseOperation.into()),
        }
    }

    /// Release.
    pub fn release(&self, now: Timestamp, id: &LeaseId) -> Result<Self, Refusal> {
        match self.at(now) {
            State::Leased(holder)
            | State::Breaking(holder)
            | State::Broken(holder)
            | State::Expired(holder)
                if holder == id =>
            {
                Ok(Self::Available)
            }
            _ => Err(ErrorCode::LeaseIdMismatchWithLeaseOperation.into()),
        }
    }

    /// Break: the lease after it, and the seconds until it is broken. Without a period a fixed
    /// lease runs out and an infinite one breaks at once.
    pub fn break_lease(&self, now: Timestamp, period: Option<u8>) -> Result<(Self, u32), Refusal> {
        let ends = |until: Timestamp, id: &LeaseId| {
            if until <= now {
                return (Self::Broken { id: id.clone() }, 0);
            }
            let left = until.since(now);
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            (Self::Breaking { id: id.clone(), until }, seconds as u32)
        };
        let asked =
            period.map(|seconds| now.saturating_add(Duration::from_secs(u64::from(seconds))));
        match (self.at(now), self) {
            (State::Available, _) => Err(ErrorCode::LeaseNotPresentWithLeaseOperation.into()),
            (State::Leased(id), Self::Leased { expires, .. }) => Ok(match (asked, *expires) {
                (Some(asked), Some(expires)) => ends(asked.min(expires), id),
                (Some(until), None) | (None, Some(until)) => ends(until, id),
                (None, None) => ends(now, id),
            }),
            (State::Breaking(id), Self::Breaking { until, .. }) => {
                Ok(ends(asked.map_or(*until, |asked| asked.min(*until)), id))
            }
            (
                State::Broken(id) | State::Expired(id) | State::Leased(id) | State::Breaking(id),
                _,
            ) => Ok((Self::Broken { id: id.clone() }, 0)),
        }
    }

    /// Whether a write with lease id `given` may go on, and the lease after it: a write without an
    /// id makes a broken or expired lease available again.
    pub fn check_write(
        &self,
        now: Timestamp,
        given: Option<&LeaseId>,
        kind: LeaseKind,
    ) -> Result<Self, Refusal> {
        match (self.at(now), given) {
            (State::Leased(_) | State::Breaking(_), None) => Err(ErrorCode::LeaseIdMissing.into()),
            (State::Available | State::Broken(_) | State::Expired(_), None) => Ok(Self::Available),
            (_, Some(_)) => self.check_read(now, given, kind).map(|()| self.clone()),
        }
    }

    /// Whether a read with lease id `given` may go on: without one it may always.
    pub fn check_read(
        &self,
        now: Timestamp,
        given: Option<&LeaseId>,
        kind: LeaseKind,
    ) -> Result<(), Refusal> {
        let Some(given) = given else { return Ok(()) };
        let code = match (self.at(now), kind) {
            (State::Leased(holder) | State::Breaking(holder), _) if holder == given => {
                return Ok(());
            }
            (State::Broken(holder) | State::Expired(holder), _) if holder == given => {
                ErrorCode::LeaseLost
            }
            (State::Available, LeaseKind::Blob) => ErrorCode::LeaseNotPresentWithBlobOperation,
            (State::Available, LeaseKind::Container) => {
                ErrorCode::LeaseNotPresentWithContainerOperation
            }
            (_, LeaseKind::Blob) => ErrorCode::LeaseIdMismatchWithBlobOperation,
            (_, LeaseKind::Container) => ErrorCode::LeaseIdMismatchWithContainerOperation,
        };
        Err(code.into())
    }
}

#[cfg(test)]
mod tests;
