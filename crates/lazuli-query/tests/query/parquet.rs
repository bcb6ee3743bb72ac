//! Parquet: files of another implementation in all its encodings, and files that are damaged.

use std::sync::Arc;

use lazuli_model::{ErrorCode, Refusal};
use lazuli_query::Progress;
use lazuli_query::request::{Delimited, InputFormat, OutputFormat, Request};
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type,
};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Answer, NOW, json, refusal, run_in, text};

/// The columns of the files here; each may be null.
const SCHEMA: &str = "message rows {
    optional int32 small;
    optional int64 Large;
    optional double ratio;
    optional float part;
    optional boolean flag;
    optional binary name (UTF8);
    optional fixed_len_byte_array(3) code;
    optional int64 at (TIMESTAMP(MILLIS,true));
    optional int32 price (DECIMAL(9,2));
}";

/// The value of a column in a row, as the tests think of it.
fn value(row: usize, column: usize) -> Option<usize> {
    let mixed = (row * 31 + column * 17) % 101;
    // Every column has its own nulls.
    (!mixed.is_multiple_of(7 + column)).then_some(mixed)
}

fn name_of(value: usize) -> String {
    "prefix of a name ".repeat(value % 3) + &value.to_string()
}

/// The row as delimited text.
fn line(row: usize) -> String {
    let shown = |column: usize| {
        let Some(value) = value(row, column) else { return String::new() };
        match column {
            0 => (value as i64 - 50).to_string(),
            1 => (value as i64 * 10_000_000_000 - 7).to_string(),
            2 => (value as f64 / 8.0).to_string(),
            3 => (value as f64 / 4.0).to_string(),
            4 => (value % 2 == 0).to_string(),
            5 => name_of(value),
            6 => format!("c{value:02}").chars().take(3).collect(),
            7 => format!("1970-01-01T00:00:{:02}.5Z", value % 60),
            _ => (value as f64 / 100.0).to_string(),
        }
    };
    (0..9).map(shown).collect::<Vec<_>>().join(",") + "\n"
}

fn add<T: DataType>(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[Option<T::T>]) {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let there: Vec<T::T> = values.iter().flatten().cloned().collect();
    let mut column = group.next_column().expect("a column").expect("a further column");
    column.typed::<T>().write_batch(&there, Some(&levels), None).expect("values");
    column.close().expect("a column's end");
}

/// A file of so many rows in groups of so many.
fn file(rows: usize, group_rows: usize, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).expect("a schema"));
    let properties = properties
        .set_data_page_row_count_limit(40)
        .set_write_batch_size(20)
        .set_offset_index_disabled(true);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))
        .expect("a writer");
    let all: Vec<usize> = (0..rows).collect();
    for group in all.chunks(group_rows) {
        let mut out = writer.next_row_group().expect("a group");
        let column = |number: usize| {
            group.iter().map(move |row| value(*row, number)).collect::<Vec<Option<usize>>>()
        };
        let map = |number: usize| column(number).into_iter();
        let small: Vec<_> = map(0).map(|v| v.map(|v| v as i32 - 50)).collect();
        add::<Int32Type>(&mut out, &small);
        let large: Vec<_> = map(1).map(|v| v.map(|v| v as i64 * 10_000_000_000 - 7)).collect();
        add::<Int64Type>(&mut out, &large);
        let ratio: Vec<_> = map(2).map(|v| v.map(|v| v as f64 / 8.0)).collect();
        add::<DoubleType>(&mut out, &ratio);
        let part: Vec<_> = map(3).map(|v| v.map(|v| v as f32 / 4.0)).collect();
        add::<FloatType>(&mut out, &part);
        let flag: Vec<_> = map(4).map(|v| v.map(|v| v % 2 == 0)).collect();
        add::<BoolType>(&mut out, &flag);
        let name: Vec<_> = map(5).map(|v| v.map(|v| name_of(v).into_bytes().into())).collect();
        add::<ByteArrayType>(&mut out, &name);
        let code = |v: usize| format!("c{v:02}").into_bytes()[..3].to_vec().into();
        let code: Vec<_> = map(6).map(|v| v.map(code)).collect();
        add::<FixedLenByteArrayType>(&mut out, &code);
        let at: Vec<_> = map(7).map(|v| v.map(|v| (v % 60) as i64 * 1_000 + 500)).collect();
        add::<Int64Type>(&mut out, &at);
        let price: Vec<_> = map(8).map(|v| v.map(|v| v as i32)).collect();
        add::<Int32Type>(&mut out, &price);
        out.close().expect("a group's end");
    }
    writer.into_inner().expect("a file")
}

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_dictionary_enabled(false)
}

fn asked(expression: &str) -> Request {
    Request { input: InputFormat::Parquet, ..text(expression) }
}

fn run(expression: &str, file: &[u8]) -> Answer {
    let answer = run_in(&asked(expression), file, usize::MAX).expect("an answer");
    assert_eq!(answer.errors, [], "{expression}");
    answer
}

#[test]
fn rows_come_back_from_every_encoding_and_compression() {
    let lines: String = (0..500).map(line).collect();
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    let column = |builder: WriterPropertiesBuilder, column: &str, encoding: Encoding| {
        builder.set_column_encoding(column.into(), encoding)
    };
    let mut encodings = vec![("plain", plain()), ("dictionary", WriterProperties::builder())];
    let numbers = ["small", "Large", "at", "price"];
    let delta = numbers
        .into_iter()
        .fold(plain(), |builder, name| column(builder, name, Encoding::DELTA_BINARY_PACKED));
    let delta = column(delta, "name", Encoding::DELTA_BYTE_ARRAY);
    let delta = column(delta, "code", Encoding::DELTA_BYTE_ARRAY);
    encodings.push(("delta", column(delta, "flag", Encoding::RLE)));
    let split = ["small", "Large", "ratio", "part", "code"]
        .into_iter()
        .fold(plain(), |builder, name| column(builder, name, Encoding::BYTE_STREAM_SPLIT));
    encodings.push(("split", column(split, "name", Encoding::DELTA_LENGTH_BYTE_ARRAY)));
    for (name, builder) in encodings {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for compression in compressions {
                let builder = builder.clone().set_compression(compression);
                let file = file(500, 300, builder.set_writer_version(version));
                let answer = run("SELECT * FROM BlobStorage", &file);
                assert_eq!(answer.data, lines, "{name} {version:?} {compression:?}");
            }
        }
    }
}

#[test]
fn columns_are_named_and_numbered_and_have_their_kinds() {
    let file = file(200, 64, WriterProperties::builder());
    let in_pieces = run_in(&asked("SELECT name FROM BlobStorage"), &file, 7).expect("an answer");
    let names: String =
        (0..200).map(|row| value(row, 5).map_or(String::new(), name_of) + "\n").collect();
    assert_eq!(in_pieces.data, names);
    let count = |condition: &str| {
        let expression = format!("SELECT COUNT(*) FROM BlobStorage WHERE {condition}");
        run(&expression, &file).data.trim().parse::<usize>().expect("a number")
    };
    let wanted = |column: usize, holds: &dyn Fn(usize) -> bool| {
        (0..200).filter(|row| value(*row, column).is_some_and(holds)).count()
    };
    assert_eq!(count("small > 0"), wanted(0, &|value| value > 50));
    assert_eq!(count("_1 > 0 AND LARGE IS NOT NULL"), {
        let both = |row: &usize| value(*row, 0).is_some_and(|v| v > 50) && value(*row, 1).is_some();
        (0..200).filter(both).count()
    });
    assert_eq!(count("flag"), wanted(4, &|value| value % 2 == 0));
    assert_eq!(count("at < '1970-01-01T00:00:30Z'"), wanted(7, &|value| value % 60 < 30));
    assert_eq!(count("price = 0.25"), wanted(8, &|value| value == 25));
    assert_eq!(count("name IS NULL"), 200 - wanted(5, &|_| true));
    let sum = run("SELECT SUM(small), MAX(name), COUNT(*) FROM BlobStorage", &file).data;
    let total: i64 = (0..200).filter_map(|row| value(row, 0)).map(|value| value as i64 - 50).sum();
    assert!(sum.starts_with(&format!("{total},prefix of a name ")), "{sum}");
    assert!(sum.ends_with(",200\n"), "{sum}");
    let as_json = Request {
        output: json("").output,
        ..asked("SELECT small, flag, price AS p FROM BlobStorage LIMIT 1")
    };
    let answer = run_in(&as_json, &file, usize::MAX).expect("an answer");
    assert_eq!(answer.data, "{\"small\":null,\"flag\":true,\"p\":0.35}\n");
    let output = OutputFormat::Delimited(Delimited { headers: true, ..Delimited::default() });
    let headed = Request { output, ..asked("SELECT * FROM BlobStorage LIMIT 1") };
    let answer = run_in(&headed, &file, usize::MAX).expect("an answer");
    assert_eq!(answer.data.lines().next(), Some("small,Large,ratio,part,flag,name,code,at,price"));
}

#[test]
fn what_a_file_does_not_have_is_refused() {
    let data = file(10, 10, plain());
    for expression in [
        "SELECT other FROM BlobStorage",
        "SELECT \"large\" FROM BlobStorage",
        "SELECT _10 FROM BlobStorage",
        "SELECT name.first FROM BlobStorage",
        "SELECT * FROM BlobStorage[*].rows",
        "SELECT sys.split(10485760) FROM BlobStorage",
    ] {
        let refused = run_in(&asked(expression), &data, usize::MAX).map(|answer| answer.data);
        let code = refused.map_err(|refusal: Refusal| refusal.code());
        assert_eq!(code, Err(ErrorCode::ErrorProcessingQueryExpression), "{expression}");
    }
    assert_eq!(refusal(&asked("nonsense"), "").code(), ErrorCode::ErrorProcessingQueryExpression);
}

#[test]
fn nested_columns_are_read_by_their_path_unless_they_repeat() {
    let schema = "message rows { required group a { optional int32 b; } repeated int32 many; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema, Arc::default()).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    add::<Int32Type>(&mut group, &[Some(7), None]);
    let mut many = group.next_column().expect("a column").expect("a further column");
    let values = many.typed::<Int32Type>();
    values.write_batch(&[1, 2, 3], Some(&[1, 1, 1]), Some(&[0, 1, 0])).expect("values");
    many.close().expect("a column's end");
    group.close().expect("a group's end");
    let file = writer.into_inner().expect("a file");
    assert_eq!(run("SELECT a.b FROM BlobStorage", &file).data, "7\n\n");
    for expression in ["SELECT * FROM BlobStorage", "SELECT many FROM BlobStorage"] {
        let refused = run_in(&asked(expression), &file, usize::MAX).map(|answer| answer.data);
        let code = refused.map_err(|refusal: Refusal| refusal.code());
        assert_eq!(code, Err(ErrorCode::ErrorProcessingQueryExpression), "{expression}");
    }
}

#[test]
fn only_what_is_asked_for_is_read() {
    let file = file(60_000, 60_000, plain().set_compression(Compression::UNCOMPRESSED));
    let read = |expression: &str| {
        let now = lazuli_base::Timestamp::from_unix_seconds(NOW);
        let request = asked(expression);
        let total = file.len() as u64;
        let mut query = lazuli_query::Query::new(&request, total, now, [0; 16]).expect("a query");
        let (mut bytes_read, mut largest) = (0, 0);
        loop {
            match query.advance(&mut Vec::new()).expect("an answer") {
                Progress::Wanted { first, bytes } => {
                    query.push(&file[first as usize..][..bytes as usize]);
                    bytes_read += bytes;
                    largest = largest.max(bytes);
                }
                Progress::Starved => panic!("nothing is read in order"),
                Progress::Busy => {}
                Progress::Done => break,
            }
        }
        assert!(largest <= 512 * 1024, "{largest}");
        bytes_read
    };
    assert!(file.len() > 2_500_000, "{}", file.len());
    assert!(read("SELECT COUNT(*) FROM BlobStorage") < 70_000);
    assert!(read("SELECT SUM(small) FROM BlobStorage") < 500_000);
    assert!(read("SELECT name FROM BlobStorage LIMIT 3") < 400_000);
    assert!(read("SELECT * FROM BlobStorage") > 2_500_000);
}

/// A file of `columns` columns `c0`, `c1` and so on, each of one page of `values` texts of 900 KiB,
/// which take next to nothing compressed.
fn bomb(columns: usize, values: usize) -> Vec<u8> {
    let names = (0..columns).map(|number| format!("optional binary c{number} (UTF8);"));
    let schema = format!("message rows {{ {} }}", names.collect::<Vec<_>>().join(" "));
    let schema = Arc::new(parse_message_type(&schema).expect("a schema"));
    let properties = plain()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_data_page_size_limit(1 << 30)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    for _ in 0..columns {
        add::<ByteArrayType>(&mut group, &vec![Some(vec![b'x'; 900 << 10].into()); values]);
    }
    group.close().expect("a group's end");
    writer.into_inner().expect("a file")
}

#[test]
fn pages_that_unpack_to_too_much_are_refused() {
    let asked_of = |expression: &str, file: &[u8]| {
        let answer = run_in(&asked(expression), file, usize::MAX).expect("an answer");
        (answer.data, answer.errors.into_iter().map(|(_, _, why, _)| why).collect::<Vec<_>>())
    };
    let why = |text: &str| vec![format!("The blob cannot be read as Parquet: {text}.")];
    let file = bomb(6, 15);
    assert!(file.len() < 100_000, "{}", file.len());
    let length = "SELECT CHAR_LENGTH(c1) FROM BlobStorage";
    assert_eq!(asked_of(length, &file), ("921600\n".repeat(15), Vec::new()));
    let two = asked_of("SELECT CHAR_LENGTH(c1), CHAR_LENGTH(c2) FROM BlobStorage", &file);
    assert_eq!(two, (String::new(), why("a record is longer than 1 MiB")));
    let all = asked_of("SELECT * FROM BlobStorage", &file);
    assert_eq!(all, (String::new(), why("its pages are too large to be read together")));
    let large = asked_of("SELECT CHAR_LENGTH(c0) FROM BlobStorage", &bomb(1, 20));
    assert_eq!(large, (String::new(), why("a page is larger than 16 MiB")));
}

/// What a damaged file gives: whether there was an answer, and whether it ended with an error.
fn outcome(file: &[u8]) -> (bool, bool) {
    // JSON is UTF-8 even where the texts of the file are not.
    let request = Request { output: json("").output, ..asked("SELECT * FROM BlobStorage") };
    match run_in(&request, file, usize::MAX) {
        Ok(answer) => (true, answer.errors.iter().any(|(fatal, ..)| *fatal)),
        Err(_) => (false, false),
    }
}

#[test]
fn files_that_are_cut_short_are_errors() {
    let file = file(30, 20, WriterProperties::builder().set_compression(Compression::SNAPPY));
    for end in 0..file.len() {
        assert_eq!(outcome(&file[..end]), (true, true), "{end}");
    }
    assert_eq!(outcome(&file), (true, false));
}

#[test]
fn bytes_that_are_changed_give_rows_or_an_error() {
    let delta = ["small", "Large", "at", "price"].into_iter().fold(plain(), |builder, name| {
        builder.set_column_encoding(name.into(), Encoding::DELTA_BINARY_PACKED)
    });
    let delta = delta
        .set_column_encoding("name".into(), Encoding::DELTA_BYTE_ARRAY)
        .set_column_encoding("code".into(), Encoding::BYTE_STREAM_SPLIT);
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let version = WriterVersion::PARQUET_2_0;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for builder in [
        WriterProperties::builder(),
        delta.clone().set_writer_version(version),
        delta.set_compression(zstd),
        plain().set_compression(Compression::SNAPPY).set_writer_version(version),
        plain().set_compression(Compression::GZIP(GzipLevel::default())),
    ] {
        let whole = file(60, 40, builder);
        let (mut rows, mut errors) = (0, 0);
        for _ in 0..500 {
            let mut damaged = whole.clone();
            let at = next() % damaged.len();
            damaged[at] ^= (next() % 255 + 1) as u8;
            match outcome(&damaged) {
                (true, false) => rows += 1,
                _ => errors += 1,
            }
        }
        assert!(rows > 20 && errors > 20, "{rows} {errors}");
    }
}

#[test]
fn what_is_no_parquet_is_an_error() {
    let encrypted = [b"PAR1".as_slice(), &[0; 20], &[4, 0, 0, 0], b"PARE"].concat();
    let long = [b"PAR1".as_slice(), &[0; 20], &[0xff; 4], b"PAR1"].concat();
    let empty = [b"PAR1".as_slice(), &[0; 20], &[1, 0, 0, 0], b"PAR1"].concat();
    for (file, why) in [
        (Vec::new(), "it is too short"),
        (b"PAR1".to_vec(), "it is too short"),
        (b"1,2,3\n4,5,6\n7,8,9\n".to_vec(), "it does not end as such a file does"),
        (encrypted, "it is encrypted"),
        (long, "the footer is longer than the blob"),
        (empty, "the footer has no columns"),
    ] {
        let answer = run_in(&asked("SELECT * FROM BlobStorage"), &file, usize::MAX);
        let answer = answer.expect("an answer");
        let [(fatal, name, told, _)] = answer.errors.as_slice() else { panic!("{answer:?}") };
        assert_eq!((*fatal, name.as_str()), (true, "ParseError"));
        assert_eq!(*told, format!("The blob cannot be read as Parquet: {why}."));
    }
}
