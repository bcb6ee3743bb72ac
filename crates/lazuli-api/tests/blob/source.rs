//! A server of other people's, on a port of its own, that answers as a test has it answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use lazuli_fetch::{Bounds, Fetcher, Guard, Roots, SystemNames};

/// What it does once its answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It waits for the next request.
    Stay,
    /// It closes the connection.
    Close,
    /// It says no more and keeps the connection open.
    Hang,
}

type Answer = dyn Fn(&str, usize) -> (Vec<u8>, Then) + Send + Sync;

/// The server.
pub(crate) struct Source {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Source {
    /// One whose answer to a request, and to the how manieth it is, from 0, is `answer`.
    pub(crate) fn new(
        answer: impl Fn(&str, usize) -> (Vec<u8>, Then) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer): (_, Arc<Answer>) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &noted, &*answer));
            }
        });
        Self { address, requests }
    }

    /// One that answers everything alike.
    pub(crate) fn always(answer: impl AsRef<[u8]>, then: Then) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::new(move |_, _| (answer.clone(), then))
    }

    /// One that has `content`, with these headers, and gives ranges of it.
    pub(crate) fn honest(headers: &'static str, content: &'static [u8]) -> Self {
        Self::new(move |request, _| (answer(headers, content, request), Then::Stay))
    }

    /// The URL of its blob with a token.
    pub(crate) fn url(&self) -> String {
        format!("{}?sv=1&sig=secret", self.told())
    }

    /// The URL of its blob without one.
    pub(crate) fn told(&self) -> String {
        format!("http://{}/box/from", self.address)
    }

    /// The requests it was sent.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// What a server of `content` answers.
pub(crate) fn answer(headers: &str, content: &[u8], request: &str) -> Vec<u8> {
    let range = request.split_once("Range: bytes=").map(|(_, rest)| rest);
    let range = range.and_then(|rest| rest.split_once("\r\n")?.0.split_once('-'));
    let total = content.len();
    let (status, first, end) = match range {
        None => ("200 OK", 0, total),
        Some((first, _)) if first.parse::<usize>().unwrap() >= total => {
            return format!(
                "HTTP/1.1 416 X\r\nContent-Range: bytes */{total}\r\n\
                            Content-Length: 0\r\n\r\n"
            )
            .into_bytes();
        }
        Some((first, last)) => {
            let end = last.parse::<usize>().map_or(total, |last| (last + 1).min(total));
            ("206 Partial Content", first.parse().unwrap(), end)
        }
    };
    let length = end - first;
    let range = if range.is_some() {
        format!("Content-Range: bytes {first}-{}/{total}\r\n", end - 1)
    } else {
        String::new()
    };
    let mut answer =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{range}{headers}\r\n")
            .into_bytes();
    answer.extend_from_slice(&content[first..end]);
    answer
}

fn serve(mut stream: TcpStream, noted: &Mutex<Vec<String>>, answer: &Answer) {
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match stream.read(&mut byte) {
                Ok(1) => request.push(byte[0]),
                _ => return,
            }
        }
        let request = String::from_utf8(request).unwrap();
        let number = {
            let mut noted = noted.lock().unwrap();
            noted.push(request.clone());
            noted.len() - 1
        };
        let (bytes, then) = answer(&request, number);
        if stream.write_all(&bytes).is_err() {
            return;
        }
        match then {
            Then::Stay => {}
            Then::Close => return,
            // Until the other side has enough.
            Then::Hang => while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {},
        }
    }
}

/// A fetcher that may read from this machine, under its address only, and is not patient.
pub(crate) fn fetcher() -> Fetcher {
    let brief = Duration::from_millis(100);
    let bounds = Bounds { connect: brief, head: brief, stall: brief, ..Bounds::default() };
    let guard = Guard::new(vec!["127.0.0.1".parse().unwrap()], vec!["127.0.0.1".parse().unwrap()]);
    Fetcher::with(guard, Roots::default(), (bounds, Box::new(SystemNames)))
}
