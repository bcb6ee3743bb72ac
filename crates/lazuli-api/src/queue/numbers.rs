//! Numbers in the query, held to the range that an operation has for them.

use std::ops::RangeInclusive;

use lazuli_model::{ErrorCode, Refusal};

use crate::call::Call;

/// How many messages can be asked for at a time.
const MESSAGES: RangeInclusive<i64> = 1..=32;

/// How many messages are asked for; one if nothing is said.
///
/// Errors are those of [`within`].
pub(crate) fn of_messages(call: &Call<'_>) -> Result<usize, Refusal> {
    Ok(within(call, "numofmessages", MESSAGES)?.unwrap_or(1) as usize)
}

/// A number without a sign, if it is given.
///
/// `OutOfRangeQueryParameterValue` outside the range, `InvalidQueryParameterValue` for what is no
/// number.
pub(crate) fn within(
    call: &Call<'_>,
    name: &'static str,
    range: RangeInclusive<i64>,
) -> Result<Option<u64>, Refusal> {
    let Some(number) = number(call, name)? else { return Ok(None) };
    if !range.contains(&number) {
        return Err(Refusal::new(ErrorCode::OutOfRangeQueryParameterValue)
            .with_detail("QueryParameterName", name)
            .with_detail("QueryParameterValue", number.to_string())
            .with_detail("MinimumAllowed", range.start().to_string())
            .with_detail("MaximumAllowed", range.end().to_string()));
    }
    // No range has numbers below zero.
    Ok(Some(number.unsigned_abs()))
}

/// A whole number, if it is given.
///
/// `InvalidQueryParameterValue` for what is none.
pub(crate) fn number(call: &Call<'_>, name: &'static str) -> Result<Option<i64>, Refusal> {
    let Some(text) = call.query(name) else { return Ok(None) };
    let malformed = || Refusal::query_value(name, text, "The value is not a number.");
    text.parse().map(Some).map_err(|_| malformed())
}
