//! Dates as Azure Storage writes and reads them: RFC 1123 in headers and listings, ISO 8601 with
//! seven fractional digits in snapshot identifiers, shorter ISO 8601 forms in access policies.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/representation-of-date-time-values-in-headers>
//!
//! A listing formats ten thousand dates a page, so formatting fills a fixed buffer.

use std::time::UNIX_EPOCH;

use lazuli_base::{TICKS_PER_SECOND, Timestamp};

const TICKS_PER_DAY: u64 = 86_400 * TICKS_PER_SECOND;
/// 9999-12-31T23:59:59.9999999Z: later moments have no four-digit year.
const LAST_TICKS: u64 = 3_155_378_975_999_999_999;
/// The last moment that a date can tell.
pub const LAST: Timestamp = Timestamp::from_ticks(LAST_TICKS);
const WEEKDAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A moment split into calendar fields.
struct Civil {
    year: u32,
    month: u32,
    day: u32,
    weekday: usize,
    second_of_day: u32,
    fraction: u32,
}

fn civil(at: Timestamp) -> Civil {
    let ticks = at.ticks().min(LAST_TICKS);
    let days = (ticks / TICKS_PER_DAY) as u32;
    // Years that begin in March put the leap day last; 0001-01-01 is day 306 of year 0.
    let shifted = days + 306;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: year_of_era + era * 400 + u32::from(month <= 2),
        month,
        day: of_year - (153 * shifted_month + 2) / 5 + 1,
        weekday: (days % 7) as usize,
        second_of_day: (ticks % TICKS_PER_DAY / TICKS_PER_SECOND) as u32,
        fraction: (ticks % TICKS_PER_SECOND) as u32,
    }
}

/// Days since 0001-01-01 of a valid Gregorian date from year 1 on.
fn days_of(year: u32, month: u32, day: u32) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || day == 0 || day > length {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    Some(u64::from(year / 400 * 146_097 + of_era) - 306)
}

/// Writes `value` in decimal into the whole of `field`, with leading zeros.
fn digits(field: &mut [u8], mut value: u32) {
    for byte in field.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Appends `at` in RFC 1123 form, for instance `Fri, 26 Jun 2015 23:39:12 GMT`.
pub fn push_rfc1123(out: &mut String, at: Timestamp) {
    let date = civil(at);
    let mut text = *b"Mon, 00 Jan 0000 00:00:00 GMT";
    text[..3].copy_from_slice(WEEKDAYS[date.weekday]);
    digits(&mut text[5..7], date.day);
    text[8..11].copy_from_slice(MONTHS[date.month as usize - 1]);
    digits(&mut text[12..16], date.year);
    digits(&mut text[17..19], date.second_of_day / 3600);
    digits(&mut text[20..22], date.second_of_day / 60 % 60);
    digits(&mut text[23..25], date.second_of_day % 60);
    out.push_str(str::from_utf8(&text).unwrap_or_default());
}

/// `at` in RFC 1123 form, for instance `Fri, 26 Jun 2015 23:39:12 GMT`.
pub fn rfc1123(at: Timestamp) -> String {
    let mut text = String::with_capacity(29);
    push_rfc1123(&mut text, at);
    text
}

/// Appends `at` in ISO 8601 form with all seven digits of its fraction, the form of snapshot and
/// version identifiers: `2015-06-26T23:39:12.1234567Z`.
pub fn push_iso7(out: &mut String, at: Timestamp) {
    let date = civil(at);
    let mut text = *b"0000-00-00T00:00:00.0000000Z";
    digits(&mut text[..4], date.year);
    digits(&mut text[5..7], date.month);
    digits(&mut text[8..10], date.day);
    digits(&mut text[11..13], date.second_of_day / 3600);
    digits(&mut text[14..16], date.second_of_day / 60 % 60);
    digits(&mut text[17..19], date.second_of_day % 60);
    digits(&mut text[20..27], date.fraction);
    out.push_str(str::from_utf8(&text).unwrap_or_default());
}

/// `at` in the form of snapshot identifiers: `2015-06-26T23:39:12.1234567Z`.
pub fn iso7(at: Timestamp) -> String {
    let mut text = String::with_capacity(28);
    push_iso7(&mut text, at);
    text
}

/// Parses the date of a header: RFC 1123, RFC 850 or the form of `asctime`; years from 1970 on.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Timestamp::from_unix_seconds(i64::try_from(seconds).ok()?))
}

/// Parses a snapshot or version identifier: exactly the form [`iso7`] writes.
pub fn parse_iso7(text: &str) -> Option<Timestamp> {
    (text.len() == 28 && text.ends_with('Z')).then(|| parse_iso(text)).flatten()
}

/// Parses the ISO 8601 forms of access policies and shared access signatures: a date alone, or a
/// date and a time of hours and minutes, of seconds, or of a fraction of up to seven digits, then
/// `Z` or an offset such as `+02:00`.
///
/// <https://learn.microsoft.com/rest/api/storageservices/formatting-datetime-values>
pub fn parse_iso(text: &str) -> Option<Timestamp> {
    let mut rest = Scanner(text.as_bytes());
    let year = rest.number(4)?;
    rest.byte(b'-')?;
    let month = rest.number(2)?;
    rest.byte(b'-')?;
    let days = days_of(year, month, rest.number(2)?)?;
    if rest.0.is_empty() {
        return Some(Timestamp::from_ticks(days * TICKS_PER_DAY));
    }
    rest.byte(b'T')?;
    let hour = rest.number(2)?;
    rest.byte(b':')?;
    let minute = rest.number(2)?;
    let mut second = 0;
    let mut fraction = 0;
    if rest.byte(b':').is_some() {
        second = rest.number(2)?;
        if rest.byte(b'.').is_some() {
            fraction = rest.fraction()?;
        }
    }
    let offset = rest.offset()?;
    if hour > 23 || minute > 59 || second > 59 || !rest.0.is_empty() {
        return None;
    }
    let seconds = u64::from(hour * 3600 + minute * 60 + second);
    let ticks = days * TICKS_PER_DAY + seconds * TICKS_PER_SECOND + u64::from(fraction);
    let ticks = ticks.checked_add_signed(-offset * TICKS_PER_SECOND.cast_signed())?;
    (ticks <= LAST_TICKS).then(|| Timestamp::from_ticks(ticks))
}

/// What is left of a date.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn byte(&mut self, expected: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == expected).then(|| self.0 = rest)
    }

    fn number(&mut self, width: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(width)?;
        let mut value = 0;
        for digit in digits {
            value = value * 10 + char::from(*digit).to_digit(10)?;
        }
        self.0 = rest;
        Some(value)
    }

    /// One to seven digits, as ticks.
    fn fraction(&mut self) -> Option<u32> {
        let width = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=7).contains(&width) {
            return None;
        }
        Some(self.number(width)? * 10_u32.pow(7 - width as u32))
    }

    /// The time zone, as seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.byte(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.byte(b'+').is_some() {
            1
        } else {
            self.byte(b'-')?;
            -1
        };
        let hours = self.number(2)?;
        self.byte(b':')?;
        let minutes = self.number(2)?;
        (hours <= 14 && minutes <= 59).then(|| sign * i64::from(hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_moment_has_both_documented_forms() {
        let at = parse_iso("2015-06-26T23:39:12.1234567Z").unwrap();
        assert_eq!(rfc1123(at), "Fri, 26 Jun 2015 23:39:12 GMT");
        assert_eq!(iso7(at), "2015-06-26T23:39:12.1234567Z");
        assert_eq!(at.unix_seconds(), 1_435_361_952);
    }

    #[test]
    fn the_ends_of_the_calendar_are_told() {
        assert_eq!(iso7(Timestamp::from_ticks(0)), "0001-01-01T00:00:00.0000000Z");
        assert_eq!(rfc1123(Timestamp::from_ticks(0)), "Mon, 01 Jan 0001 00:00:00 GMT");
        assert_eq!(iso7(Timestamp::from_ticks(u64::MAX)), "9999-12-31T23:59:59.9999999Z");
        assert_eq!(parse_iso("9999-12-31T23:59:59.9999999Z").unwrap().ticks(), LAST_TICKS);
    }

    #[test]
    fn header_dates_come_in_three_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse_http_date(text).map(Timestamp::unix_seconds), Some(784_111_777));
        }
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[test]
    fn policies_use_short_forms_and_offsets() {
        let midnight = parse_iso("2024-02-29").unwrap();
        for text in [
            "2024-02-29T00:00Z",
            "2024-02-29T00:00:00Z",
            "2024-02-29T02:00+02:00",
            "2024-02-28T23:30:00.0-00:30",
        ] {
            assert_eq!(parse_iso(text), Some(midnight), "{text}");
        }
        for text in [
            "",
            "2023-02-29",
            "2024-2-29",
            "2024-02-29T",
            "2024-02-29T00:00",
            "2024-02-29T24:00Z",
            "2024-02-29T00:00:00.12345678Z",
            "2024-02-29T00:00:00.Z",
            "2024-02-29Z",
            "0001-01-01T00:00+01:00",
            "2024-02-29T00:00ZZ",
            "2024-00-01",
            "0000-01-01",
        ] {
            assert_eq!(parse_iso(text), None, "{text}");
        }
    }

    #[test]
    fn a_snapshot_identifier_has_seven_digits() {
        assert!(parse_iso7("2015-06-26T23:39:12.1234567Z").is_some());
        for text in ["2015-06-26T23:39:12Z", "2015-06-26T23:39:12.123456Z", "2015-06-26"] {
            assert_eq!(parse_iso7(text), None);
        }
    }

    proptest! {
        #[test]
        fn forms_round_trip(ticks in 0..=LAST_TICKS) {
            let at = Timestamp::from_ticks(ticks);
            prop_assert_eq!(parse_iso7(&iso7(at)), Some(at));
            if at.unix_seconds() >= 0 {
                prop_assert_eq!(parse_http_date(&rfc1123(at)), Some(at.truncate_to_second()));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}", near in "[0-9TZ:.+-]{0,40}") {
            for text in [text, near] {
                let _ = (parse_http_date(&text), parse_iso(&text), parse_iso7(&text));
            }
        }
    }
}
