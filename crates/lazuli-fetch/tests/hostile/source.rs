//! A source that answers as a test has it answer, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use lazuli_fetch::{Bounds, Fetcher, Guard, Names, Resolving, Roots, Target};

/// What a source does once its answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It waits for the next request.
    Stay,
    /// It closes the connection.
    Close,
    /// It says no more and keeps the connection open.
    Hang,
    /// It sends this letter for ever.
    Forever(u8),
}

type Answer = Box<dyn Fn(&str, usize) -> (String, Then) + Send + Sync>;

/// A source on a port of its own.
pub(crate) struct Source {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What a source saw.
#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
}

impl Source {
    /// A source whose answer to a request, and to the how manieth it is, from 0, is `answer`.
    pub(crate) fn new(
        answer: impl Fn(&str, usize) -> (String, Then) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (noted, answer): (_, Arc<Answer>) = (Arc::clone(&seen), Arc::new(Box::new(answer)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                noted.lock().unwrap().connections += 1;
                let (seen, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &seen, &answer));
            }
        });
        Self { address, seen }
    }

    /// A source that answers everything alike.
    pub(crate) fn always(answer: &str, then: Then) -> Self {
        let answer = answer.to_owned();
        Self::new(move |_, _| (answer.clone(), then))
    }

    /// The requests it was sent.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// The connections that were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Its content under the name `source.test`.
    pub(crate) fn target(&self) -> Target {
        Target::new(false, "source.test", self.address.port(), ("/c/b", "sig=1"))
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Seen>, answer: &Answer) {
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
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request.clone());
            seen.requests.len() - 1
        };
        let (text, then) = answer(&request, number);
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
        match then {
            Then::Stay => {}
            Then::Close => return,
            // Until the other side has enough.
            Then::Hang => while stream.read(&mut [0; 64]).is_ok_and(|read| read > 0) {},
            Then::Forever(letter) => while stream.write_all(&[letter; 4096]).is_ok() {},
        }
    }
}

/// Names that a test gives addresses.
pub(crate) struct TestNames(pub(crate) Vec<std::net::IpAddr>);

impl Names for TestNames {
    fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolving<'a> {
        let found = self.0.iter().map(|address| SocketAddr::new(*address, port)).collect();
        Box::pin(std::future::ready(Ok(found)))
    }
}

/// A fetcher for which `source.test` is this machine, and loopback admitted.
pub(crate) fn fetcher(bounds: Bounds) -> Fetcher {
    trusting(bounds, Roots::default())
}

/// The same, with authorities of its own.
pub(crate) fn trusting(bounds: Bounds, roots: Roots) -> Fetcher {
    let guard =
        Guard::new(vec!["source.test".parse().unwrap()], vec!["127.0.0.0/8".parse().unwrap()]);
    let names = TestNames(vec!["127.0.0.1".parse().unwrap()]);
    Fetcher::with(guard, roots, (bounds, Box::new(names)))
}
