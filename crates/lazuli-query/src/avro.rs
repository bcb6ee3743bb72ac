//! The frame of an answer: an Avro object container file of four kinds of records.
//!
//! <https://avro.apache.org/docs/1.11.1/specification/#object-container-files>. Each record is a
//! block of its own, so that a client sees it as soon as it is sent.

/// The union of the records. Clients tell them apart by their full names, and the order of the
/// branches is the number each record begins with.
const SCHEMA: &str = concat!(
    r#"[{"type":"record","name":"com.microsoft.azure.storage.queryBlobContents.resultData","#,
    r#""fields":[{"name":"data","type":"bytes"}]},"#,
    r#"{"type":"record","name":"com.microsoft.azure.storage.queryBlobContents.error","#,
    r#""fields":[{"name":"fatal","type":"boolean"},{"name":"name","type":"string"},"#,
    r#"{"name":"description","type":"string"},{"name":"position","type":"long"}]},"#,
    r#"{"type":"record","name":"com.microsoft.azure.storage.queryBlobContents.progress","#,
    r#""fields":[{"name":"bytesScanned","type":"long"},{"name":"totalBytes","type":"long"}]},"#,
    r#"{"type":"record","name":"com.microsoft.azure.storage.queryBlobContents.end","#,
    r#""fields":[{"name":"totalBytes","type":"long"}]}]"#,
);

/// Writes records to the end of a buffer that its caller owns.
pub(crate) struct Frames {
    sync: [u8; 16],
    record: Vec<u8>,
}

impl Frames {
    /// A writer whose blocks end with `sync`, which should be random.
    pub(crate) fn new(sync: [u8; 16]) -> Self {
        Self { sync, record: Vec::new() }
    }

    /// What stands before the first record.
    pub(crate) fn header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Obj\x01");
        long(2, out);
        for (name, value) in [("avro.codec", "null"), ("avro.schema", SCHEMA)] {
            bytes(name.as_bytes(), out);
            bytes(value.as_bytes(), out);
        }
        long(0, out);
        out.extend_from_slice(&self.sync);
    }

    /// A piece of the answer.
    pub(crate) fn data(&self, data: &[u8], out: &mut Vec<u8>) {
        // Written without the detour that the short records take: it is most of an answer.
        let mut length = Vec::with_capacity(10);
        long(data.len() as i64, &mut length);
        long(1, out);
        long((1 + length.len() + data.len()) as i64, out);
        long(0, out);
        out.extend_from_slice(&length);
        out.extend_from_slice(data);
        out.extend_from_slice(&self.sync);
    }

    /// An error at the record that begins at byte `position`.
    pub(crate) fn error(
        &mut self,
        fatal: bool,
        (name, description): (&str, &str),
        position: u64,
        out: &mut Vec<u8>,
    ) {
        self.record.clear();
        long(1, &mut self.record);
        self.record.push(u8::from(fatal));
        bytes(name.as_bytes(), &mut self.record);
        bytes(description.as_bytes(), &mut self.record);
        long(position as i64, &mut self.record);
        self.block(out);
    }

    /// How much has been read.
    pub(crate) fn progress(&mut self, scanned: u64, total: u64, out: &mut Vec<u8>) {
        self.record.clear();
        long(2, &mut self.record);
        long(scanned as i64, &mut self.record);
        long(total as i64, &mut self.record);
        self.block(out);
    }

    /// The end of the answer.
    pub(crate) fn end(&mut self, total: u64, out: &mut Vec<u8>) {
        self.record.clear();
        long(3, &mut self.record);
        long(total as i64, &mut self.record);
        self.block(out);
    }

    fn block(&self, out: &mut Vec<u8>) {
        long(1, out);
        long(self.record.len() as i64, out);
        out.extend_from_slice(&self.record);
        out.extend_from_slice(&self.sync);
    }
}

/// A number, zig-zag and in groups of seven bits.
fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use apache_avro::types::Value;

    /// The fields of each record, and the number of its branch, as another reader sees them.
    fn records(file: &[u8]) -> Vec<(u32, Vec<(String, Value)>)> {
        let reader = apache_avro::Reader::new(file).expect("a container file");
        reader
            .map(|record| match record.expect("a record") {
                Value::Union(branch, value) => match *value {
                    Value::Record(fields) => (branch, fields),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn another_reader_finds_what_was_written() {
        let mut frames = Frames::new(*b"0123456789abcdef");
        let mut out = Vec::new();
        frames.header(&mut out);
        let large = vec![7; 100_000];
        frames.data(&large, &mut out);
        frames.data(b"", &mut out);
        frames.error(true, ("ParseError", "wörds"), 1 << 40, &mut out);
        frames.progress(63, 64, &mut out);
        frames.end(u64::from(u32::MAX), &mut out);
        let field = |name: &str, value: Value| (name.to_owned(), value);
        assert_eq!(
            records(&out),
            [
                (0, vec![field("data", Value::Bytes(large))]),
                (0, vec![field("data", Value::Bytes(Vec::new()))]),
                (
                    1,
                    vec![
                        field("fatal", Value::Boolean(true)),
                        field("name", Value::String("ParseError".into())),
                        field("description", Value::String("wörds".into())),
                        field("position", Value::Long(1 << 40)),
                    ]
                ),
                (
                    2,
                    vec![
                        field("bytesScanned", Value::Long(63)),
                        field("totalBytes", Value::Long(64)),
                    ]
                ),
                (3, vec![field("totalBytes", Value::Long(i64::from(u32::MAX)))]),
            ]
        );
    }
}
