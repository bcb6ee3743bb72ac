//! `lazuli log export --segments` of a log whose segments are not what was signed: the folder is the
//! evidence.

use std::fs;
use std::path::Path;

use crate::between::{answering, forwarded};
use crate::log::{put_blobs, start};
use crate::program::{Done, run};

/// The server's answer, with a byte of the first segment flipped.
fn tampered(admin: &str, request: &[u8]) -> Vec<u8> {
    let mut answer = forwarded(admin, request);
    if request.starts_with(b"GET /log/segment/0 ") {
        *answer.last_mut().unwrap() ^= 1;
    }
    answer
}

fn export(folder: &Path, url: &str) -> Done {
    run(folder, &["log", "export", "exported", "--segments", "--admin", url])
}

#[test]
fn a_tampered_segment_is_kept_beside_the_checkpoint_that_it_contradicts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = start(folder, &[]);
    put_blobs(folder, &server);
    let admin = server.authority("admin");
    // What is there already is looked at again.
    for _ in 0..2 {
        let done = answering(|request| tampered(admin, request), |url| export(folder, url));
        assert_eq!(done.status, Some(1), "{done:?}");
        let error = "error: segment 0 has not the root in the log\n\
                     hint: keep the folder: it is evidence";
        assert!(done.stderr.starts_with(error), "{done:?}");
        for name in ["checkpoint", "policy", "seg/0000000000"] {
            assert!(folder.join("exported").join(name).exists(), "{name}");
        }
    }
    let bad = fs::read(folder.join("exported/seg/0000000000")).unwrap();
    let done = export(folder, &format!("http://{admin}"));
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let good = fs::read(folder.join("exported/seg/0000000000")).unwrap();
    assert!(good != bad && good.len() == bad.len());
}
