//! The pages of a column's chunk: their headers, and their bytes as they were before compression.

use std::io::Read as _;

use super::thrift::{Thrift, Trouble};

/// The most bytes of a page, as it is stored and as it is read. Writers aim at 1 MiB.
pub(super) const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most bytes of a page's header, which may hold the column's least and greatest value.
pub(super) const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    /// Values, with their levels compressed like them.
    Data,
    /// Values, with so many bytes of levels before them that are not compressed.
    Data2 { levels: usize, is_compressed: bool },
    /// The values that others name by their numbers.
    Dictionary,
    /// Nothing that a query needs.
    Other,
}

/// The header of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) kind: PageKind,
    /// The bytes that follow the header.
    pub(super) stored: usize,
    /// The bytes of the page without compression.
    pub(super) whole: usize,
    /// The number of values, those that are null among them.
    pub(super) values: u32,
    pub(super) encoding: i64,
    /// How definition levels are encoded.
    pub(super) levels: i64,
}

/// The fields of the header of any kind of page.
#[derive(Default)]
struct Fields {
    kind: Option<i64>,
    whole: Option<i64>,
    stored: Option<i64>,
    values: i64,
    encoding: i64,
    levels: i64,
    level_bytes: [i64; 2],
    is_plain: bool,
}

/// Reads the header at the beginning of `bytes`, and how many bytes it has.
pub(super) fn read_header(bytes: &[u8]) -> Result<(PageHeader, usize), Trouble> {
    let mut found = Fields { levels: 3, ..Fields::default() };
    let mut thrift = Thrift::new(bytes, 0);
    thrift.structure(&mut |thrift, field| {
        let number = match field.number {
            1 => &mut found.kind,
            2 => &mut found.whole,
            3 => &mut found.stored,
            5 | 7 | 8 => {
                let (is_first, is_second) = (field.number == 5, field.number == 8);
                thrift.nested(field, &mut |thrift, field| {
                    let number = match (field.number, is_second) {
                        (1, _) => &mut found.values,
                        (2, false) | (4, true) => &mut found.encoding,
                        (3, _) if is_first => &mut found.levels,
                        (5, true) => &mut found.level_bytes[0],
                        (6, true) => &mut found.level_bytes[1],
                        (7, true) => {
                            found.is_plain = !Thrift::flag(field)?;
                            return Ok(true);
                        }
                        _ => return Ok(false),
                    };
                    *number = thrift.number(field)?;
                    Ok(true)
                })?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        *number = Some(thrift.number(field)?);
        Ok(true)
    })?;
    Ok((found.check()?, thrift.at()))
}

impl Fields {
    fn check(&self) -> Result<PageHeader, Trouble> {
        let size = |told: Option<i64>| {
            let told = told.and_then(|told| usize::try_from(told).ok());
            told.ok_or(Trouble::Damaged("a page does not tell its size"))
        };
        let (stored, whole) = (size(self.stored)?, size(self.whole)?);
        if stored > PAGE_BYTES_MAX || whole > PAGE_BYTES_MAX {
            return Err(Trouble::Damaged("a page is larger than 16 MiB"));
        }
        let kind = match self.kind {
            Some(0) => PageKind::Data,
            Some(2) => PageKind::Dictionary,
            Some(3) => {
                let [defined, repeated] = self.level_bytes.map(|len| usize::try_from(len).ok());
                // No column that is read has values that repeat.
                let levels = defined.filter(|_| repeated == Some(0));
                let levels = levels.filter(|len| *len <= stored && *len <= whole);
                let levels = levels.ok_or(Trouble::Damaged("a page has levels of no size"))?;
                PageKind::Data2 { levels, is_compressed: !self.is_plain }
            }
            _ => PageKind::Other,
        };
        let values = u32::try_from(self.values)
            .map_err(|_| Trouble::Damaged("a page does not tell its values"))?;
        let (encoding, levels) = (self.encoding, self.levels);
        Ok(PageHeader { kind, stored, whole, values, encoding, levels })
    }
}

/// The bytes of a page, of which `stored` are at hand.
pub(super) fn unpack(header: &PageHeader, codec: i64, stored: &[u8]) -> Result<Vec<u8>, Trouble> {
    let (levels, is_compressed) = match header.kind {
        PageKind::Data2 { levels, is_compressed } => (levels, is_compressed),
        _ => (0, true),
    };
    let (before, packed) = stored.split_at_checked(levels).ok_or(MISFIT)?;
    let whole = header.whole.checked_sub(levels).ok_or(MISFIT)?;
    let mut page = Vec::with_capacity(header.whole);
    page.extend_from_slice(before);
    if codec == 0 || !is_compressed {
        page.extend_from_slice(packed);
    } else {
        page.resize(header.whole, 0);
        decompress(codec, packed, &mut page[levels..levels + whole])?;
    }
    if page.len() != header.whole {
        return Err(MISFIT);
    }
    Ok(page)
}

/// A page that does not become as long as its header says.
const MISFIT: Trouble = Trouble::Damaged("a page has not the size that it tells");

/// Fills `page`, which no decompressor writes beyond.
fn decompress(codec: i64, packed: &[u8], page: &mut [u8]) -> Result<(), Trouble> {
    // A page of nulls has nothing that is compressed, not even as nothing.
    if page.is_empty() {
        return Ok(());
    }
    let filled = match codec {
        1 => {
            let told = snap::raw::decompress_len(packed).map_err(|_| BROKEN)?;
            if told != page.len() {
                return Err(MISFIT);
            }
            snap::raw::Decoder::new().decompress(packed, page).map_err(|_| BROKEN)?
        }
        2 => {
            let mut reader = flate2::read::MultiGzDecoder::new(packed);
            reader.read_exact(page).map_err(|_| BROKEN)?;
            // One more byte would be one too many; asking for it checks the checksum too.
            page.len() + reader.read(&mut [0]).map_err(|_| BROKEN)?
        }
        6 => zstd::bulk::decompress_to_buffer(packed, page).map_err(|_| BROKEN)?,
        _ => return Err(Trouble::Damaged("a page is compressed in a way that is not supported")),
    };
    if filled == page.len() { Ok(()) } else { Err(MISFIT) }
}

/// A page that cannot be decompressed.
const BROKEN: Trouble = Trouble::Damaged("a page cannot be decompressed");

#[cfg(test)]
mod tests {
    use super::*;

    fn number(field: u8, value: u64, out: &mut Vec<u8>) {
        out.push(field << 4 | 5);
        let mut rest = value << 1;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    /// The header of a plain page of 5 values that claims these sizes.
    fn header(whole: u64, stored: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        number(1, 0, &mut bytes);
        number(1, whole, &mut bytes);
        number(1, stored, &mut bytes);
        bytes.push(0x2c);
        number(1, 5, &mut bytes);
        number(1, 0, &mut bytes);
        number(1, 3, &mut bytes);
        bytes.extend([0, 0]);
        bytes
    }

    #[test]
    fn a_header_is_held_to_its_bounds() {
        let bytes = header(100, 7);
        let (read, len) = read_header(&bytes).unwrap();
        assert_eq!((read.kind, read.whole, read.stored), (PageKind::Data, 100, 7));
        assert_eq!((read.values, read.encoding, read.levels, len), (5, 0, 3, bytes.len()));
        let large = Trouble::Damaged("a page is larger than 16 MiB");
        for (whole, stored) in [(1 << 32, 7), (100, 1 << 32), (PAGE_BYTES_MAX as u64 + 1, 7)] {
            assert_eq!(read_header(&header(whole, stored)).unwrap_err(), large);
        }
        for end in 0..bytes.len() {
            assert_eq!(read_header(&bytes[..end]).unwrap_err(), Trouble::Short, "{end}");
        }
    }

    #[test]
    fn a_page_has_the_size_that_it_tells_or_is_damaged() {
        let data = b"some bytes, some bytes, some bytes";
        let page = |whole: usize, stored: usize| PageHeader {
            kind: PageKind::Data,
            stored,
            whole,
            values: 1,
            encoding: 0,
            levels: 3,
        };
        let snappy = snap::raw::Encoder::new().compress_vec(data).unwrap();
        let zstd = zstd::bulk::compress(data, 1).unwrap();
        let mut gzip = Vec::new();
        let mut reader = flate2::read::GzEncoder::new(data.as_slice(), flate2::Compression::fast());
        reader.read_to_end(&mut gzip).unwrap();
        for (codec, packed) in [(0, data.to_vec()), (1, snappy), (2, gzip), (6, zstd)] {
            let unpacked =
                |whole: usize, packed: &[u8]| unpack(&page(whole, packed.len()), codec, packed);
            assert_eq!(unpacked(data.len(), &packed).unwrap(), data, "{codec}");
            for whole in [data.len() - 1, data.len() + 1, 1 << 20] {
                assert!(unpacked(whole, &packed).is_err(), "{codec} {whole}");
            }
            assert!(unpacked(data.len(), &packed[..packed.len() - 1]).is_err(), "{codec}");
        }
        assert!(unpack(&page(5, 5), 4, b"12345").is_err());
    }
}
