//! The date forms of signed requests: RFC 1123 and RFC 850 in headers, ISO 8601 in tokens.
//!
//! - <https://learn.microsoft.com/rest/api/storageservices/representation-of-date-time-values-in-headers>
//! - <https://learn.microsoft.com/rest/api/storageservices/formatting-datetime-values>

use std::time::UNIX_EPOCH;

use lazuli_base::Timestamp;

const SECONDS_PER_DAY: i64 = 86_400;
/// The last second of year 9999, the last year four digits can tell.
const LAST_SECOND: i64 = 253_402_300_799;

/// Parses a header's date: RFC 1123, RFC 850 or asctime, from 1970 on.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Timestamp::from_unix_seconds(i64::try_from(seconds).ok()?))
}

/// Parses the forms a token may have: `YYYY-MM-DD`, `YYYY-MM-DDThh:mmZ` and
/// `YYYY-MM-DDThh:mm:ss[.fffffff]Z` with up to seven digits of fraction; `None` for another form
/// and for a day or time that does not exist.
pub fn parse_iso8601(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time.strip_suffix('Z')?)),
        None => (text, None),
    };
    let mut fields = date.split('-');
    let (year, month, day) =
        (digits(fields.next()?, 4)?, digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
    if fields.next().is_some() || year == 0 || !(1..=days_of_month(year, month)?).contains(&day) {
        return None;
    }
    let (seconds, ticks) = time.map_or(Some((0, 0)), parse_time)?;
    let day_ticks = (days_from_civil(year, month, day) * SECONDS_PER_DAY) + seconds;
    Some(Timestamp::from_ticks(Timestamp::from_unix_seconds(day_ticks).ticks() + ticks))
}

/// Seconds and ticks of `hh:mm` or `hh:mm:ss[.fffffff]`.
fn parse_time(text: &str) -> Option<(i64, u64)> {
    let (text, fraction) = match text.split_once('.') {
        Some((text, fraction)) => (text, Some(fraction)),
        None => (text, None),
    };
    let mut fields = text.split(':');
    let (hour, minute) = (digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
    let second = match fields.next() {
        Some(second) => digits(second, 2)?,
        None if fraction.is_none() => 0,
        None => return None,
    };
    if fields.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let ticks = match fraction {
        None => 0,
        Some(fraction) if fraction.len() > 7 => return None,
        Some(fraction) => {
            let scale = 10_u64.pow(7 - fraction.len() as u32);
            u64::try_from(digits(fraction, fraction.len())?).ok()? * scale
        }
    };
    Some((hour * 3600 + minute * 60 + second, ticks))
}

/// A number of exactly `len` decimal digits, at least one.
fn digits(text: &str, len: usize) -> Option<i64> {
    let decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (decimal && text.len() == len).then(|| text.parse().ok()).flatten()
}

fn days_of_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    })
}

/// Days of 400 Gregorian years, and from 0000-03-01 to 1970-01-01.
const DAYS_PER_ERA: i64 = 146_097;
const DAYS_BEFORE_1970: i64 = 719_468;

/// Days since 1970-01-01 of a day of the Gregorian calendar. Years are counted from March, which
/// puts the leap day last and makes the lengths of the months before it a linear formula.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_1970
}

/// The day of the Gregorian calendar that many days after 1970-01-01: the inverse.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_BEFORE_1970;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

/// The RFC 1123 form, for instance `Fri, 26 Jun 2015 23:39:12 GMT`; later
/// times are shown as the end of year 9999.
pub(crate) fn rfc1123(time: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // 1970-01-01 was a Thursday.
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

    let name = |names: &[&'static str], place: i64| {
        usize::try_from(place).ok().and_then(|place| names.get(place).copied()).unwrap_or_default()
    };
    let seconds = time.min(Timestamp::from_unix_seconds(LAST_SECOND)).unix_seconds();
    let (days, of_day) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let (year, month, day) = civil_from_days(days);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        name(&WEEKDAYS, days.rem_euclid(7)),
        name(&MONTHS, month - 1),
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_forms_parse() {
        for (text, unix_seconds, ticks) in [
            ("1970-01-01", 0, 0),
            ("2026-11-23", 1_795_392_000, 0),
            ("2026-11-23T01:02Z", 1_795_395_720, 0),
            ("2026-11-23T01:02:03Z", 1_795_395_723, 0),
            ("2026-11-23T01:02:03.1234567Z", 1_795_395_723, 1_234_567),
            ("2026-11-23T01:02:03.5Z", 1_795_395_723, 5_000_000),
            ("2000-02-29", 951_782_400, 0),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
            ("9999-12-31T23:59:59Z", 253_402_300_799, 0),
        ] {
            let time = parse_iso8601(text).unwrap();
            assert_eq!((time.unix_seconds(), time.subsecond_ticks()), (unix_seconds, ticks));
        }
    }

    #[test]
    fn other_forms_and_impossible_times_do_not() {
        for text in [
            "",
            "T",
            "2026",
            "2026-11",
            "2026-11-31",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "0000-01-01",
            "2026-1-1",
            "2026-01-01-01",
            "+026-01-01",
            "2026-01-01T00:00",
            "2026-01-01T00:00:00",
            "2026-01-01T24:00Z",
            "2026-01-01T00:60Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00.5Z",
            "2026-01-01T00:00:00.12345678Z",
            "2026-01-01T00:00:00+01:00",
            "2026-01-01t00:00:00z",
        ] {
            assert_eq!(parse_iso8601(text), None, "{text}");
        }
    }

    #[test]
    fn header_dates_parse() {
        let time = Timestamp::from_unix_seconds(784_111_777);
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(time));
        assert_eq!(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), Some(time));
        for bad in ["", "now", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1694 08:49:37 GMT"] {
            assert_eq!(parse_http_date(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn printed_dates_parse_back(seconds in 0_i64..253_402_300_800) {
            let time = Timestamp::from_unix_seconds(seconds);
            prop_assert_eq!(parse_http_date(&rfc1123(time)), Some(time));
        }

        #[test]
        fn days_and_dates_are_inverse(days in -719_162_i64..2_932_896) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
        }

        #[test]
        fn any_text_and_any_time_are_survived(text in "\\PC*", ticks: u64) {
            let _ = parse_iso8601(&text);
            prop_assert!(rfc1123(Timestamp::from_ticks(ticks)).ends_with(" GMT"));
        }
    }
}
