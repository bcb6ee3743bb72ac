//! The footer of a Parquet file: its columns, and where their chunks are.
//!
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>. The columns
//! are read at once, the row groups one after the other as a query gets to them: what is held of a
//! file with many of them is the footer's own bytes.

use std::sync::Arc;

use super::thrift::{Field, Thrift, Trouble};
use crate::plan::Step;

/// The most columns of a file, nested ones included.
const COLUMNS_MAX: usize = 20_000;

/// The most levels of columns within columns.
const LEVELS_MAX: usize = 16;

/// The most rows of a file. A column of one value takes a few bytes however many rows it has, so
/// the length of a blob does not bound what it costs to read.
const ROWS_MAX: i64 = 1 << 32;

/// How a value lies in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    Boolean,
    Int32,
    Int64,
    Int96,
    Float,
    Double,
    Bytes,
    /// Bytes of this number.
    Fixed(usize),
}

impl Physical {
    /// The bytes of a value, if all have as many.
    pub(super) fn width(self) -> Option<usize> {
        match self {
            Self::Boolean | Self::Bytes => None,
            Self::Int32 | Self::Float => Some(4),
            Self::Int64 | Self::Double => Some(8),
            Self::Int96 => Some(12),
            Self::Fixed(width) => Some(width),
        }
    }
}

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// What its physical type says.
    Plain,
    /// A whole number that is not negative, of this many bits.
    Unsigned(u8),
    /// A number with so many digits after the point.
    Decimal(i32),
    /// Days since 1970.
    Date,
    /// Since midnight, in parts of a second of which there are so many in one.
    Time(i64),
    /// Since 1970, in parts of a second of which there are so many in one.
    Timestamp(i64),
    /// 16 bytes.
    Uuid,
    /// A number of 16 bits.
    Half,
}

/// A column that has values of its own.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its name, after those of the columns around it.
    pub(super) path: Vec<Arc<str>>,
    pub(super) physical: Physical,
    pub(super) meaning: Meaning,
    /// The definition level of a value that is there.
    pub(super) defined: u16,
    /// Whether a record may have many values of it.
    pub(super) is_repeated: bool,
}

impl Column {
    /// Whether a column of a query is this one.
    pub(super) fn is_meant(&self, steps: &[Step]) -> bool {
        steps.len() == self.path.len()
            && steps.iter().zip(&self.path).all(|(step, name)| step.names(name))
    }
}

/// A column's part of a row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Its first byte in the blob.
    pub(super) start: u64,
    /// The byte behind its last.
    pub(super) end: u64,
    pub(super) codec: i64,
}

/// A footer that was read.
pub(super) struct Footer {
    bytes: Vec<u8>,
    pub(super) columns: Vec<Column>,
    /// Where the next row group begins, and how many there still are.
    next: usize,
    left: usize,
    /// Where the data ends.
    data_end: u64,
    rows_left: i64,
}

/// An element of the schema as it is written.
#[derive(Default)]
struct Element {
    physical: Option<i64>,
    width: i64,
    repetition: i64,
    name: Arc<str>,
    children: i64,
    converted: Option<i64>,
    scale: i64,
    logical: Option<Meaning>,
}

impl Footer {
    /// Reads a footer that begins at byte `data_end` of the blob.
    pub(super) fn read(bytes: Vec<u8>, data_end: u64) -> Result<Self, Trouble> {
        let (mut elements, mut groups, mut encrypted) = (Vec::new(), None, false);
        let mut thrift = Thrift::new(&bytes, 0);
        thrift.structure(&mut |thrift, field| {
            match field.number {
                2 => {
                    for _ in 0..thrift.list(field)? {
                        elements.push(read_element(thrift)?);
                        if elements.len() > COLUMNS_MAX {
                            return Err(Trouble::Damaged("the file has too many columns"));
                        }
                    }
                }
                4 => {
                    let mut ahead = thrift.clone();
                    let count = ahead.list(field)?;
                    groups = Some((ahead.at(), count));
                    thrift.skip_field(field)?;
                }
                8 => {
                    encrypted = true;
                    thrift.skip_field(field)?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if encrypted {
            return Err(Trouble::Damaged("the file is encrypted"));
        }
        let mut elements = elements.into_iter();
        let root = elements.next().ok_or(Trouble::Damaged("the footer has no columns"))?;
        let mut columns = Vec::new();
        let top = Around { path: Vec::new(), defined: 0, is_repeated: false };
        flatten(&mut elements, root.children, &top, &mut columns)?;
        let (next, left) = groups.unwrap_or((0, 0));
        Ok(Self { bytes, columns, next, left, data_end, rows_left: ROWS_MAX })
    }

    /// How many bytes the footer takes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The number of rows of the next row group, and the chunks of the columns of these numbers, of
    /// which none is twice there; `None` after the last.
    pub(super) fn group(&mut self, columns: &[usize]) -> Result<Option<Group>, Trouble> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut chunks: Vec<Option<Chunk>> = vec![None; columns.len()];
        let mut wanted: Vec<(usize, usize)> = columns.iter().copied().zip(0..).collect();
        wanted.sort_unstable();
        let mut wanted = wanted.into_iter().peekable();
        let mut rows = None;
        let mut thrift = Thrift::new(&self.bytes, self.next);
        let (all, data_end) = (&self.columns, self.data_end);
        thrift.structure(&mut |thrift, field| {
            match field.number {
                1 => {
                    if thrift.list(field)? != all.len() {
                        return Err(Trouble::Damaged("a row group has not each column"));
                    }
                    for (number, column) in all.iter().enumerate() {
                        match wanted.next_if(|(wanted, _)| *wanted == number) {
                            Some((_, place)) => {
                                let chunk = read_chunk(thrift, column.physical, data_end)?;
                                chunks[place] = Some(chunk);
                            }
                            None => thrift.structure(&mut |_, _| Ok(false))?,
                        }
                    }
                }
                3 => rows = Some(thrift.number(field)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        self.next = thrift.at();
        let rows = rows.filter(|rows| *rows >= 0);
        let rows = rows.ok_or(Trouble::Damaged("a row group does not tell its rows"))?;
        self.rows_left = self
            .rows_left
            .checked_sub(rows)
            .filter(|left| *left >= 0)
            .ok_or(Trouble::Damaged("the file has too many rows"))?;
        let chunks: Option<Vec<Chunk>> = chunks.into_iter().collect();
        let chunks = chunks.ok_or(Trouble::Damaged("a row group has no columns"))?;
        Ok(Some(Group { rows: rows as u64, chunks }))
    }
}

/// A row group, as far as a query needs it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) rows: u64,
    pub(super) chunks: Vec<Chunk>,
}

/// What is around a column.
struct Around {
    path: Vec<Arc<str>>,
    defined: u16,
    is_repeated: bool,
}

/// Adds the columns that the next `count` elements are.
fn flatten(
    elements: &mut dyn Iterator<Item = Element>,
    count: i64,
    around: &Around,
    columns: &mut Vec<Column>,
) -> Result<(), Trouble> {
    if around.path.len() > LEVELS_MAX {
        return Err(Trouble::Damaged("the columns have too many levels"));
    }
    for _ in 0..count {
        let element = elements.next().ok_or(Trouble::Damaged("the footer has too few columns"))?;
        let mut inner = Around {
            path: around.path.clone(),
            defined: around.defined + u16::from(element.repetition != 0),
            is_repeated: around.is_repeated || element.repetition == 2,
        };
        inner.path.push(Arc::clone(&element.name));
        match element.physical {
            None => flatten(elements, element.children, &inner, columns)?,
            Some(physical) => {
                let physical = to_physical(physical, element.width)?;
                columns.push(Column {
                    meaning: to_meaning(&element, physical),
                    path: inner.path,
                    physical,
                    defined: inner.defined,
                    is_repeated: inner.is_repeated,
                });
            }
        }
    }
    Ok(())
}

fn to_physical(number: i64, width: i64) -> Result<Physical, Trouble> {
    Ok(match number {
        0 => Physical::Boolean,
        1 => Physical::Int32,
        2 => Physical::Int64,
        3 => Physical::Int96,
        4 => Physical::Float,
        5 => Physical::Double,
        6 => Physical::Bytes,
        7 if (1..=1 << 20).contains(&width) => Physical::Fixed(width as usize),
        _ => return Err(Trouble::Damaged("a column is of no known type")),
    })
}

/// What values of an element mean; a meaning that does not fit the type is none.
fn to_meaning(element: &Element, physical: Physical) -> Meaning {
    let scale = i32::try_from(element.scale).unwrap_or(-1);
    let old = match element.converted {
        Some(5) => Meaning::Decimal(scale),
        Some(6) => Meaning::Date,
        Some(7) => Meaning::Time(1_000),
        Some(8) => Meaning::Time(1_000_000),
        Some(9) => Meaning::Timestamp(1_000),
        Some(10) => Meaning::Timestamp(1_000_000),
        Some(13) => Meaning::Unsigned(32),
        Some(14) => Meaning::Unsigned(64),
        _ => Meaning::Plain,
    };
    let meaning = match element.logical {
        Some(meaning) if meaning != Meaning::Plain => meaning,
        _ => old,
    };
    let fits = match meaning {
        Meaning::Plain => true,
        Meaning::Decimal(scale) => {
            let is_number = matches!(
                physical,
                Physical::Int32 | Physical::Int64 | Physical::Bytes | Physical::Fixed(_)
            );
            is_number && (0..=1_000).contains(&scale)
        }
        Meaning::Date | Meaning::Unsigned(32) => physical == Physical::Int32,
        Meaning::Unsigned(_) | Meaning::Timestamp(_) => physical == Physical::Int64,
        Meaning::Time(_) => matches!(physical, Physical::Int32 | Physical::Int64),
        Meaning::Uuid => physical == Physical::Fixed(16),
        Meaning::Half => physical == Physical::Fixed(2),
    };
    if fits { meaning } else { Meaning::Plain }
}

fn read_element(thrift: &mut Thrift<'_>) -> Result<Element, Trouble> {
    let mut found = Element::default();
    thrift.structure(&mut |thrift, field| {
        match field.number {
            1 => found.physical = Some(thrift.number(field)?),
            2 => found.width = thrift.number(field)?,
            3 => found.repetition = thrift.number(field)?,
            4 => found.name = String::from_utf8_lossy(thrift.bytes(field)?).into(),
            5 => found.children = thrift.number(field)?,
            6 => found.converted = Some(thrift.number(field)?),
            7 => found.scale = thrift.number(field)?,
            10 => found.logical = Some(read_logical(thrift, field)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(found)
}

fn read_logical(thrift: &mut Thrift<'_>, field: Field) -> Result<Meaning, Trouble> {
    let mut meaning = Meaning::Plain;
    thrift.nested(field, &mut |thrift, field| {
        meaning = match field.number {
            5 => Meaning::Decimal(read_number(thrift, field, 1)? as i32),
            6 => Meaning::Date,
            7 => Meaning::Time(read_unit(thrift, field)?),
            8 => Meaning::Timestamp(read_unit(thrift, field)?),
            10 => return read_integer(thrift, field, &mut meaning),
            14 => Meaning::Uuid,
            15 => Meaning::Half,
            _ => return Ok(false),
        };
        Ok(!matches!(meaning, Meaning::Date | Meaning::Uuid | Meaning::Half))
    })?;
    Ok(meaning)
}

/// The number that is the field of a structure; 0 if it is not there.
fn read_number(thrift: &mut Thrift<'_>, field: Field, wanted: i64) -> Result<i64, Trouble> {
    let mut found = 0;
    thrift.nested(field, &mut |thrift, field| {
        if field.number != wanted {
            return Ok(false);
        }
        found = thrift.number(field)?;
        Ok(true)
    })?;
    Ok(found)
}

/// How many of a time's units there are in a second.
fn read_unit(thrift: &mut Thrift<'_>, field: Field) -> Result<i64, Trouble> {
    let mut unit = 1_000;
    thrift.nested(field, &mut |thrift, field| {
        if field.number != 2 {
            return Ok(false);
        }
        thrift.nested(field, &mut |_, field| {
            unit = match field.number {
                1 => 1_000,
                2 => 1_000_000,
                _ => 1_000_000_000,
            };
            Ok(false)
        })?;
        Ok(true)
    })?;
    Ok(unit)
}

fn read_integer(
    thrift: &mut Thrift<'_>,
    field: Field,
    meaning: &mut Meaning,
) -> Result<bool, Trouble> {
    let (mut bits, mut is_signed) = (64, true);
    thrift.nested(field, &mut |thrift, field| {
        match field.number {
            1 => bits = thrift.number(field)?,
            2 => is_signed = Thrift::flag(field)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    // Shorter ones are written as numbers of 32 bits that are not negative.
    if !is_signed && (bits == 32 || bits == 64) {
        *meaning = Meaning::Unsigned(bits as u8);
    }
    Ok(true)
}

/// A column's chunk, which must be of the column's type and within the data.
fn read_chunk(
    thrift: &mut Thrift<'_>,
    physical: Physical,
    data_end: u64,
) -> Result<Chunk, Trouble> {
    let (mut kind, mut codec, mut len) = (None, None, None);
    let (mut data, mut dictionary) = (None, None);
    let mut elsewhere = false;
    thrift.structure(&mut |thrift, field| {
        if field.number == 1 || field.number == 8 || field.number == 9 {
            elsewhere = true;
        }
        if field.number != 3 {
            return Ok(false);
        }
        thrift.nested(field, &mut |thrift, field| {
            let number = match field.number {
                1 => &mut kind,
                4 => &mut codec,
                7 => &mut len,
                9 => &mut data,
                11 => &mut dictionary,
                _ => return Ok(false),
            };
            *number = Some(thrift.number(field)?);
            Ok(true)
        })?;
        Ok(true)
    })?;
    if elsewhere {
        return Err(Trouble::Damaged("a column is encrypted or in another file"));
    }
    let damaged = Trouble::Damaged("a column has no place in the file");
    let (Some(kind), Some(codec), Some(len), Some(data)) = (kind, codec, len, data) else {
        return Err(damaged);
    };
    let width = physical.width().unwrap_or(1) as i64;
    if to_physical(kind, width)? != physical {
        return Err(Trouble::Damaged("a column is not of the type that the footer says"));
    }
    let start = dictionary.filter(|at| *at > 0 && *at < data).unwrap_or(data);
    let (start, len) = (u64::try_from(start), u64::try_from(len));
    let (Ok(start), Ok(len)) = (start, len) else { return Err(damaged) };
    let end = start.checked_add(len).filter(|end| *end <= data_end).ok_or(damaged)?;
    Ok(Chunk { start, end, codec })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A structure of numbers: their fields, which rise, and values.
    fn numbers(fields: &[(u8, i64)]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut last = 0;
        for (field, value) in fields {
            out.push((field - last) << 4 | 6);
            last = *field;
            let mut rest = ((value << 1) ^ (value >> 63)) as u64;
            while rest >= 0x80 {
                out.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
        }
        out.push(0);
        out
    }

    /// A footer of one column of whole numbers, and of row groups with so many rows and chunks.
    fn footer(groups: &[(i64, &[(u8, i64)])]) -> Vec<u8> {
        // The version, and two elements: one with a child, and an optional `c` of type 1.
        let mut out = vec![0x15, 2, 0x19, 0x2c, 0x48, 0, 0x15, 2, 0];
        out.extend([0x15, 2, 0x25, 2, 0x18, 1, b'c', 0]);
        out.extend([0x29, (groups.len() as u8) << 4 | 0x0c]);
        for (rows, chunk) in groups {
            out.extend([0x19, 0x1c, 0x3c]);
            out.extend(numbers(chunk));
            out.push(0);
            out.push(0x26);
            out.extend(&numbers(&[(1, *rows)])[1..]);
        }
        out.push(0);
        out
    }

    /// The rows and chunk of the first row groups, of a file whose data ends at byte 1,000.
    fn read(groups: &[(i64, &[(u8, i64)])]) -> Result<Vec<Group>, Trouble> {
        let mut footer = Footer::read(footer(groups), 1_000)?;
        assert_eq!(footer.columns.len(), 1);
        let mut found = Vec::new();
        while let Some(group) = footer.group(&[0])? {
            found.push(group);
        }
        Ok(found)
    }

    #[test]
    fn groups_tell_their_rows_and_chunks() {
        let chunk: &[(u8, i64)] = &[(1, 1), (4, 6), (7, 100), (9, 50), (11, 20)];
        let found = read(&[(7, chunk), (1 << 31, &chunk[..4])]).unwrap();
        let chunk = |start: u64| vec![Chunk { start, end: start + 100, codec: 6 }];
        let told: Vec<_> = found.into_iter().map(|group| (group.rows, group.chunks)).collect();
        assert_eq!(told, [(7, chunk(20)), (1 << 31, chunk(50))]);
    }

    #[test]
    fn what_cannot_be_is_damaged() {
        let good: &[(u8, i64)] = &[(1, 1), (4, 0), (7, 100), (9, 900)];
        assert!(read(&[(1, good)]).is_ok());
        let place = "a column has no place in the file";
        for (groups, why) in [
            (&[(1 << 31, good), (1 << 31, good), (1, good)][..], "the file has too many rows"),
            (&[(i64::MAX, good)], "the file has too many rows"),
            (&[(-1, good)], "a row group does not tell its rows"),
            (&[(1, &[(1, 1), (4, 0), (7, 101), (9, 900)])], place),
            (&[(1, &[(1, 1), (4, 0), (7, i64::MAX), (9, i64::MAX)])], place),
            (&[(1, &[(1, 1), (4, 0), (7, -1), (9, 900)])], place),
            (&[(1, &[(1, 1), (4, 0), (7, 100)])], place),
            (
                &[(1, &[(1, 2), (4, 0), (7, 100), (9, 0)])],
                "a column is not of the type that the footer says",
            ),
        ] {
            assert_eq!(read(groups).unwrap_err(), Trouble::Damaged(why));
        }
        let whole = footer(&[(1, good)]);
        for end in 0..whole.len() {
            let cut = Footer::read(whole[..end].to_vec(), 1_000).map(|footer| footer.columns.len());
            assert_eq!(cut, Err(Trouble::Short), "{end}");
        }
        let childless = [0x29, 0x1c, 0x48, 0, 0, 0];
        assert_eq!(Footer::read(childless.to_vec(), 0).map(|footer| footer.columns.len()), Ok(0));
        let hungry = [0x29, 0x1c, 0x48, 0, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        let found = Footer::read(hungry.to_vec(), 0).map(|footer| footer.columns.len());
        assert_eq!(found, Err(Trouble::Damaged("the footer has too few columns")));
    }
}
