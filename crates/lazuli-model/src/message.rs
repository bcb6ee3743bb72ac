//! Messages of queues: how they and their holders are told apart.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/operations-on-messages>

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ErrorCode, Refusal};

/// Bits of a message's number that its identifier ends with, behind those that say it is a UUID.
const NUMBER_TAIL_BITS: u32 = 4;

/// Bytes of an identifier that a receipt has.
const MARK_BYTES: usize = 3;

/// Identifies a message in its queue for as long as it exists: a UUID of version 8 that begins with
/// the message's number, so that messages are named in the order they came.
///
/// <https://www.rfc-editor.org/rfc/rfc9562#section-5.8>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(u128);

impl MessageId {
    /// The identifier of the message of this number; what is left of it is taken from `noise`.
    pub const fn new(number: u64, noise: u64) -> Self {
        let number = number as u128;
        let (high, middle, low) =
            (number >> 16, (number >> NUMBER_TAIL_BITS) & 0xfff, number & 0xf);
        let noise = noise as u128 & ((1 << 58) - 1);
        Self(high << 80 | 8 << 76 | middle << 64 | 0b10 << 62 | low << 58 | noise)
    }

    /// The message's number.
    pub const fn number(self) -> u64 {
        let (high, middle, low) = (self.0 >> 80, (self.0 >> 64) & 0xfff, (self.0 >> 58) & 0xf);
        (high << 16 | middle << NUMBER_TAIL_BITS | low) as u64
    }

    /// The end of the identifier, which others have by chance only: what ties a receipt to it.
    pub const fn mark(self) -> [u8; MARK_BYTES] {
        let [.., a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// The identifier in a request's URL. `MessageNotFound` for what identifies no message.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let unknown = || Refusal::new(ErrorCode::MessageNotFound);
        let hyphens = |(at, byte): (usize, u8)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23);
        if text.len() != 36 || !text.bytes().enumerate().all(hyphens) || text.contains('+') {
            return Err(unknown());
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self).map_err(|_| unknown())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32, digits: u32| (self.0 >> shift) & ((1 << (4 * digits)) - 1);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 8),
            part(80, 4),
            part(64, 4),
            part(48, 4),
            part(0, 12)
        )
    }
}

/// Says who holds a message: valid until the message is gone, got by another or updated. Opaque to
/// clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PopReceipt {
    /// When the message becomes visible, which is part of where it is kept.
    pub visible: Timestamp,
    /// How often the message had been got or updated.
    pub change: u32,
    /// The [`MessageId::mark`] of the message: many may become visible at the same time.
    pub mark: [u8; MARK_BYTES],
}

/// Bytes of a pop receipt.
const RECEIPT_BYTES: usize = 8 + 4 + MARK_BYTES;

impl PopReceipt {
    /// The receipt in a request's URL. `InvalidQueryParameterValue` for what is none.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let none = || {
            Refusal::query_value("popreceipt", text, "The pop receipt is not one of this service.")
        };
        let bytes: [u8; RECEIPT_BYTES] =
            STANDARD.decode(text).ok().and_then(|it| it.try_into().ok()).ok_or_else(none)?;
        let [v0, v1, v2, v3, v4, v5, v6, v7, c0, c1, c2, c3, mark @ ..] = bytes;
        let visible = u64::from_be_bytes([v0, v1, v2, v3, v4, v5, v6, v7]);
        let change = u32::from_be_bytes([c0, c1, c2, c3]);
        Ok(Self { visible: Timestamp::from_ticks(visible), change, mark })
    }
}

impl fmt::Display for PopReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; RECEIPT_BYTES];
        let (visible, rest) = bytes.split_at_mut(8);
        let (change, mark) = rest.split_at_mut(4);
        visible.copy_from_slice(&self.visible.ticks().to_be_bytes());
        change.copy_from_slice(&self.change.to_be_bytes());
        mark.copy_from_slice(&self.mark);
        f.write_str(&STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn identifiers_keep_the_number(number: u64, noise: u64) {
            let id = MessageId::new(number, noise);
            let text = id.to_string();
            prop_assert_eq!(id.number(), number);
            prop_assert_eq!(MessageId::parse(&text).unwrap(), id);
            prop_assert_eq!(&text[14..15], "8");
            prop_assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
        }

        #[test]
        fn receipts_round_trip(ticks: u64, change: u32, mark: [u8; MARK_BYTES]) {
            let receipt = PopReceipt { visible: Timestamp::from_ticks(ticks), change, mark };
            prop_assert_eq!(PopReceipt::parse(&receipt.to_string()).unwrap(), receipt);
        }

        #[test]
        fn no_text_makes_either_panic(text in ".{0,60}") {
            let _ = (MessageId::parse(&text), PopReceipt::parse(&text));
        }
    }

    #[test]
    fn later_messages_have_greater_identifiers() {
        let ids: Vec<MessageId> = [0, 1, 15, 16, 0xffff, 0x1_0000, u64::MAX]
            .iter()
            .flat_map(|&number| [MessageId::new(number, 0), MessageId::new(number, u64::MAX)])
            .collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn what_identifies_no_message() {
        for text in [
            "",
            "x",
            "0-0-0-0-0",
            "00000000000000000000000000000000",
            "0000000g-0000-0000-0000-000000000000",
        ] {
            assert_eq!(MessageId::parse(text).unwrap_err().code(), ErrorCode::MessageNotFound);
        }
        for text in ["", "AAAA", "not base64", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
            let code = PopReceipt::parse(text).unwrap_err().code();
            assert_eq!(code, ErrorCode::InvalidQueryParameterValue);
        }
    }
}
