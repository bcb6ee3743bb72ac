//! How long a message is hidden, and how long it is kept.

use std::time::Duration;

use lazuli_model::{ApiVersion, Refusal};

use super::numbers::{number, within};
use crate::call::Call;

/// A week: the longest that a message is hidden, and how long it is kept if nothing is said.
const WEEK_SECONDS: i64 = 7 * 24 * 60 * 60;

/// How long a message that was got is hidden if nothing is said, in seconds.
const HIDDEN_SECONDS: u64 = 30;

/// Since this version a message that was got may be hidden for a week, and one that is put at all.
const WEEK: ApiVersion = ApiVersion::new(2011, 8, 18);

/// The longest that a message was hidden before.
const HOURS_SECONDS: i64 = 2 * 60 * 60;

/// Since this version a message may be kept for any time, and for ever.
const ANY_TIME: ApiVersion = ApiVersion::new(2017, 7, 29);

/// For how long a message that is put is hidden, and for how long it is kept; `None` is for ever.
///
/// `OutOfRangeQueryParameterValue` or `InvalidQueryParameterValue` for a time that the version does
/// not have, and for a message that would be gone before it is visible.
///
/// <https://learn.microsoft.com/rest/api/storageservices/put-message#uri-parameters>
pub(crate) fn put(call: &Call<'_>) -> Result<(Duration, Option<Duration>), Refusal> {
    if let Some(text) = call.query("visibilitytimeout").filter(|_| call.version() < WEEK) {
        let reason = "The version does not support it.";
        return Err(Refusal::query_value("visibilitytimeout", text, reason));
    }
    let hidden = within(call, "visibilitytimeout", 0..=WEEK_SECONDS)?.unwrap_or(0);
    let kept = match kept(call)? {
        Kept::Unsaid => Some(WEEK_SECONDS.unsigned_abs()),
        Kept::Seconds(seconds) => Some(seconds),
        Kept::Ever => None,
    };
    if kept.is_some_and(|kept| hidden >= kept) {
        let reason = "The value must be less than messagettl.";
        return Err(Refusal::query_value("visibilitytimeout", hidden.to_string(), reason));
    }
    Ok((Duration::from_secs(hidden), kept.map(Duration::from_secs)))
}

/// How long a message is to be kept.
enum Kept {
    /// It is not said.
    Unsaid,
    /// For so many seconds, at least one.
    Seconds(u64),
    /// For ever.
    Ever,
}

/// What `messagettl` says.
fn kept(call: &Call<'_>) -> Result<Kept, Refusal> {
    if call.version() < ANY_TIME {
        return Ok(
            within(call, "messagettl", 1..=WEEK_SECONDS)?.map_or(Kept::Unsaid, Kept::Seconds)
        );
    }
    match number(call, "messagettl")? {
        None => Ok(Kept::Unsaid),
        Some(-1) => Ok(Kept::Ever),
        Some(seconds @ 1..) => Ok(Kept::Seconds(seconds.unsigned_abs())),
        Some(seconds) => {
            let reason = "Value must be greater than or equal to 1, or -1 to indicate an infinite \
                          TTL.";
            Err(Refusal::query_value("messagettl", seconds.to_string(), reason))
        }
    }
}

/// For how long messages that are got are hidden.
///
/// `OutOfRangeQueryParameterValue` or `InvalidQueryParameterValue`.
///
/// <https://learn.microsoft.com/rest/api/storageservices/get-messages#uri-parameters>
pub(crate) fn get(call: &Call<'_>) -> Result<Duration, Refusal> {
    let max = if call.version() < WEEK { HOURS_SECONDS } else { WEEK_SECONDS };
    let seconds = within(call, "visibilitytimeout", 1..=max)?;
    Ok(Duration::from_secs(seconds.unwrap_or(HIDDEN_SECONDS)))
}

/// For how long a message that is updated is hidden from then on.
///
/// `MissingRequiredQueryParameter` if it is not said, `OutOfRangeQueryParameterValue` or
/// `InvalidQueryParameterValue`.
///
/// <https://learn.microsoft.com/rest/api/storageservices/update-message#uri-parameters>
pub(crate) fn update(call: &Call<'_>) -> Result<Duration, Refusal> {
    call.required_query("visibilitytimeout")?;
    let seconds = within(call, "visibilitytimeout", 0..=WEEK_SECONDS)?;
    Ok(Duration::from_secs(seconds.unwrap_or_default()))
}
