//! Pieces: runs of content that are smaller than a blob and that states share. A piece has an id
//! of its own and never changes; who lists it names it by that id, so a list stays as it is when
//! the collector moves the bytes.

use bytes::Bytes;
use lazuli_engine::{ExtentId, Piece};
use lazuli_model::{ErrorCode, Refusal};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::blob::hold_extent;
use crate::payload::Payload;
use crate::rows::{PieceRow, StoredPiece};
use crate::schema;
use crate::txn::{Txn, unavailable};

/// Where the bytes of a piece are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Home {
    /// In the metadata, in the payload row of this id.
    Row(u64),
    /// In an extent: the piece row of this id says where.
    Extent(u64),
}

impl Home {
    /// The piece's id.
    pub fn id(self) -> u64 {
        match self {
            Self::Row(id) | Self::Extent(id) => id,
        }
    }
}

/// Makes a payload the piece of an id that was never used, and names it durably; nothing for no
/// bytes. Who lists the piece answers for letting go of it.
pub(crate) fn house(
    txn: &mut Txn<'_>,
    id: u64,
    payload: &Payload,
) -> Result<Option<Home>, Refusal> {
    match payload {
        Payload::Empty => Ok(None),
        Payload::Inline(bytes) => {
            txn.put_raw(schema::payload(id), bytes.clone());
            Ok(Some(Home::Row(id)))
        }
        Payload::Extent(piece, settled) => {
            let (key, piece) = (schema::piece(id), StoredPiece::from(*piece));
            hold_extent(txn, piece, id, &key)?;
            txn.put(key, &PieceRow { piece })?;
            txn.name_payload(settled);
            Ok(Some(Home::Extent(id)))
        }
    }
}

/// Lets go of a piece that nothing lists any more. Gives the extent that lost it, of which the
/// collector is to be told once the change is durable.
pub(crate) async fn abandon(txn: &mut Txn<'_>, home: Home) -> Result<Option<ExtentId>, Refusal> {
    match home {
        Home::Row(id) => {
            txn.delete(schema::payload(id));
            Ok(None)
        }
        Home::Extent(id) => {
            let key = schema::piece(id);
            let Some(row) = txn.get::<PieceRow>(&key).await? else { return Ok(None) };
            let extent = ExtentId(row.piece.extent);
            txn.delete(schema::extent_hold(extent, id));
            txn.delete(key);
            Ok(Some(extent))
        }
    }
}

impl Store {
    /// The bytes of a piece in the metadata.
    pub(crate) async fn piece_bytes(&self, id: u64) -> Result<Bytes, Refusal> {
        let found = self.meta.get(&schema::payload(id)).await;
        let found = found.map_err(|error| unavailable(&error))?;
        found.map(|found| found.value).ok_or_else(|| lost(id))
    }

    /// Where a piece in an extent is now. It can be read there for as long as a pin is held that
    /// was taken before.
    pub(crate) async fn piece_place(&self, id: u64) -> Result<Piece, Refusal> {
        let row = self.row::<PieceRow>(&schema::piece(id)).await?;
        row.map(|row| row.piece.into()).ok_or_else(|| lost(id))
    }
}

fn lost(id: u64) -> Refusal {
    Refusal::new(ErrorCode::InternalError).with_cause(format!("the piece {id:x} is missing"))
}
