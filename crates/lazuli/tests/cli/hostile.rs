//! Requests that are malformed, cut off or untrue: each is refused as documented or loses its
//! connection, nothing of it is stored, and others are served on.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes>,
//! <https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes>

use rustix::process::Signal;

use crate::program::Server;
use crate::raw::{Answer, Call, call, call_to, exchange, send};

/// A server with a container `box` and a blob `b` in it.
struct Victim {
    server: Server,
    authority: String,
    folder: tempfile::TempDir,
}

impl Victim {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), &["--in-memory"]);
        let authority = server.authority("blob").to_owned();
        let victim = Self { server, authority, folder };
        victim.answers(&call("PUT", "/box?restype=container"), 201, "");
        victim.answers(&put_blob("/box/b").body("content"), 201, "");
        victim
    }

    /// Everything that a request could have changed, read by other clients.
    fn state(&self) -> String {
        let reads = [
            "/?comp=list&include=metadata",
            "/?restype=service&comp=properties",
            "/box?restype=container&comp=acl",
            "/box?restype=container&comp=list&include=metadata,tags,snapshots,uncommittedblobs",
            "/box/b?comp=blocklist&blocklisttype=all",
            "/box/b",
        ];
        reads.map(|target| self.answers(&call("GET", target), 200, "").body().to_owned()).concat()
    }

    /// Sends a call and asserts status and code of its answer.
    #[track_caller]
    fn answers(&self, call: &Call, status: u16, code: &str) -> Answer {
        let answer = send(&self.authority, call);
        let got = (answer.status(), answer.header("x-ms-error-code"));
        assert_eq!(got, (status, code), "{call:?}\n{answer:?}");
        answer
    }

    /// Asserts that each call is refused with a status and code, and leaves nothing behind.
    #[track_caller]
    fn refuses(&self, cases: impl IntoIterator<Item = (Call, u16, &'static str)>) {
        let before = self.state();
        for (call, status, code) in cases {
            let answer = self.answers(&call, status, code);
            assert!(
                answer.body().contains(&format!("<Code>{code}</Code>")),
                "{call:?}\n{answer:?}"
            );
            assert_eq!(self.state(), before, "{call:?} left something behind");
        }
    }

    /// Asserts that bytes that are no request are refused with 400 or 431 or not answered at all,
    /// and leave nothing behind.
    #[track_caller]
    fn drops(&self, bytes: &[u8], half_closes: bool) {
        let before = self.state();
        let answer = exchange(&self.authority, bytes, half_closes);
        assert!(matches!(answer.status(), 0 | 400 | 431), "{answer:?}");
        assert!(answer.count() <= 1, "{answer:?}");
        assert_eq!(self.state(), before);
    }

    /// Stops the server, which has to be in good order.
    fn stop(mut self) {
        self.server.signal(Signal::TERM);
        assert_eq!(self.server.end().0, Some(0));
        assert!(self.folder.path().exists());
    }
}

/// Put Blob of a block blob.
fn put_blob(target: &str) -> Call {
    call("PUT", target).header("x-ms-blob-type", "BlockBlob")
}

#[test]
fn documents_that_are_none() {
    let victim = Victim::start();
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]><BlockList/>";
    let deep = "<BlockList>".to_owned() + &"<a>".repeat(50_000);
    let block_list = |body: &[u8]| call("PUT", "/box/b?comp=blocklist").body(body);
    let acl = |body: &str| call("PUT", "/box?restype=container&comp=acl").body(body);
    let service = |body: &str| call("PUT", "/?restype=service&comp=properties").body(body);
    let tags = |body: &str| call("PUT", "/box/b?comp=tags").body(body);
    let policy = "<SignedIdentifiers><SignedIdentifier><Id>a</Id><AccessPolicy>\
                  <Start>soon</Start></AccessPolicy></SignedIdentifier></SignedIdentifiers>";
    victim.refuses([
        (block_list(b""), 400, "InvalidXmlDocument"),
        (block_list(b"\0\x01\x02"), 400, "InvalidXmlDocument"),
        (block_list(b"<BlockList>"), 400, "InvalidXmlDocument"),
        (block_list(b"<BlockList>\xff\xfe</BlockList>"), 400, "InvalidXmlDocument"),
        (block_list(b"<BlockList></Blocklist>"), 400, "InvalidXmlDocument"),
        (block_list(b"<BlockList/><BlockList/>"), 400, "InvalidXmlDocument"),
        (block_list(b"<BlockList>&nothing;</BlockList>"), 400, "InvalidXmlDocument"),
        (block_list(bomb.as_bytes()), 400, "InvalidXmlDocument"),
        (block_list(deep.as_bytes()), 400, "UnsupportedXmlNode"),
        (block_list(b"<BlockList><Newest>YQ==</Newest></BlockList>"), 400, "UnsupportedXmlNode"),
        (block_list(b"<BlockList><Latest>YQ==</Latest></BlockList>"), 400, "InvalidBlockList"),
        (block_list(b"<BlockList><Latest>!</Latest></BlockList>"), 400, "InvalidBlockId"),
        (acl("<SignedIdentifiers>"), 400, "InvalidXmlDocument"),
        (acl("{\"id\": 1}"), 400, "InvalidXmlDocument"),
        (acl(policy), 400, "InvalidXmlNodeValue"),
        (service(""), 400, "InvalidXmlDocument"),
        (service("<StorageServiceProperties"), 400, "InvalidXmlDocument"),
        (
            service("<StorageServiceProperties><Colour/></StorageServiceProperties>"),
            400,
            "UnsupportedXmlNode",
        ),
        (tags("<Tags><TagSet><Tag><Key>a</Key>"), 400, "InvalidXmlDocument"),
        (tags("<Tags><TagSet><Tag/></TagSet></Tags>"), 400, "MissingRequiredXmlNode"),
    ]);
    victim.stop();
}

#[test]
fn batches_that_are_none() {
    let victim = Victim::start();
    let batch = |content_type: &str, body: &str| {
        call("POST", "/?comp=batch").header("content-type", content_type).body(body)
    };
    let mixed = "multipart/mixed; boundary=x";
    let part = "--x\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n";
    let many = format!("{part}DELETE /devstoreaccount1/box/b HTTP/1.1\r\n\r\n\r\n").repeat(257);
    victim.refuses([
        (batch("application/xml", "--x--\r\n"), 400, "InvalidHeaderValue"),
        (batch("multipart/mixed", "--x--\r\n"), 400, "InvalidHeaderValue"),
        (batch(mixed, ""), 400, "InvalidInput"),
        (batch(mixed, "no boundary anywhere"), 400, "InvalidInput"),
        (batch(mixed, "--x--\r\n"), 400, "InvalidInput"),
        (batch(mixed, part), 400, "InvalidInput"),
        (batch(mixed, &format!("{part}DELETE\r\n\r\n--x--\r\n")), 400, "InvalidInput"),
        (batch(mixed, &format!("{part}\0\0\0\r\n\r\n--x--\r\n")), 400, "InvalidInput"),
        (batch(mixed, &format!("{many}--x--\r\n")), 400, "InvalidInput"),
    ]);
    // A batch in good order whose parts nobody signed: each is refused by itself.
    let body = format!("{part}DELETE /devstoreaccount1/box/b HTTP/1.1\r\n\r\n\r\n--x--\r\n");
    let before = victim.state();
    let answer = victim.answers(&batch(mixed, &body), 202, "");
    assert!(answer.body().contains("x-ms-error-code: NoAuthenticationInformation"), "{answer:?}");
    assert_eq!(victim.state(), before);
    victim.stop();
}

#[test]
fn targets_that_are_none() {
    let victim = Victim::start();
    let get = |target: &str| call("GET", target);
    let list = |more: &str| get(&format!("/box?restype=container&comp=list&{more}"));
    victim.refuses([
        (put_blob("/box/%zz"), 400, "InvalidUri"),
        (put_blob("/box/%"), 400, "InvalidUri"),
        (put_blob("/box/a%2"), 400, "InvalidUri"),
        (put_blob("/box/%ff%fe"), 400, "InvalidUri"),
        (put_blob("/box/%ED%A0%80"), 400, "InvalidUri"),
        (put_blob("/box/a%00b"), 400, "InvalidResourceName"),
        (put_blob(&format!("/box/{}", "a".repeat(1025))), 400, "OutOfRangeInput"),
        (put_blob("/BOX/b"), 400, "InvalidResourceName"),
        (call("PUT", "/a?restype=container"), 400, "OutOfRangeInput"),
        (call("PUT", "/a--b?restype=container"), 400, "InvalidResourceName"),
        (call("PUT", "/%2e%2e?restype=container"), 400, "OutOfRangeInput"),
        (put_blob("/../box"), 400, "OutOfRangeInput"),
        (get("/box/b?comp=%zz"), 400, "InvalidUri"),
        (get("/box/b?snapshot=%"), 400, "InvalidUri"),
        (get("/box/b?snapshot=%ff"), 400, "InvalidUri"),
        (get("/box/b?snapshot=yesterday"), 400, "InvalidQueryParameterValue"),
        (get("/box/b?comp=blocklist&blocklisttype=some"), 400, "InvalidQueryParameterValue"),
        (list("maxresults=0"), 400, "OutOfRangeQueryParameterValue"),
        (list("marker=%01%02"), 400, "InvalidQueryParameterValue"),
        (list("include=everything"), 400, "InvalidQueryParameterValue"),
        (get("/?comp=blobs&where=%22a%22%3D"), 400, "InvalidQueryParameterValue"),
    ]);
    victim.stop();
}

#[test]
fn ids_ranges_and_dates_that_are_none() {
    let victim = Victim::start();
    let block = |id: &str| call("PUT", &format!("/box/b?comp=block&blockid={id}")).body("abc");
    let long = "a".repeat(88);
    let dated = |date: &str| call("GET", "/box/b").header("x-ms-date", date);
    let since = |date: &str| call("GET", "/box/b").header("if-modified-since", date);
    let ranged = |range: &str| call("GET", "/box/b").header("x-ms-range", range);
    victim.refuses([
        (block("no%20base64"), 400, "InvalidQueryParameterValue"),
        (block("YQ"), 400, "InvalidQueryParameterValue"),
        (block(""), 400, "MissingRequiredQueryParameter"),
        (block(&long), 400, "OutOfRangeInput"),
        (call("PUT", "/box/b?comp=block&blockid=YQ%3D%3D"), 400, "InvalidHeaderValue"),
        (ranged("bytes=7-"), 416, "InvalidRange"),
        (ranged("bytes=18446744073709551615-"), 416, "InvalidRange"),
        (dated("yesterday"), 403, "AuthenticationFailed"),
        (dated("Tue, 32 Nov 2026 08:00:00 GMT"), 403, "AuthenticationFailed"),
        (dated("Sun, 06 Nov 1994 08:49:37 GMT"), 403, "AuthenticationFailed"),
        (dated("Fri, 31 Dec 9999 23:59:59 GMT"), 403, "AuthenticationFailed"),
        (since("2026-11-24T08:00:00Z"), 400, "InvalidHeaderValue"),
    ]);
    // Ranges that are none are as if they had not been sent.
    for range in ["bytes=5-1", "bytes=-3", "bytes=0-1,3-4", "bytes=99999999999999999999-", "x"] {
        assert_eq!(victim.answers(&ranged(range), 200, "").body(), "content", "{range}");
    }
    victim.stop();
}

#[test]
fn bodies_other_than_announced() {
    let victim = Victim::start();
    let before = victim.state();
    let writes = [
        put_blob("/box/b"),
        put_blob("/box/new"),
        call("PUT", "/box/new?comp=block&blockid=YQ%3D%3D"),
        call("PUT", "/box/b?comp=blocklist"),
        call("PUT", "/box/b?comp=tags"),
        call("PUT", "/box?restype=container&comp=acl"),
        call("PUT", "/?restype=service&comp=properties"),
    ];
    for call in &writes {
        // The client goes away in the middle of the body.
        let short = call.clone().header("content-length", "20").body("<a>");
        let answer = exchange(&victim.authority, &short.bytes(), true);
        let code = answer.header("x-ms-error-code");
        assert_eq!((answer.status(), code), (400, "InvalidInput"), "{call:?}");
        assert_eq!(victim.state(), before, "{call:?}");
        // In the middle of a chunk, and of a chunk's size.
        for chunks in
            ["5\r\n<a>", "z\r\n<a>\r\n0\r\n\r\n", "3\r\n<a>zz0\r\n\r\n", "ffffffffffffffffff\r\n"]
        {
            let head =
                String::from_utf8(call.clone().header("content-length", "").bytes()).unwrap();
            let head = head.replace("content-length: \r\n", "transfer-encoding: chunked\r\n");
            let answer = exchange(&victim.authority, format!("{head}{chunks}").as_bytes(), true);
            let code = answer.header("x-ms-error-code");
            assert_eq!((answer.status(), code), (400, "InvalidInput"), "{call:?} {chunks}");
            assert_eq!(victim.state(), before, "{call:?} {chunks}");
        }
    }
    victim.stop();
}

#[test]
fn what_follows_a_body_is_a_request_of_its_own() {
    let victim = Victim::start();
    let keeps = |target: &str| put_blob(target).header("connection", "keep-alive").body("abc");
    // Bytes beyond the announced length belong to nobody.
    let garbage = [keeps("/box/long").bytes(), b"def\r\n\r\n".to_vec()].concat();
    let answer = exchange(&victim.authority, &garbage, false);
    assert_eq!((answer.status(), answer.count()), (201, 2), "{answer:?}");
    assert!(answer.body().starts_with("HTTP/1.1 400 "), "{answer:?}");
    assert_eq!(victim.answers(&call("GET", "/box/long"), 200, "").body(), "abc");
    // A second request inside of them has no part in the first one's signature.
    let inner = call("DELETE", "/box/b").unsigned();
    let smuggled = [keeps("/box/long").bytes(), inner.bytes()].concat();
    let answer = exchange(&victim.authority, &smuggled, false);
    assert_eq!((answer.status(), answer.count()), (201, 2), "{answer:?}");
    assert!(answer.body().starts_with("HTTP/1.1 401 "), "{answer:?}");
    assert_eq!(victim.answers(&call("GET", "/box/b"), 200, "").body(), "content");
    victim.stop();
}

#[test]
fn checksums_that_are_untrue() {
    let victim = Victim::start();
    let targets = ["/box/b", "/box/new", "/box/new?comp=block&blockid=YQ%3D%3D"];
    for target in targets {
        let with = |name: &str, value: &str| put_blob(target).header(name, value).body("abc");
        let (md5, crc64) = ("content-md5", "x-ms-content-crc64");
        let both = with(md5, "kAFQmDzST7DWlj99KOF/cg==").header(crc64, "AAAAAAAAAAA=");
        victim.refuses([
            (with(md5, "AAAAAAAAAAAAAAAAAAAAAA=="), 400, "Md5Mismatch"),
            (with(md5, "AAAA"), 400, "InvalidMd5"),
            (with(md5, "no base64"), 400, "InvalidMd5"),
            (with(crc64, "AAAAAAAAAAA="), 400, "Crc64Mismatch"),
            (with(crc64, "AAAA"), 400, "InvalidHeaderValue"),
            (with(crc64, "no base64"), 400, "InvalidHeaderValue"),
            (both, 400, "BothCrc64AndMd5HeaderPresent"),
        ]);
    }
    victim.stop();
}

#[test]
fn heads_that_are_none() {
    let victim = Victim::start();
    let long = "x".repeat(200_000);
    let many = "X: y\r\n".repeat(2_000);
    for bytes in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "PUT /devstoreaccount1/box/b c HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}"),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n"),
    ] {
        victim.drops(bytes.as_bytes(), false);
        victim.drops(bytes.as_bytes(), true);
    }
    // Cut off anywhere in a head that would have been good.
    let whole = put_blob("/box/b").body("abc").bytes();
    let end = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    for length in [0, 1, 20, end, end + 3] {
        victim.drops(whole.get(..length).unwrap(), true);
    }
    victim.stop();
}

#[test]
fn the_timeout_parameter() {
    let victim = Victim::start();
    let timed = |timeout: &str| call("GET", &format!("/box/b?timeout={timeout}"));
    // A longer one than the service allows is as if it were the longest.
    for timeout in ["30", "0", "2147483647", ""] {
        assert_eq!(victim.answers(&timed(timeout), 200, "").body(), "content", "{timeout}");
    }
    let write = put_blob("/box/b?timeout=soon").body("other");
    victim.refuses([
        (timed("soon"), 400, "InvalidQueryParameterValue"),
        (timed("1.5"), 400, "InvalidQueryParameterValue"),
        (timed("99999999999999999999"), 400, "InvalidQueryParameterValue"),
        (timed("-1"), 400, "InvalidQueryParameterValue"),
        (write, 400, "InvalidQueryParameterValue"),
    ]);
    victim.stop();
}

#[test]
fn old_versions_and_none() {
    let victim = Victim::start();
    let versioned = |version: &str| call("GET", "/box/b").header("x-ms-version", version);
    for version in ["2009-09-19", "2012-02-12"] {
        let answer = victim.answers(&versioned(version), 200, "");
        assert_eq!((answer.body(), answer.header("x-ms-version")), ("content", version));
        let write = put_blob("/box/old").header("x-ms-version", version).body(version);
        victim.answers(&write, 201, "");
        assert_eq!(victim.answers(&call("GET", "/box/old"), 200, "").body(), version);
    }
    victim.refuses([
        (versioned("yesterday"), 400, "InvalidHeaderValue"),
        (versioned("2009-13-45"), 400, "InvalidHeaderValue"),
        (versioned("2001-01-01"), 400, "InvalidHeaderValue"),
    ]);
    victim.stop();
}

#[test]
fn hosts_that_name_the_account() {
    let victim = Victim::start();
    let host = "devstoreaccount1.blob.core.windows.net";
    let styled = |method: &str, target: &str| call_to(method, target).header("host", host);
    assert_eq!(victim.answers(&styled("GET", "/box/b"), 200, "").body(), "content");
    let list = styled("GET", "/box?restype=container&comp=list");
    let listed = victim.answers(&list, 200, "");
    assert!(listed.body().contains(&format!("ServiceEndpoint=\"http://{host}/\"")), "{listed:?}");
    let write = styled("PUT", "/box/styled").header("x-ms-blob-type", "BlockBlob").body("abc");
    victim.answers(&write, 201, "");
    assert_eq!(victim.answers(&call("GET", "/box/styled"), 200, "").body(), "abc");
    // A host that names no account says nothing, and the path has to.
    let stranger = "nobody.blob.core.windows.net";
    victim.refuses([
        (call_to("GET", "/box/b").header("host", stranger), 404, "ResourceNotFound"),
        (styled("GET", "/box/none"), 404, "BlobNotFound"),
    ]);
    let answer = victim.answers(&call("GET", "/box/b").header("host", stranger), 200, "");
    assert_eq!(answer.body(), "content");
    victim.stop();
}

#[test]
fn addresses_of_the_sixth_version() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        // This machine has no such addresses.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--in-memory", "--host", "::1"]);
    let authority = server.authority("blob").to_owned();
    assert!(authority.starts_with("[::1]:"), "{authority}");
    let here = |call: Call| send(&authority, &call.header("host", &authority));
    assert_eq!(here(call("PUT", "/box?restype=container")).status(), 201);
    assert_eq!(here(put_blob("/box/b").body("content")).status(), 201);
    assert_eq!(here(call("GET", "/box/b")).body(), "content");
    let listed = here(call("GET", "/box?restype=container&comp=list"));
    let endpoint = format!("ServiceEndpoint=\"http://{authority}/devstoreaccount1/\"");
    assert!(listed.body().contains(&endpoint), "{listed:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
}
