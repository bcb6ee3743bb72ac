//! The stream against what is known of its form: read back by a small reader of its own.

use super::*;

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().unwrap()
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(number(bytes, at)) as usize
}

/// The place of a table's field; `None` if it has its default.
fn field_at(bytes: &[u8], table: usize, slot: usize) -> Option<usize> {
    let distance = i32::from_le_bytes(number(bytes, table));
    let offsets = (table as i64 - i64::from(distance)) as usize;
    let len = usize::from(u16::from_le_bytes(number(bytes, offsets)));
    let at = offsets + 4 + 2 * slot;
    let offset = usize::from(u16::from_le_bytes(number(bytes, at)));
    (at < offsets + len && offset != 0).then_some(table + offset)
}

fn follow(bytes: &[u8], at: usize) -> usize {
    at + u32_at(bytes, at)
}

fn text_at(bytes: &[u8], at: usize) -> &str {
    let len = u32_at(bytes, at);
    assert_eq!(bytes[at + 4 + len], 0);
    std::str::from_utf8(&bytes[at + 4..at + 4 + len]).unwrap()
}

/// The heads of the messages and their bodies.
fn messages(stream: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut rest = stream;
    let mut messages = Vec::new();
    loop {
        assert_eq!(rest[..4], CONTINUATION);
        let len = u32_at(rest, 4);
        if len == 0 {
            assert_eq!(rest.len(), 8, "nothing follows the end");
            return messages;
        }
        assert_eq!(len % 8, 0);
        let head = &rest[8..8 + len];
        let root = follow(head, 0);
        let body = field_at(head, root, 3).map_or(0, |at| i64::from_le_bytes(number(head, at)));
        let end = 8 + len + body as usize;
        messages.push((head, &rest[8 + len..end]));
        rest = &rest[end..];
    }
}

fn sample() -> Vec<u8> {
    let mut table = Table::new([
        ("Name", Kind::Text),
        ("Size", Kind::Number),
        ("When", Kind::Moment),
        ("Yes", Kind::Flag),
        ("Tags", Kind::Map),
    ]);
    table.text(Some("one"));
    table.number(Some(7));
    table.moment(Some(-1));
    table.flag(Some(true));
    table.map(Some(&vec![("k", "v"), ("l", "")]));
    table.end_row();
    table.text(Some("zwölf"));
    table.end_row();
    assert_eq!(table.rows(), 2);
    table.finish(&[("NextMarker", "m")])
}

#[test]
fn a_schema_names_its_fields_and_metadata() {
    let stream = sample();
    let (head, body) = messages(&stream)[0];
    assert!(body.is_empty());
    let root = follow(head, 0);
    assert_eq!(head[field_at(head, root, 1).unwrap()], SCHEMA);
    let schema = follow(head, field_at(head, root, 2).unwrap());
    let fields = follow(head, field_at(head, schema, 1).unwrap());
    let mut found = Vec::new();
    for index in 0..u32_at(head, fields) {
        let field = follow(head, fields + 4 + 4 * index);
        let name = text_at(head, follow(head, field_at(head, field, 0).unwrap()));
        let children = follow(head, field_at(head, field, 5).unwrap());
        found.push((name, head[field_at(head, field, 2).unwrap()], u32_at(head, children)));
    }
    let expected =
        [("Name", 5, 0), ("Size", 2, 0), ("When", 10, 0), ("Yes", 6, 0), ("Tags", 17, 1)];
    assert_eq!(found, expected);
    let pairs = follow(head, field_at(head, schema, 2).unwrap());
    assert_eq!(u32_at(head, pairs), 1);
    let pair = follow(head, pairs + 4);
    let told: Vec<_> = [0, 1]
        .map(|slot| text_at(head, follow(head, field_at(head, pair, slot).unwrap())))
        .to_vec();
    assert_eq!(told, ["NextMarker", "m"]);
}

#[test]
fn a_batch_holds_the_rows() {
    let stream = sample();
    let (head, body) = messages(&stream)[1];
    let root = follow(head, 0);
    assert_eq!(head[field_at(head, root, 1).unwrap()], RECORD_BATCH);
    let batch = follow(head, field_at(head, root, 2).unwrap());
    assert_eq!(u64::from_le_bytes(number(head, field_at(head, batch, 0).unwrap())), 2);
    let pairs = |slot: usize| -> Vec<(u64, u64)> {
        let at = follow(head, field_at(head, batch, slot).unwrap());
        assert_eq!((at + 4) % 8, 0, "structures are aligned");
        (0..u32_at(head, at))
            .map(|index| at + 4 + 16 * index)
            .map(|at| {
                (u64::from_le_bytes(number(head, at)), u64::from_le_bytes(number(head, at + 8)))
            })
            .collect()
    };
    assert_eq!(pairs(1), [(2, 0), (2, 1), (2, 1), (2, 1), (2, 1), (2, 0), (2, 0), (2, 0)], "nodes");
    let buffers: Vec<&[u8]> = pairs(2)
        .into_iter()
        .map(|(offset, len)| {
            assert_eq!(offset % 8, 0);
            &body[offset as usize..(offset + len) as usize]
        })
        .collect();
    let ends = |numbers: [i32; 3]| numbers.map(i32::to_le_bytes).concat();
    assert_eq!(buffers[0], [0b11]);
    assert_eq!(buffers[1], ends([0, 3, 9]));
    assert_eq!(buffers[2], "onezwölf".as_bytes());
    assert_eq!(buffers[3], [0b01]);
    assert_eq!(buffers[4], [7_u64, 0].map(u64::to_le_bytes).concat());
    assert_eq!(buffers[6], [-1_i64, 0].map(i64::to_le_bytes).concat());
    assert_eq!((buffers[7], buffers[8]), (&[0b01][..], &[0b01][..]));
    assert_eq!(buffers[10], ends([0, 2, 2]));
    assert_eq!((buffers[13], buffers[14]), (&*ends([0, 1, 2]), &b"kl"[..]));
    assert_eq!((buffers[16], buffers[17]), (&*ends([0, 1, 1]), &b"v"[..]));
    assert_eq!(buffers.len(), 18);
}

#[test]
fn no_rows_are_a_stream_too() {
    let stream = Table::new([("Name", Kind::Text)]).finish(&[]);
    assert_eq!(messages(&stream).len(), 2);
}
