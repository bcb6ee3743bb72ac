//! A listener that stands between a command and a server, and may answer in the server's place.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// The server's answer to a request.
pub(crate) fn forwarded(server: &str, request: &[u8]) -> Vec<u8> {
    let mut server = TcpStream::connect(server).unwrap();
    server.write_all(request).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    answer
}

/// Runs `command` with the URL of a listener that answers as `answer` does.
pub(crate) fn answering<T>(
    answer: impl Fn(&[u8]) -> Vec<u8> + Send,
    command: impl FnOnce(&str) -> T,
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, answer));
        let done = command(&format!("http://{address}"));
        // Asks for the end.
        drop(TcpStream::connect(address).unwrap());
        done
    })
}

fn serve(listener: &TcpListener, answer: impl Fn(&[u8]) -> Vec<u8>) {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut part) = (Vec::new(), [0; 1024]);
        while !request.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut part).unwrap();
            if count == 0 {
                return;
            }
            request.extend_from_slice(&part[..count]);
        }
        stream.write_all(&answer(&request)).unwrap();
    }
}
