//! What the machine itself can do with the same bytes: the disk, the loopback interface, and the
//! processor where a body has to be hashed in one go.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use md5::{Digest as _, Md5};

/// The size of one write, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Bytes a second of `files` sequential writes of `bytes` each, one after the other, to new files,
/// each ended by `fdatasync`.
pub(crate) fn durable_write(bytes: u64, files: u64) -> Result<f64, String> {
    let path = |file: u64| super::folder().join(format!("raw-write-{file}"));
    let begun = Instant::now();
    let written = (0..files).try_for_each(|file| {
        let mut out = File::create(path(file))?;
        write_all(&mut out, bytes)?;
        out.sync_data()
    });
    let seconds = begun.elapsed().as_secs_f64();
    for file in 0..files {
        let _ = fs::remove_file(path(file));
    }
    written.map_err(|error| format!("{}: {error}", path(0).display()))?;
    Ok((bytes * files) as f64 / seconds)
}

/// Writes `bytes` bytes.
fn write_all(out: &mut impl Write, bytes: u64) -> std::io::Result<()> {
    let chunk = vec![0xA5; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(CHUNK_BYTES as u64) as usize;
        out.write_all(chunk.get(..count).unwrap_or(&chunk))?;
        left -= count as u64;
    }
    Ok(())
}

/// Bytes a second of the MD5 of `bytes` bytes.
pub(crate) fn md5_stream(bytes: u64) -> f64 {
    let chunk = vec![0xA5; CHUNK_BYTES];
    let begun = Instant::now();
    let mut md5 = Md5::new();
    let mut left = bytes;
    while left > 0 {
        let count = left.min(CHUNK_BYTES as u64) as usize;
        md5.update(chunk.get(..count).unwrap_or(&chunk));
        left -= count as u64;
    }
    std::hint::black_box(md5.finalize());
    bytes as f64 / begun.elapsed().as_secs_f64()
}

/// Durable appends of `bytes` a second, one `fdatasync` each, from one writer.
pub(crate) fn durable_appends(bytes: usize, count: u32) -> Result<f64, String> {
    let path = super::folder().join("raw-appends");
    let chunk = vec![0xA5; bytes];
    let begun = Instant::now();
    let written = (|| {
        let mut file = File::create(&path)?;
        for _ in 0..count {
            file.write_all(&chunk)?;
            file.sync_data()?;
        }
        Ok::<(), std::io::Error>(())
    })();
    let seconds = begun.elapsed().as_secs_f64();
    let _ = fs::remove_file(&path);
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(f64::from(count) / seconds)
}

/// Bytes a second of a copy of `bytes` through one loopback connection.
pub(crate) fn loopback_copy(bytes: u64) -> Result<f64, String> {
    let copied = (|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let sender = thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            write_all(&mut stream, bytes)
        });
        let mut stream = TcpStream::connect(address)?;
        let mut buffer = vec![0; CHUNK_BYTES];
        let begun = Instant::now();
        let mut received = 0;
        while received < bytes {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            received += count as u64;
        }
        let seconds = begun.elapsed().as_secs_f64();
        // The sender has nothing left to say; a panic in it would have cut the copy short.
        let _ = sender.join();
        Ok::<f64, std::io::Error>(received as f64 / seconds)
    })();
    copied.map_err(|error| format!("the loopback copy: {error}"))
}
