//! Block ids.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block>

use crate::{ErrorCode, Refusal};

/// Most bytes of a decoded block id.
pub const BLOCK_ID_BYTES_MAX: usize = 64;

/// A block's id: Base64 text that decodes to 1 to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(Vec<u8>);

impl BlockId {
    /// Checks the id of Put Block's `blockid` parameter.
    ///
    /// `InvalidQueryParameterValue` for text that is not Base64, `OutOfRangeInput` for an id that
    /// is too long.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let bytes = decode(text)
            .filter(|bytes| !bytes.is_empty())
            .ok_or_else(|| Refusal::query_value("blockid", text, "Not a valid base64 string."))?;
        if bytes.len() > BLOCK_ID_BYTES_MAX {
            return Err(Refusal::new(ErrorCode::OutOfRangeInput)
                .with_message("Block ID length cannot exceed 64."));
        }
        Ok(Self(bytes))
    }

    /// Checks an id in a block list. `InvalidBlockId` for one that cannot be.
    pub fn parse_listed(text: &str) -> Result<Self, Refusal> {
        decode(text)
            .filter(|bytes| (1..=BLOCK_ID_BYTES_MAX).contains(&bytes.len()))
            .map(Self)
            .ok_or_else(|| ErrorCode::InvalidBlockId.into())
    }

    /// An id that was stored.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The decoded id.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id as Base64 text.
    pub fn to_text(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(&self.0)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!(BlockId::parse("QUFB").unwrap().as_bytes(), b"AAA");
        assert_eq!(BlockId::parse("QUFB").unwrap().to_text(), "QUFB");
        let code = |text: &str| BlockId::parse(text).unwrap_err().code();
        assert_eq!(code("not base64!"), ErrorCode::InvalidQueryParameterValue);
        assert_eq!(code(""), ErrorCode::InvalidQueryParameterValue);
        let long = BlockId::from_bytes([7; 65]).to_text();
        assert_eq!(code(&long), ErrorCode::OutOfRangeInput);
        assert_eq!(BlockId::parse_listed(&long).unwrap_err().code(), ErrorCode::InvalidBlockId);
    }
}
