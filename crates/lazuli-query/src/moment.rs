//! Points in time as queries read, compute and write them.
//!
//! What is read is ISO 8601 as <https://www.w3.org/TR/NOTE-datetime> narrows it, from a year alone
//! to fractions of a second, with an optional offset from UTC that is kept for who asks for it.

use std::cmp::Ordering;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Span, Unit};

/// A point in time, and the offset it was written with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// In UTC.
    at: DateTime,
    /// Minutes east of UTC.
    offset: i16,
}

/// A part of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    OffsetHour,
    OffsetMinute,
}

impl Part {
    /// The part of this name, in any case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "year" => Self::Year,
            "month" => Self::Month,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "second" => Self::Second,
            "timezone_hour" => Self::OffsetHour,
            "timezone_minute" => Self::OffsetMinute,
            _ => return None,
        })
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.at.partial_cmp(&other.at)
    }
}

impl Moment {
    /// The moment of a clock's time.
    pub(crate) fn new(now: lazuli_base::Timestamp) -> Option<Self> {
        let nanos = now.subsecond_ticks() as i32 * 100;
        let at = jiff::Timestamp::new(now.unix_seconds(), nanos).ok()?;
        Some(Self { at: Offset::UTC.to_datetime(at), offset: 0 })
    }

    /// Reads a moment; a time without an offset is UTC.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?.trim();
        let (date, time) = match text.split_once(['T', 't', ' ']) {
            Some((date, time)) => (date, time),
            None => (text, ""),
        };
        let (year, month, day) = read_date(date)?;
        let (clock, offset) = split_offset(time)?;
        let (hour, minute, second, nanos) = read_clock(clock)?;
        let at = DateTime::new(year, month, day, hour, minute, second, nanos).ok()?;
        let moment = Self { at, offset: 0 };
        let at = moment.shift(i64::from(offset) * -60)?;
        Some(Self { at, offset })
    }

    fn shift(self, seconds: i64) -> Option<DateTime> {
        self.at.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()
    }

    /// Date and time where the offset holds.
    fn local(self) -> DateTime {
        self.shift(i64::from(self.offset) * 60).unwrap_or(self.at)
    }

    /// This moment moved by `count` parts; `None` outside of what a calendar holds, or for the
    /// parts of an offset.
    pub(crate) fn add(self, part: Part, count: i64) -> Option<Self> {
        let span = Span::new();
        let span = match part {
            Part::Year => span.try_years(count),
            Part::Month => span.try_months(count),
            Part::Day => span.try_days(count),
            Part::Hour => span.try_hours(count),
            Part::Minute => span.try_minutes(count),
            Part::Second => span.try_seconds(count),
            Part::OffsetHour | Part::OffsetMinute => return None,
        };
        let at = self.at.checked_add(span.ok()?).ok()?;
        Some(Self { at, ..self })
    }

    /// How many whole parts lie between this moment and a later one; negative for an earlier one.
    pub(crate) fn until(self, later: Self, part: Part) -> Option<i64> {
        let unit = match part {
            Part::Year => Unit::Year,
            Part::Month => Unit::Month,
            Part::Day => Unit::Day,
            Part::Hour => Unit::Hour,
            Part::Minute => Unit::Minute,
            Part::Second => Unit::Second,
            Part::OffsetHour | Part::OffsetMinute => return None,
        };
        let span = self.at.until((unit, later.at)).ok()?;
        Some(match part {
            Part::Year => i64::from(span.get_years()),
            Part::Month => i64::from(span.get_months()),
            Part::Day => i64::from(span.get_days()),
            Part::Hour => i64::from(span.get_hours()),
            Part::Minute => span.get_minutes(),
            _ => span.get_seconds(),
        })
    }

    /// One part, as a number.
    pub(crate) fn part(self, part: Part) -> i64 {
        let local = self.local();
        match part {
            Part::Year => i64::from(local.year()),
            Part::Month => i64::from(local.month()),
            Part::Day => i64::from(local.day()),
            Part::Hour => i64::from(local.hour()),
            Part::Minute => i64::from(local.minute()),
            Part::Second => i64::from(local.second()),
            Part::OffsetHour => i64::from(self.offset / 60),
            Part::OffsetMinute => i64::from(self.offset % 60),
        }
    }

    /// The moment as ISO 8601, with as many digits of a second as it has.
    pub(crate) fn to_iso(self) -> String {
        let local = self.local();
        let nanos = local.subsec_nanosecond();
        let mut text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            local.year(),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        );
        if nanos != 0 {
            let digits = format!("{nanos:09}");
            text.push('.');
            text.push_str(digits.trim_end_matches('0'));
        }
        if self.offset == 0 {
            text.push('Z');
        } else {
            text.push_str(&self.offset_text(true));
        }
        text
    }

    fn offset_text(self, colon: bool) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (self.offset.abs() / 60, self.offset.abs() % 60);
        let colon = if colon { ":" } else { "" };
        format!("{sign}{hours:02}{colon}{minutes:02}")
    }

    /// The moment in the form of a pattern; `None` for a letter that is no field.
    pub(crate) fn format(self, pattern: &str) -> Option<String> {
        let local = self.local();
        let mut text = String::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            let field = rest.len() - rest.trim_start_matches(first).len();
            let count = field / first.len_utf8();
            rest = &rest[field..];
            if !first.is_ascii_alphabetic() {
                text.extend(std::iter::repeat_n(first, count));
                continue;
            }
            text.push_str(&self.field(local, first, count)?);
        }
        Some(text)
    }

    fn field(self, local: DateTime, letter: char, count: usize) -> Option<String> {
        let half_day = match local.hour() % 12 {
            0 => 12,
            hour => hour,
        };
        let number = |value: i8| match count {
            1 => Some(value.to_string()),
            2 => Some(format!("{value:02}")),
            _ => None,
        };
        match (letter, count) {
            ('y', 2) => Some(format!("{:02}", local.year().rem_euclid(100))),
            ('y', 1 | 4) => Some(format!("{:04}", local.year())),
            ('M', 3) => Some(month(local.month())?.get(..3)?.to_owned()),
            ('M', 4) => Some(month(local.month())?.to_owned()),
            ('M', _) => number(local.month()),
            ('d', _) => number(local.day()),
            ('a', 1) => Some(if local.hour() < 12 { "AM" } else { "PM" }.to_owned()),
            ('h', _) => number(half_day),
            ('H', _) => number(local.hour()),
            ('m', _) => number(local.minute()),
            ('s', _) => number(local.second()),
            ('S', 1..=9) => {
                format!("{:09}", local.subsec_nanosecond()).get(..count).map(str::to_owned)
            }
            ('X', 1..=5) if self.offset == 0 => Some("Z".to_owned()),
            ('X' | 'x', 1) => Some((self.offset / 60).to_string()),
            ('X' | 'x', 2 | 4) => Some(self.offset_text(false)),
            ('X' | 'x', 3 | 5) => Some(self.offset_text(true)),
            _ => None,
        }
    }
}

fn month(number: i8) -> Option<&'static str> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    MONTHS.get(usize::try_from(number - 1).ok()?).copied()
}

/// A number of exactly this many digits.
fn digits(text: &str, count: usize) -> Option<i32> {
    let fits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

fn read_date(text: &str) -> Option<(i16, i8, i8)> {
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)? as i16;
    let mut small = || match parts.next() {
        None => Some(1),
        Some(part) => digits(part, 2).map(|value| value as i8),
    };
    let (month, day) = (small()?, small()?);
    parts.next().is_none().then_some((year, month, day))
}

/// Takes the offset from the end of a time, in minutes.
fn split_offset(text: &str) -> Option<(&str, i16)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(sign) = text.find(['+', '-']) else { return Some((text, 0)) };
    let (clock, offset) = text.split_at(sign);
    let (hours, minutes) = offset[1..].split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = (hours * 60 + minutes) as i16;
    Some((clock, if text[sign..].starts_with('-') { -offset } else { offset }))
}

fn read_clock(text: &str) -> Option<(i8, i8, i8, i32)> {
    if text.is_empty() {
        return Some((0, 0, 0, 0));
    }
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut parts = whole.split(':');
    let hour = digits(parts.next()?, 2)? as i8;
    let minute = digits(parts.next()?, 2)? as i8;
    let second = match parts.next() {
        None if fraction.is_some() => return None,
        None => 0,
        Some(part) => digits(part, 2)? as i8,
    };
    if parts.next().is_some() {
        return None;
    }
    let nanos = match fraction {
        None => 0,
        Some(fraction) => {
            let length = fraction.len().min(9);
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            digits(fraction.get(..length)?, length)? * 10_i32.pow(9 - length as u32)
        }
    };
    Some((hour, minute, second, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn every_documented_form_is_read() {
        for (text, iso) in [
            ("2007", "2007-01-01T00:00:00Z"),
            ("2007T", "2007-01-01T00:00:00Z"),
            ("2010-05", "2010-05-01T00:00:00Z"),
            ("2010-01-01T", "2010-01-01T00:00:00Z"),
            ("1969-07-20T20:18Z", "1969-07-20T20:18:00Z"),
            ("2017-01-02T03:04:05.006Z", "2017-01-02T03:04:05.006Z"),
            ("2017-01-02 03:04:05", "2017-01-02T03:04:05Z"),
            ("2018-11-09T00:00+05:30", "2018-11-09T00:00:00+05:30"),
            ("2018-11-09T01:00:23-08:00", "2018-11-09T01:00:23-08:00"),
        ] {
            assert_eq!(at(text).to_iso(), iso, "{text}");
        }
        for text in [
            "",
            "x",
            "20",
            "2017-13",
            "2017-02-30",
            "2017-1-1",
            "2017-01-01-01",
            "2017-01-01T25:00Z",
            "2017-01-01T1Z",
            "2017-01-01T01:00:00.Z",
            "2017-01-01T01:00.5Z",
            "2017-01-01T01:00:00+99:00",
            "2017-01-01T01:00:00+1",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert!(Moment::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn parts_are_added_counted_and_told() {
        let moment = at("2017-01-31T03:04:05.006Z");
        assert_eq!(moment.add(Part::Month, 1).unwrap().to_iso(), "2017-02-28T03:04:05.006Z");
        assert_eq!(moment.add(Part::Minute, 1).unwrap().to_iso(), "2017-01-31T03:05:05.006Z");
        assert_eq!(moment.add(Part::Year, -1).unwrap().to_iso(), "2016-01-31T03:04:05.006Z");
        assert!(moment.add(Part::Year, 9_000).is_none());
        assert!(moment.add(Part::Second, i64::MAX).is_none());
        let (a, b) = (at("2018-11-09T00:00+05:30"), at("2018-11-09T01:00:23-08:00"));
        assert_eq!(a.until(b, Part::Hour), Some(14));
        assert_eq!(b.until(a, Part::Minute), Some(-870));
        assert_eq!(at("2010").until(at("2011-06"), Part::Year), Some(1));
        assert_eq!(at("2010").until(at("2010-05"), Part::Month), Some(4));
        assert_eq!(a.part(Part::Day), 9);
        assert_eq!((a.part(Part::OffsetHour), a.part(Part::OffsetMinute)), (5, 30));
        assert_eq!(b.part(Part::OffsetHour), -8);
        assert!(a < b && a != b && at("2010-01T00:00Z") == at("2010T"));
    }

    #[test]
    fn patterns_are_filled() {
        let moment = at("1969-07-20T20:18:05.123Z");
        for (pattern, text) in [
            ("MMMM d, y", "July 20, 1969"),
            ("MMM d, yyyy", "Jul 20, 1969"),
            ("M-d-yy", "7-20-69"),
            ("MM-d-y", "07-20-1969"),
            ("hh:mm a", "08:18 PM"),
            ("h H HH m s ss", "8 20 20 18 5 05"),
            ("S SS SSS", "1 12 123"),
            ("X XX XXX x xx xxx", "Z Z Z 0 +0000 +00:00"),
            ("", ""),
        ] {
            assert_eq!(moment.format(pattern).unwrap(), text, "{pattern}");
        }
        assert_eq!(at("2020-01-01T00:00+05:30").format("h XX XXX").unwrap(), "12 +0530 +05:30");
        assert_eq!(moment.format("Q"), None);
        assert_eq!(moment.format("yyyyy"), None);
    }
}
