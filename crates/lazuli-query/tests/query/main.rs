//! Whole queries: bytes in, frames out, read by another implementation of Avro.

mod dialect;
mod formats;
mod hostile;
mod random;

use apache_avro::types::Value;
use lazuli_base::Timestamp;
use lazuli_model::Refusal;
use lazuli_query::request::{Delimited, InputFormat, JsonText, OutputFormat, Request};
use lazuli_query::{Progress, Query};

/// An answer, taken out of its frames.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    data: String,
    /// Fatal, name, description and position of each error.
    errors: Vec<(bool, String, String, i64)>,
    /// What was told of the bytes scanned.
    progress: Vec<i64>,
    /// The fields of the first record.
    first: usize,
    end: Option<i64>,
}

impl Answer {
    fn names(&self) -> Vec<&str> {
        self.errors.iter().map(|(_, name, ..)| name.as_str()).collect()
    }
}

/// 2021-02-03T04:05:06Z, by the clock of all queries here.
const NOW: i64 = 1_612_325_106;

fn text(expression: &str) -> Request {
    Request {
        expression: expression.to_owned(),
        input: InputFormat::Delimited(Delimited::default()),
        output: OutputFormat::Delimited(Delimited::default()),
    }
}

fn headed(expression: &str) -> Request {
    let input = InputFormat::Delimited(Delimited { headers: true, ..Delimited::default() });
    Request { input, ..text(expression) }
}

fn json(expression: &str) -> Request {
    Request {
        expression: expression.to_owned(),
        input: InputFormat::Json(JsonText::default()),
        output: OutputFormat::Json(JsonText::default()),
    }
}

/// The frames of a query whose input comes in pieces of `size` bytes.
fn frames(request: &Request, input: &[u8], size: usize) -> Result<Vec<u8>, Refusal> {
    let now = Timestamp::from_unix_seconds(NOW);
    let mut query = Query::new(request, input.len() as u64, now, [7; 16])?;
    let mut pieces = input.chunks(size);
    let mut out = Vec::new();
    loop {
        match query.advance(&mut out)? {
            Progress::Starved => match pieces.next() {
                Some(piece) => query.push(piece),
                None => query.finish(),
            },
            Progress::Busy => {}
            Progress::Done => return Ok(out),
        }
    }
}

fn run_in(request: &Request, input: &[u8], size: usize) -> Result<Answer, Refusal> {
    let file = frames(request, input, size)?;
    let mut answer = Answer::default();
    let mut data = Vec::new();
    for record in apache_avro::Reader::new(file.as_slice()).expect("a container file") {
        let Ok(Value::Union(_, record)) = record else { panic!("{record:?}") };
        let Value::Record(fields) = *record else { panic!("{record:?}") };
        assert_eq!(answer.end, None, "nothing follows the end");
        if answer.first == 0 {
            answer.first = fields.len();
        }
        match fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>().as_slice() {
            [Value::Bytes(bytes)] => data.extend_from_slice(bytes),
            [Value::Boolean(fatal), Value::String(name), Value::String(why), Value::Long(at)] => {
                answer.errors.push((*fatal, name.clone(), why.clone(), *at));
            }
            [Value::Long(scanned), Value::Long(total)] => {
                assert_eq!(*total, input.len() as i64);
                answer.progress.push(*scanned);
            }
            [Value::Long(total)] => answer.end = Some(*total),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answer.end, Some(input.len() as i64));
    assert_ne!(answer.first, 4, "no answer begins with an error");
    assert!(answer.progress.is_sorted() && !answer.progress.is_empty());
    answer.data = String::from_utf8(data).expect("UTF-8");
    Ok(answer)
}

/// The answer of a query, which must not depend on the pieces that the input comes in.
fn run(request: &Request, input: &str) -> Answer {
    let whole = run_in(request, input.as_bytes(), usize::MAX).expect("an answer");
    let pieces = run_in(request, input.as_bytes(), 3).expect("an answer");
    assert_eq!((&whole.data, &whole.errors), (&pieces.data, &pieces.errors), "{request:?}");
    whole
}

/// The records of an answer that has no errors.
fn data(request: &Request, input: &str) -> String {
    let answer = run(request, input);
    assert_eq!(answer.errors, [], "{request:?}");
    answer.data
}

fn refusal(request: &Request, input: &str) -> Refusal {
    run_in(request, input.as_bytes(), usize::MAX).expect_err("a refusal")
}
