//! A transparency log that cannot be written: nothing is done or served that would not be in it, and
//! the server goes on by itself.

use std::fs;

use crate::program::Server;
use crate::raw::{Answer, call, call_to, send};

/// Asks until the answer has a status; fails only by hanging.
fn ask_until(ask: impl Fn() -> Answer, status: u16) -> Answer {
    loop {
        let answer = ask();
        if answer.status() == status {
            return answer;
        }
    }
}

#[test]
fn a_head_store_that_cannot_be_written_stops_reads_and_writes_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(folder, &["--transparency-log", "on", "--data", "data"]);
    let (blob, admin) = (server.authority("blob"), server.authority("admin"));
    let put = |name: &str| {
        let put = call("PUT", &format!("/box/{name}")).header("x-ms-blob-type", "BlockBlob");
        send(blob, &put.body("hello")).status()
    };
    let get = || send(blob, &call("GET", "/box/one"));
    let ready = || send(admin, &call_to("GET", "/health/ready").unsigned());
    assert_eq!(send(blob, &call("PUT", "/box?restype=container")).status(), 201);
    assert_eq!((put("one"), get().status()), (201, 200));
    // The head is written beside its place first.
    let temporary = folder.join("data.heads.new");
    ask_until(ready, 200);
    // One may just be on its way.
    while fs::create_dir(&temporary).is_err() {}
    let told = ask_until(ready, 503);
    assert!(told.body().contains("writing data.heads"), "{}", told.body());
    for _ in 0..3 {
        let read = get();
        assert_eq!(read.status(), 503, "{}", read.body());
        assert!(read.body().contains("<Code>ServerBusy</Code>"), "{}", read.body());
        assert_eq!(put("two"), 503);
    }
    fs::remove_dir(&temporary).unwrap();
    ask_until(ready, 200);
    ask_until(get, 200);
    assert_eq!(put("two"), 201);
}
