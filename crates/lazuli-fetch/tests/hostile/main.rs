//! Sources that are slow, endless, lying, redirecting, changing: each ends in an error that says
//! which, in bounded time and memory.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built is a failed test")]

mod source;
mod tls;

use std::time::Duration;

use lazuli_fetch::{Ask, Bounds, Content, FetchError, Fetcher, Guard, Roots};

use crate::source::{Source, TestNames, Then, fetcher};

/// Bounds that a test can wait for.
fn short() -> Bounds {
    let brief = Duration::from_millis(100);
    Bounds { connect: brief, head: brief, stall: brief, ..Bounds::default() }
}

async fn read(content: &mut Content) -> Result<Vec<u8>, FetchError> {
    let mut whole = Vec::new();
    while let Some(bytes) = content.next().await? {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

async fn fetch(fetcher: &Fetcher, ask: Ask) -> Result<Vec<u8>, FetchError> {
    read(&mut fetcher.open(ask).await?).await
}

fn ranged(source: &Source, first: u64, last: Option<u64>) -> Ask {
    Ask { range: Some((first, last)), ..Ask::all(source.target()) }
}

/// The number after a word in a request.
fn number_after(request: &str, word: &str) -> Option<usize> {
    let rest = &request[request.find(word)? + word.len()..];
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// A source of `content` that gives ranges of it and sends at most `most` bytes in an answer.
fn honest(content: &'static str, most: usize) -> Source {
    Source::new(move |request, _| {
        let first = number_after(request, "Range: bytes=").unwrap_or(0);
        let last = number_after(request, &format!("bytes={first}-")).unwrap_or(content.len() - 1);
        let part = &content[first..=last.min(content.len() - 1)];
        let status = if request.contains("Range:") { "206 Partial Content" } else { "200 OK" };
        let head = format!(
            "HTTP/1.1 {status}\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\n\
             Content-Range: bytes {first}-{}/{}\r\n\r\n",
            part.len(),
            first + part.len() - 1,
            content.len()
        );
        let sent = &part[..part.len().min(most)];
        let then = if sent.len() < part.len() { Then::Close } else { Then::Stay };
        (format!("{head}{sent}"), then)
    })
}

#[tokio::test]
async fn content_and_ranges_come_over_one_connection() {
    let source = honest("0123456789", usize::MAX);
    let fetcher = fetcher(Bounds::default());
    assert_eq!(fetch(&fetcher, Ask::all(source.target())).await.unwrap(), b"0123456789");
    let mut content = fetcher.open(ranged(&source, 2, Some(4))).await.unwrap();
    assert_eq!((content.remaining(), content.total(), content.etag()), (3, 10, Some("\"1\"")));
    assert_eq!(read(&mut content).await.unwrap(), b"234");
    assert_eq!(fetch(&fetcher, ranged(&source, 7, None)).await.unwrap(), b"789");
    assert_eq!(fetch(&fetcher, ranged(&source, 7, Some(99))).await.unwrap(), b"789");
    assert_eq!(source.connections(), 1);
}

#[tokio::test]
async fn what_breaks_is_gone_on_with() {
    let source = honest("0123456789", 3);
    let mut ask = Ask::all(source.target());
    ask.headers = vec![("Authorization", "Bearer t".to_owned())];
    ask.conditions = vec![("If-None-Match", "\"2\"".to_owned())];
    let found = fetch(&fetcher(Bounds::default()), ask).await.unwrap();
    assert_eq!(found, b"0123456789");
    let requests = source.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests[0].contains("If-None-Match: \"2\"\r\n"));
    for (request, range) in requests[1..].iter().zip(["3-9", "6-9", "9-9"]) {
        assert!(request.contains(&format!("Range: bytes={range}\r\n")), "{request}");
        assert!(request.contains("If-Match: \"1\"\r\n"), "{request}");
        assert!(request.contains("Authorization: Bearer t\r\n"), "{request}");
        assert!(!request.contains("If-None-Match"), "{request}");
    }
    // One that gives nothing is not gone on with for ever, and one without a tag not at all.
    let source = Source::new(|_, _| {
        let head =
            "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\nContent-Length: 9\r\n";
        (format!("{head}\r\n"), Then::Close)
    });
    let error = fetch(&fetcher(Bounds::default()), Ask::all(source.target())).await.unwrap_err();
    assert!(matches!(error, FetchError::NoRanges), "{error}");
    for tag in ["W/\"1\"", ""] {
        let head = format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: 9\r\n\r\n0123");
        let source = Source::always(&head, Then::Close);
        let error = fetch(&fetcher(short()), Ask::all(source.target())).await.unwrap_err();
        assert!(matches!(error, FetchError::Interrupted(_)), "{error}");
        assert_eq!(source.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_source_that_changes_is_noticed() {
    let begun = "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nContent-Length: 4\r\n\
                 Content-Range: bytes 0-3/4\r\n\r\n01";
    let rest = "Content-Length: 2\r\nContent-Range: bytes 2-3";
    for later in [
        "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n".to_owned(),
        format!("HTTP/1.1 206 Partial Content\r\nETag: \"2\"\r\n{rest}/4\r\n\r\n23"),
        format!("HTTP/1.1 206 Partial Content\r\n{rest}/4\r\n\r\n23"),
        format!("HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\n{rest}/5\r\n\r\n23"),
    ] {
        let told = later.clone();
        let source = Source::new(move |_, number| match number {
            0 => (begun.to_owned(), Then::Close),
            _ => (later.clone(), Then::Stay),
        });
        let error = fetch(&fetcher(short()), ranged(&source, 0, None)).await.unwrap_err();
        assert!(matches!(error, FetchError::Changed), "{error} after {told}");
    }
}

#[tokio::test]
async fn answers_that_contradict_themselves() {
    let partial = "HTTP/1.1 206 Partial Content\r\n";
    for (first, last, answer) in [
        (2, Some(3), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123".to_owned()),
        (2, Some(3), format!("{partial}Content-Length: 2\r\n\r\n23")),
        (2, Some(3), format!("{partial}Content-Length: 2\r\nContent-Range: bytes 0-1/4\r\n\r\n01")),
        (2, Some(3), format!("{partial}Content-Length: 4\r\nContent-Range: bytes 2-3/4\r\n\r\n01")),
        (2, None, format!("{partial}Content-Length: 1\r\nContent-Range: bytes 2-2/4\r\n\r\n2")),
        (2, Some(3), format!("{partial}Content-Length: x\r\nContent-Range: bytes 2-3/4\r\n\r\n23")),
        (
            0,
            None,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n0\r\n\r\n"
                .to_owned(),
        ),
        (0, None, "HTTP/1.1 200 OK\r\n\r\n0123".to_owned()),
        (0, None, "220 smtp.example.com ESMTP\r\n".to_owned()),
        (0, None, format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1000))),
        (0, None, "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)),
    ] {
        let source = Source::always(&answer, Then::Close);
        let error = fetch(&fetcher(short()), ranged(&source, first, last)).await.unwrap_err();
        let is_malformed = matches!(error, FetchError::Malformed(_) | FetchError::NoRanges);
        assert!(is_malformed, "{error} after {answer:.200}");
        assert_eq!(source.requests().len(), 1, "{answer:.200}");
    }
}

#[tokio::test]
async fn more_than_the_length_is_not_taken() {
    let source =
        Source::always("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123", Then::Forever(b'4'));
    let fetcher = fetcher(short());
    for connections in 1..=2 {
        assert_eq!(fetch(&fetcher, Ask::all(source.target())).await.unwrap(), b"0123");
        // Bytes that are left over are not taken for the next answer.
        assert!(source.connections() <= connections);
    }
    let endless = Source::always("HTTP/1.1 200 OK\r\na: ", Then::Forever(b'b'));
    let error = fetch(&fetcher, Ask::all(endless.target())).await.unwrap_err();
    assert!(matches!(error, FetchError::Malformed(_) | FetchError::TimedOut(_)), "{error}");
}

#[tokio::test]
async fn slow_sources_are_given_up() {
    for (answer, then) in [
        ("", Then::Hang),
        ("HTTP/1.1 200 OK\r\nContent-Le", Then::Hang),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n01", Then::Hang),
        (
            "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\nContent-Length: 4\r\n\r\n",
            Then::Hang,
        ),
    ] {
        let source = Source::always(answer, then);
        let error = fetch(&fetcher(short()), Ask::all(source.target())).await.unwrap_err();
        let resumed = answer.contains("ETag");
        assert!(matches!(error, FetchError::TimedOut(_)) || resumed, "{error} after {answer}");
        assert!(source.requests().len() <= 5, "{answer}");
    }
    // A pace that nobody keeps: the first bytes are too few.
    let bounds =
        Bounds { bytes_per_second_min: u64::MAX, pace_window: Duration::ZERO, ..Bounds::default() };
    let source = honest("0123456789", 5);
    let error = fetch(&fetcher(bounds), Ask::all(source.target())).await.unwrap_err();
    assert!(matches!(error, FetchError::TimedOut(_)), "{error}");
    assert_eq!(source.requests().len(), 1);
}

#[tokio::test]
async fn what_is_not_content_is_told_with_its_headers() {
    let inner = Source::always("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret", Then::Stay);
    let location = format!("http://127.0.0.1:{}/", inner.address.port());
    for (status, requests) in [(301, 1), (302, 1), (304, 1), (403, 1), (404, 1), (412, 1), (503, 3)]
    {
        let answer = format!(
            "HTTP/1.1 {status} X\r\nLocation: {location}\r\nx-ms-error-code: BlobNotFound\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let source = Source::always(&answer, Then::Close);
        let error = fetch(&fetcher(short()), Ask::all(source.target())).await.unwrap_err();
        let FetchError::Answered(answered) = error else { panic!("{error}") };
        assert_eq!(answered.status, status);
        assert_eq!(answered.headers.get("x-ms-error-code"), Some("BlobNotFound"));
        assert_eq!(source.requests().len(), requests, "{status}");
    }
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn a_listed_name_does_not_lead_inside() {
    let inside = Source::always("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret", Then::Stay);
    let all = || vec!["*".parse().unwrap()];
    let names = || Box::new(TestNames(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]));
    let guarded = Fetcher::with(Guard::new(all(), vec![]), Roots::default(), (short(), names()));
    let port = inside.address.port();
    for host in ["source.test", "127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "localhost"]
    {
        let target = lazuli_fetch::Target::new(false, host, port, ("/", ""));
        let error = fetch(&guarded, Ask::all(target)).await.unwrap_err();
        assert!(matches!(error, FetchError::NotAllowed), "{host}: {error}");
    }
    // Nor may a host be read from that is not listed, whatever its address.
    let target = lazuli_fetch::Target::new(false, "other.test", port, ("/", ""));
    let error = fetch(&fetcher(short()), Ask::all(target)).await.unwrap_err();
    assert!(matches!(error, FetchError::NotAllowed), "{error}");
    assert_eq!(inside.connections(), 0);
    assert_eq!(fetch(&fetcher(short()), Ask::all(inside.target())).await.unwrap(), b"secret");
}

#[tokio::test]
async fn only_so_many_are_read_at_a_time() {
    let source = honest("0123456789", usize::MAX);
    let fetcher = fetcher(Bounds { open_max: 1, ..Bounds::default() });
    let held = fetcher.open(Ask::all(source.target())).await.unwrap();
    let error = fetcher.open(Ask::all(source.target())).await.err().unwrap();
    assert!(matches!(error, FetchError::Busy), "{error}");
    drop(held);
    assert_eq!(fetch(&fetcher, Ask::all(source.target())).await.unwrap(), b"0123456789");
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_made_anew() {
    let source = Source::new(|_, number| {
        let then = if number == 0 { Then::Stay } else { Then::Close };
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123";
        (if number == 1 { String::new() } else { text.to_owned() }, then)
    });
    let fetcher = fetcher(Bounds::default());
    for _ in 0..2 {
        assert_eq!(fetch(&fetcher, Ask::all(source.target())).await.unwrap(), b"0123");
    }
    assert_eq!((source.connections(), source.requests().len()), (2, 3));
}

#[tokio::test]
async fn a_whole_body_may_come_in_chunks() {
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent";
    let chunked = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nTransfer-Encoding: Chunked\r\n\r\n\
                   3;a=b\r\ncon\r\n04\r\ntent\r\n0\r\nx-trailer: a\r\n\r\n";
    for answer in [plain, chunked] {
        let (source, fetcher) = (Source::always(answer, Then::Stay), fetcher(short()));
        for _ in 0..2 {
            let whole = fetcher.whole(Ask::all(source.target()), 7).await.unwrap();
            assert_eq!(whole.bytes, b"content");
        }
        assert_eq!(source.connections(), 1, "{answer}");
        let error = fetcher.whole(Ask::all(source.target()), 6).await.unwrap_err();
        assert!(matches!(error, FetchError::Malformed(_)), "{error}");
    }
}

#[tokio::test]
async fn whole_bodies_that_contradict_themselves() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "x\r\n",
        "\r\n",
        "-1\r\n",
        "3\r\ncontent\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nc",
        "fffffffffffffffff\r\nc",
        &format!("0\r\n{}", "a: b\r\n".repeat(100)),
        &"0".repeat(10_000),
    ] {
        let source = Source::always(&format!("{head}{body}"), Then::Hang);
        let error = fetcher(short()).whole(Ask::all(source.target()), 100).await.unwrap_err();
        assert!(matches!(error, FetchError::Malformed(_)), "{error} for {body}");
    }
    for (answer, then) in
        [(format!("{head}3\r\nco"), Then::Close), (format!("{head}3"), Then::Hang)]
    {
        let source = Source::always(&answer, then);
        let error = fetcher(short()).whole(Ask::all(source.target()), 100).await.unwrap_err();
        let is_told = matches!(error, FetchError::Interrupted(_) | FetchError::TimedOut(_));
        assert!(is_told, "{error}");
    }
    for answer in ["HTTP/1.1 206 X\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 404 X\r\n\r\n"] {
        let source = Source::always(answer, Then::Close);
        let error = fetcher(short()).whole(Ask::all(source.target()), 100).await.unwrap_err();
        assert!(matches!(error, FetchError::Answered(_)), "{error}");
    }
    let coded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    let source = Source::always(coded, Then::Close);
    let error = fetcher(short()).whole(Ask::all(source.target()), 100).await.unwrap_err();
    assert!(matches!(error, FetchError::Malformed(_)), "{error}");
}
