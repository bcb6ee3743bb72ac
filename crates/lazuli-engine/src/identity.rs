//! `IDENTITY`: which data directory this is. A copy of a directory keeps the identity, a directory
//! that is made anew has another one: so what is kept beside a directory can tell whose it is.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use lazuli_base::Entropy;

use crate::checksum::crc32c;
use crate::disk::{self, Disk};
use crate::engine::{OpenError, io_error};

/// Name of the identity file.
pub(crate) const IDENTITY_FILE: &str = "IDENTITY";

/// The identity of a data directory: 16 random bytes, in 32 hexadecimal digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DataId([u8; 16]);

/// A text that is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

/// Which data directory a store is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its identity.
    pub id: DataId,
    /// Whether the directory was made by this very opening.
    pub is_new: bool,
}

impl DataId {
    /// Draws an identity.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identity has 32 digits from 0 to 9 and a to f")
    }
}

impl std::error::Error for NotAnId {}

impl FromStr for DataId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(NotAnId);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| NotAnId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// The content of `IDENTITY`.
fn text(id: DataId) -> String {
    let head = format!("lazuli data directory\nidentity {id}\n");
    format!("{head}crc32c {:08x}\n", crc32c(head.as_bytes()))
}

fn parse(bytes: &[u8]) -> Option<DataId> {
    let found = std::str::from_utf8(bytes).ok()?;
    let id = found.lines().nth(1)?.strip_prefix("identity ")?.parse().ok()?;
    (text(id) == found).then_some(id)
}

/// Makes `id` the identity of the directory `data`, durably.
pub(crate) fn write(disk: &dyn Disk, data: &Path, id: DataId) -> Result<(), OpenError> {
    let path = data.join(IDENTITY_FILE);
    disk::replace_file(disk, &path, text(id).as_bytes()).map_err(io_error(&path))
}

/// The identity of the directory `data`, which has a format.
///
/// A missing file is damage: it is durable before the format is, so that no crash leaves a directory
/// without. Another identity would make a stranger's of the directory's own log.
pub(crate) fn read(disk: &dyn Disk, data: &Path) -> Result<DataId, OpenError> {
    let path = data.join(IDENTITY_FILE);
    match disk::read_file(disk, &path) {
        Ok(bytes) => match parse(&bytes) {
            Some(id) => Ok(id),
            None => Err(OpenError::Damaged(format!("{} is not readable", path.display()))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(OpenError::Damaged(format!("{} is missing", path.display())))
        }
        Err(error) => Err(io_error(&path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use lazuli_base::SeededEntropy;

    use super::*;

    #[test]
    fn the_file_notices_every_flipped_byte() {
        let id = DataId::draw(&SeededEntropy::new(1));
        assert_eq!(id.to_string().parse(), Ok(id));
        let bytes = text(id).into_bytes();
        assert_eq!(parse(&bytes), Some(id));
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1;
            assert_eq!(parse(&flipped), None, "byte {index}");
        }
        for wrong in ["", "+0000000000000000000000000000001", "0000000000000000000000000000000G"] {
            assert_eq!(wrong.parse::<DataId>(), Err(NotAnId), "{wrong}");
        }
    }
}
