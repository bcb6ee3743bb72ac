//! A keep-alive HTTP/1.1 connection that sends one request at a time and reads its answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes read from the socket at a time.
const BUFFER_BYTES: usize = 1 << 18;

/// The longest head of an answer that is accepted.
const HEAD_BYTES_MAX: usize = 1 << 16;

/// The most header lines of an answer that are accepted.
const HEADERS_MAX: usize = 64;

/// A connection and what was read from it but not used yet.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// What happens to the body of an answer.
pub(crate) enum Sink<'a> {
    /// It is counted and dropped.
    Discard,
    /// It is kept.
    Keep(&'a mut Vec<u8>),
}

/// What an answer said.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The length of the body in bytes.
    pub(crate) body_bytes: u64,
}

/// How long the body of an answer is.
enum Length {
    Known(u64),
    Chunked,
}

impl Connection {
    /// Connects to `HOST:PORT`.
    pub(crate) async fn open(authority: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(authority)
            .await
            .map_err(|error| format!("connecting to {authority}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 })
    }

    /// Sends a head and a body and reads the whole answer.
    pub(crate) async fn exchange(
        &mut self,
        head: &str,
        body: &[u8],
        sink: Sink<'_>,
    ) -> Result<Answer, String> {
        self.send(head.as_bytes(), body).await.map_err(|error| format!("sending: {error}"))?;
        self.receive(sink).await
    }

    /// Sends a request. A small body goes out in one piece with its head.
    async fn send(&mut self, head: &[u8], body: &[u8]) -> std::io::Result<()> {
        if body.len() <= 64 << 10 {
            let mut whole = Vec::with_capacity(head.len() + body.len());
            whole.extend_from_slice(head);
            whole.extend_from_slice(body);
            self.stream.write_all(&whole).await
        } else {
            self.stream.write_all(head).await?;
            self.stream.write_all(body).await
        }
    }

    /// Reads one answer.
    async fn receive(&mut self, mut sink: Sink<'_>) -> Result<Answer, String> {
        let (status, length) = self.receive_head().await?;
        let body_bytes = match length {
            Length::Known(bytes) => {
                self.receive_bytes(bytes, &mut sink).await?;
                bytes
            }
            Length::Chunked => self.receive_chunks(&mut sink).await?,
        };
        Ok(Answer { status, body_bytes })
    }

    /// Reads the head of an answer: its status and the length of its body.
    async fn receive_head(&mut self) -> Result<(u16, Length), String> {
        loop {
            let unread = self.unread();
            if let Some((length, status, body)) = parse_head(unread)? {
                self.start += length;
                return Ok((status, body));
            }
            if unread.len() > HEAD_BYTES_MAX {
                return Err("the head of an answer is too long".to_owned());
            }
            self.fill().await?;
        }
    }

    /// Reads a chunked body; gives its length.
    async fn receive_chunks(&mut self, sink: &mut Sink<'_>) -> Result<u64, String> {
        let mut total = 0;
        loop {
            let line = self.receive_line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let bytes = u64::from_str_radix(digits, 16)
                .map_err(|_| format!("`{line}` is no length of a chunk"))?;
            self.receive_bytes(bytes, sink).await?;
            total += bytes;
            self.receive_line().await?;
            if bytes == 0 {
                return Ok(total);
            }
        }
    }

    /// Reads up to the next line's end.
    async fn receive_line(&mut self) -> Result<String, String> {
        loop {
            let unread = self.unread();
            if let Some(position) = find(unread, b"\r\n") {
                let line = String::from_utf8_lossy(unread.get(..position).unwrap_or_default());
                let line = line.into_owned();
                self.start += position + 2;
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    /// Reads exactly `bytes` of a body.
    async fn receive_bytes(&mut self, bytes: u64, sink: &mut Sink<'_>) -> Result<(), String> {
        let mut left = bytes;
        while left > 0 {
            if self.start == self.end {
                self.fill().await?;
            }
            let unread = self.unread();
            let taken = unread.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if let Sink::Keep(kept) = sink {
                kept.extend_from_slice(unread.get(..taken).unwrap_or_default());
            }
            self.start += taken;
            left -= taken as u64;
        }
        Ok(())
    }

    /// What was read and not used yet.
    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads more from the socket, behind what is unread.
    async fn fill(&mut self) -> Result<(), String> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = self.stream.read(room).await.map_err(|error| format!("reading: {error}"))?;
        if read == 0 {
            return Err("the server closed the connection".to_owned());
        }
        self.end += read;
        Ok(())
    }
}

/// The length of the head that `bytes` begin with, its status, and the length of the body it tells;
/// `None` while the head is not whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, u16, Length)>, String> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut lines);
    let parsed = head.parse(bytes).map_err(|error| format!("the head of an answer: {error}"))?;
    let (httparse::Status::Complete(end), Some(status)) = (parsed, head.code) else {
        return Ok(None);
    };
    let mut length = Length::Known(0);
    for line in head.headers.iter() {
        if line.name.eq_ignore_ascii_case("content-length") {
            let value = std::str::from_utf8(line.value).ok().and_then(|text| text.parse().ok());
            length = Length::Known(value.ok_or("an answer's length is no number")?);
        } else if line.name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        }
    }
    Ok(Some((end, status, length)))
}

/// The position of `needle` in `haystack`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::{Connection, Sink};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn answers_of_both_kinds_are_read_one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address").to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut request = [0; 64];
            for answer in [
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
                "HTTP/1.1 206 Partial\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            ] {
                let _ = stream.read(&mut request).await.expect("reads");
                stream.write_all(answer.as_bytes()).await.expect("writes");
            }
        });
        let mut connection = Connection::open(&address).await.expect("connects");
        let mut kept = Vec::new();
        let answer = connection.exchange("x", b"", Sink::Keep(&mut kept)).await.expect("answers");
        assert_eq!((answer.status, answer.body_bytes, kept.as_slice()), (200, 5, &b"hello"[..]));
        kept.clear();
        let answer = connection.exchange("x", b"", Sink::Keep(&mut kept)).await.expect("answers");
        assert_eq!((answer.status, answer.body_bytes, kept.as_slice()), (206, 5, &b"abcde"[..]));
        server.await.expect("the server ends");
    }
}
