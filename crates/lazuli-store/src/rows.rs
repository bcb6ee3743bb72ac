//! What the rows hold, and how they are written: one format byte, then postcard.
//!
//! A row that needs another shape gets another format byte and its old decoder stays: data written
//! by every released version is read by every later one.

use bytes::Bytes;
use lazuli_base::Timestamp;
use lazuli_engine::Piece;
use lazuli_model::acl::{PublicAccess, SignedIdentifier};
use lazuli_model::blob_type::BlobType;
use lazuli_model::content::ContentHeaders;
use lazuli_model::copy::{CopyState, CopyStatus};
use lazuli_model::edm::EdmValue;
use lazuli_model::etag::ETag;
use lazuli_model::lease::Lease;
use lazuli_model::message::MessageId;
use lazuli_model::metadata::Metadata;
use lazuli_model::service_properties::ServiceProperties;
use lazuli_model::tags::TagSet;
use lazuli_model::tier::{AccessTier, RehydratePriority};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pages::Paged;
use crate::pages::cell::CellRow;
use crate::pages::map::{MapHold, MapRow};
use crate::pieces::Home;
use crate::schema::{ContainerId, ManifestId, QueueId, StagingId, StateId, TableId};

/// A row that cannot be decoded: it was written by a newer version, or it is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError(pub String);

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RowError {}

/// A row's value and its format.
pub trait Stored: Serialize + DeserializeOwned {
    /// The format byte this version writes.
    const FORMAT: u8;
    /// What to call the row in errors.
    const NAME: &'static str;

    /// The row's bytes.
    fn encode(&self) -> Result<Bytes, RowError> {
        let out = postcard::to_extend(self, vec![Self::FORMAT])
            .map_err(|error| RowError(format!("{} cannot be written: {error}", Self::NAME)))?;
        Ok(out.into())
    }

    /// The row in `bytes`.
    fn decode(bytes: &[u8]) -> Result<Self, RowError> {
        match bytes.split_first() {
            Some((&format, rest)) if format == Self::FORMAT => postcard::from_bytes(rest)
                .map_err(|error| RowError(format!("{} is damaged: {error}", Self::NAME))),
            Some((format, _)) => {
                Err(RowError(format!("{} has the unknown format {format}", Self::NAME)))
            }
            None => Err(RowError(format!("{} is empty", Self::NAME))),
        }
    }
}

macro_rules! stored {
    ($($row:ty = $format:literal $name:literal;)*) => {
        $(impl Stored for $row {
            const FORMAT: u8 = $format;
            const NAME: &'static str = $name;
        })*
    };
}

stored! {
    AccountRow = 1 "account row";
    ServiceRow = 1 "service row";
    ContainerRow = 1 "container row";
    BlobRow = 1 "blob row";
    StagingRow = 1 "staging row";
    BlockRow = 1 "block row";
    ManifestChunk = 1 "manifest chunk";
    ExtentHold = 1 "extent hold";
    GarbageRow = 1 "garbage row";
    TagRow = 1 "tag row";
    // The second format of a manifest's chunk, told from the first by this byte.
    PieceChunk = 2 "piece chunk";
    PieceRow = 1 "piece row";
    MapRow = 1 "page map row";
    MapHold = 1 "page map hold";
    CellRow = 1 "page map cell";
    RunRow = 1 "run row";
    RehydrationRow = 1 "rehydration row";
    TableRow = 1 "table row";
    EntityRow = 1 "entity row";
    QueueRow = 1 "queue row";
    HomeRow = 1 "row of a queue's home";
    MessageRow = 1 "message row";
    TextRow = 1 "message text";
}

/// What an account's service properties say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    /// Blob service properties.
    pub blob_service: ServiceProperties,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueRow {
    /// The id its messages are keyed by: another one once it was cleared.
    pub id: QueueId,
    /// When it was made.
    pub created: Timestamp,
    /// User metadata.
    pub metadata: Metadata,
    /// Stored access policies.
    pub policies: Vec<SignedIdentifier>,
}

/// Where a queue's messages are: what changes of messages rely on, apart from the queue's row, which
/// others may write as often as they like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeRow {
    /// The same as in the queue's row.
    pub id: QueueId,
}

/// A message, under the time at which it becomes visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Its identifier.
    pub id: MessageId,
    /// When it was put.
    pub inserted: Timestamp,
    /// When it is gone; `None` if it stays until it is deleted.
    pub expires: Option<Timestamp>,
    /// How often it was got.
    pub dequeued: u32,
    /// How often it was got or updated: which pop receipt is the valid one.
    pub change: u32,
    /// Its text.
    pub text: MessageText,
}

/// Where the text of a message is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageText {
    /// In the message's row.
    Here(String),
    /// In a row of its own, which does not move when the message does.
    Apart,
}

/// The text of a long message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRow {
    /// The text.
    pub text: String,
}

/// What the properties of a service other than Blob say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceRow {
    /// The properties.
    pub properties: ServiceProperties,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerRow {
    /// The id its blobs are keyed by.
    pub id: ContainerId,
    /// Changes with creation, metadata and access policy.
    pub etag: ETag,
    /// When that last happened.
    pub modified: Timestamp,
    /// User metadata.
    pub metadata: Metadata,
    /// Anonymous access.
    pub public_access: PublicAccess,
    /// Stored access policies.
    pub policies: Vec<SignedIdentifier>,
    /// The container's lease.
    pub lease: Lease,
}

/// A blob or a snapshot of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlobRow {
    /// The id under which the blob's bytes are held; new with every overwrite.
    pub state: StateId,
    /// Whether there is a blob: `false` for a name that has uncommitted blocks only.
    pub committed: bool,
    /// Block, page or append blob.
    pub blob_type: BlobType,
    /// When the blob was made or overwritten.
    pub created: Timestamp,
    /// When content, properties or metadata last changed.
    pub modified: Timestamp,
    /// Changes whenever `modified` does.
    pub etag: ETag,
    /// Content length in bytes.
    pub length: u64,
    /// Where the content is.
    pub data: BlobData,
    /// Content properties.
    pub content: ContentHeaders,
    /// User metadata.
    pub metadata: Metadata,
    /// Index tags.
    pub tags: TagSet,
    /// The tier that was set; `None` is the account's default.
    pub tier: Option<AccessTier>,
    /// When the tier last changed.
    pub tier_changed: Option<Timestamp>,
    /// The tier an archived blob is on its way to, and how urgently.
    pub rehydrating: Option<(AccessTier, RehydratePriority)>,
    /// The blob's lease.
    pub lease: Lease,
    /// The last copy operation that wrote this blob.
    pub copy: Option<CopyState>,
}

/// What an append blob has besides what every blob has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedBlob {
    /// Blocks in it.
    pub blocks: u32,
    /// Whether it takes no more.
    pub sealed: bool,
}

impl BlobRow {
    /// Whether a copy onto the blob is under way.
    pub fn is_being_copied(&self) -> bool {
        self.copy.as_ref().is_some_and(|copy| copy.status == CopyStatus::Pending)
    }

    /// What the blob has as an append blob; `None` if it is none. What a copy under way brought so
    /// far is not told: it is the blob's once the copy ends.
    pub fn appended(&self) -> Option<AppendedBlob> {
        match self.data {
            BlobData::Appended { count, sealed, .. } if self.blob_type == BlobType::Append => {
                let blocks = if self.is_being_copied() { 0 } else { count };
                Some(AppendedBlob { blocks, sealed })
            }
            _ => None,
        }
    }
}

/// Where a blob's content is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobData {
    /// Nowhere: it is empty.
    Empty,
    /// In the metadata, under the blob's state id.
    Inline,
    /// In one run of one extent.
    Extent(StoredPiece),
    /// In the blocks of a committed block list.
    Blocks {
        /// The list.
        manifest: ManifestId,
        /// Blocks in it.
        count: u32,
    },
    /// In the first pieces of a list that grows: an append blob.
    Appended {
        /// The list.
        list: ManifestId,
        /// Pieces of it that are the blob's: its committed blocks.
        count: u32,
        /// Whether the blob appends to this list. One that does not, a snapshot or a copy, has the
        /// pieces that were there when it was made, and begins a list of its own to append.
        owned: bool,
        /// Whether it takes no more blocks.
        sealed: bool,
    },
    /// In a page map.
    Pages(Paged),
}

/// A [`Piece`] as rows hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPiece {
    /// The extent's number.
    pub extent: u64,
    /// Offset of the first frame.
    pub offset: u64,
    /// Payload bytes.
    pub len: u64,
}

impl From<Piece> for StoredPiece {
    fn from(piece: Piece) -> Self {
        Self { extent: piece.extent.0, offset: piece.offset, len: piece.len }
    }
}

impl From<StoredPiece> for Piece {
    fn from(piece: StoredPiece) -> Self {
        Self { extent: lazuli_engine::ExtentId(piece.extent), offset: piece.offset, len: piece.len }
    }
}

/// The uncommitted blocks of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagingRow {
    /// The id the blocks are keyed by.
    pub id: StagingId,
    /// Bytes in every block id: they must all be equally long.
    pub block_id_len: u8,
    /// When the first block was put.
    pub started: Timestamp,
}

/// What a copy from elsewhere makes of the bytes that arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyForm {
    /// Blocks beside the blob, which become its content at the end.
    Blocks,
    /// So many blocks of an append blob, which are about equally long.
    Appends(u32),
    /// Pages.
    Pages,
}

/// A copy under way whose source is elsewhere. Its key names the blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteCopyRow {
    /// The blob's account.
    pub account: String,
    /// The blob's container.
    pub container: String,
    /// The copy's id.
    pub id: String,
    /// The URL that is read, its token included: gone with the row when the copy ends.
    pub url: String,
    /// The source's entity tag, if it has one that identifies its bytes.
    pub etag: Option<String>,
    /// The lease on the source, if one was given.
    pub lease: Option<String>,
    /// Bytes to copy.
    pub length: u64,
    /// Bytes in every block but the last.
    pub block_bytes: u64,
    /// The id its blocks are keyed by.
    pub staging: StagingId,
    /// When it was asked for.
    pub started: Timestamp,
    /// What is made of its bytes.
    pub form: CopyForm,
}

/// [`RemoteCopyRow`] in its first format: of a block blob.
#[derive(Serialize, Deserialize)]
struct RemoteBlockCopyRow {
    account: String,
    container: String,
    id: String,
    url: String,
    etag: Option<String>,
    lease: Option<String>,
    length: u64,
    block_bytes: u64,
    staging: StagingId,
    started: Timestamp,
}

impl Stored for RemoteCopyRow {
    const FORMAT: u8 = 2;
    const NAME: &'static str = "remote copy row";

    fn decode(bytes: &[u8]) -> Result<Self, RowError> {
        let damaged = |error| RowError(format!("{} is damaged: {error}", Self::NAME));
        match bytes.split_first() {
            Some((&Self::FORMAT, rest)) => postcard::from_bytes(rest).map_err(damaged),
            Some((1, rest)) => {
                let row: RemoteBlockCopyRow = postcard::from_bytes(rest).map_err(damaged)?;
                Ok(row.into())
            }
            Some((format, _)) => {
                Err(RowError(format!("{} has the unknown format {format}", Self::NAME)))
            }
            None => Err(RowError(format!("{} is empty", Self::NAME))),
        }
    }
}

impl From<RemoteBlockCopyRow> for RemoteCopyRow {
    fn from(row: RemoteBlockCopyRow) -> Self {
        Self {
            account: row.account,
            container: row.container,
            id: row.id,
            url: row.url,
            etag: row.etag,
            lease: row.lease,
            length: row.length,
            block_bytes: row.block_bytes,
            staging: row.staging,
            started: row.started,
            form: CopyForm::Blocks,
        }
    }
}

/// An uncommitted block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRow {
    /// The id its bytes are held under.
    pub holder: u64,
    /// When it was put.
    pub put: Timestamp,
    /// Where its bytes are; a block is never empty.
    pub piece: StoredPiece,
}

/// A block of a committed block list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestBlock {
    /// The decoded block id.
    pub id: Vec<u8>,
    /// Where its bytes are.
    pub piece: StoredPiece,
}

/// A chunk of a committed block list: at most [`MANIFEST_CHUNK_BLOCKS`] blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestChunk {
    /// Content offset of the chunk's first block.
    pub start: u64,
    /// The blocks, in content order.
    pub blocks: Vec<ManifestBlock>,
}

/// Blocks in one chunk of a block list.
pub const MANIFEST_CHUNK_BLOCKS: usize = 256;

/// A piece in a list, which is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPiece {
    /// Where its bytes are.
    pub home: Home,
    /// Bytes in it.
    pub len: u64,
}

/// A chunk of a list of pieces. All but the last have [`PIECE_CHUNK_PIECES`] pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceChunk {
    /// Content offset of the chunk's first piece.
    pub start: u64,
    /// In the first chunk of a list that was begun with pieces of another: that list, and how many
    /// pieces of it are the first ones here. They stay the other's, which this list holds.
    pub begun_with: Option<(ManifestId, u32)>,
    /// The pieces, in content order.
    pub pieces: Vec<ListedPiece>,
}

/// Pieces in one chunk of a list of pieces: an append writes its last chunk anew.
pub const PIECE_CHUNK_PIECES: usize = 128;

/// Where a piece is that is in an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceRow {
    /// Where its bytes are.
    pub piece: StoredPiece,
}

/// What of a manifest a holder names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListHold {
    /// All, with what is still to come: a blob's block list, or the list it appends to.
    All,
    /// This many pieces from the first on.
    First(u32),
}

impl ListHold {
    /// The row's bytes: none for all of it.
    pub fn encode(self) -> Bytes {
        match self {
            Self::All => Bytes::new(),
            Self::First(count) => Bytes::copy_from_slice(&count.to_be_bytes()),
        }
    }

    /// What the row's bytes say.
    ///
    /// # Errors
    /// They are neither none nor a number.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowError> {
        if bytes.is_empty() {
            return Ok(Self::All);
        }
        let count = bytes.try_into().map_err(|_| RowError("list hold is damaged".to_owned()))?;
        Ok(Self::First(u32::from_be_bytes(count)))
    }
}

/// What of an extent a holder names, and who the holder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtentHold {
    /// Runs of the extent: offset of the first frame and payload bytes.
    pub pieces: Vec<(u64, u64)>,
    /// Key of the row that names them: a blob's, a block's, a piece's or a manifest's first chunk.
    pub owner: Vec<u8>,
}

/// Work left for the collector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GarbageRow {
    /// For a deleted container, queue or table, the account it belonged to.
    pub account: String,
}

/// A row of the tag index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagRow {
    /// The container's name.
    pub container: String,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// The id its entities are keyed by.
    pub id: TableId,
    /// Its name, in the case it was made with.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Stored access policies.
    pub policies: Vec<SignedIdentifier>,
}

/// An entity, but for its keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityRow {
    /// When it last changed; every change has a later one.
    pub timestamp: Timestamp,
    /// Its properties, in the order they were given.
    pub properties: Vec<(String, EdmValue)>,
}

/// How often the store was opened to write: no two runs draw the same identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// The number of the last run.
    pub run: u32,
}

/// When an archived blob comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehydrationRow {
    /// The time.
    pub due: Timestamp,
    /// The state that was archived: one that was written since does not wait.
    pub state: StateId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_the_first_format_tells_of_is_of_a_block_blob() {
        let old = RemoteBlockCopyRow {
            account: "a".to_owned(),
            container: "c".to_owned(),
            id: "i".to_owned(),
            url: "http://host/c/b".to_owned(),
            etag: Some("\"1\"".to_owned()),
            lease: None,
            length: 9,
            block_bytes: 8,
            staging: StagingId(7),
            started: Timestamp::from_ticks(6),
        };
        let bytes = postcard::to_extend(&old, vec![1]).unwrap();
        let row = RemoteCopyRow::decode(&bytes).unwrap();
        assert_eq!((row.form, row.staging, row.length), (CopyForm::Blocks, StagingId(7), 9));
        assert_eq!(RemoteCopyRow::decode(&row.encode().unwrap()), Ok(row));
        assert!(RemoteCopyRow::decode(&[3]).is_err());
        assert!(RemoteCopyRow::decode(&[]).is_err());
    }
}
