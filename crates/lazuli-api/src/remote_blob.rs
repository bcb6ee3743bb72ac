//! A whole blob of another server on its way into the store, as the operations bring it that are
//! complete when they answer.

use lazuli_model::tags::TagSet;
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::origin::Checksum;
use lazuli_store::payload::{Payload, Placement};
use lazuli_wire::md5;

use crate::call::{Call, too_large};
use crate::decode::Asked;
use crate::remote_source::{Properties, RemoteSource, in_time, unfetched};
use crate::upload::Hashes;

/// What is wanted of a blob elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The MD5 its content has to have, if the caller told one.
    pub(crate) md5: Option<[u8; 16]>,
    /// Most bytes of it.
    pub(crate) bytes_max: u64,
    /// Whether its tags are wanted, too.
    pub(crate) tags: bool,
    /// Whether it has to be a block blob, if its server tells that it is a blob.
    pub(crate) is_block_blob: bool,
}

/// A blob that was read whole and verified.
#[derive(Debug)]
pub(crate) struct RemoteBlob {
    /// The bytes, not yet named.
    pub(crate) payload: Payload,
    /// What its server tells of it. The MD5 is that of the bytes.
    pub(crate) properties: Properties,
    /// Its tags, if they were wanted.
    pub(crate) tags: TagSet,
}

impl Call<'_> {
    /// Brings a whole blob.
    ///
    /// `InvalidSourceBlobType` for a blob of another type, `RequestBodyTooLarge` for more than is
    /// wanted, `Md5Mismatch` for other content, `OperationTimedOut` if it takes too long.
    pub(crate) async fn bring_blob(
        &self,
        from: &RemoteSource,
        asked: &Asked,
        wanted: Wanted,
    ) -> Result<RemoteBlob, Refusal> {
        in_time(self.bring(from, asked, wanted)).await
    }

    async fn bring(
        &self,
        from: &RemoteSource,
        asked: &Asked,
        wanted: Wanted,
    ) -> Result<RemoteBlob, Refusal> {
        let tags =
            if wanted.tags { self.remote_tags(from, asked).await? } else { TagSet::default() };
        let mut content = self.open_remote(from, asked, None).await?;
        let blob_type = content.headers().get("x-ms-blob-type");
        if wanted.is_block_blob && blob_type.is_some_and(|told| told != "BlockBlob") {
            return Err(ErrorCode::InvalidSourceBlobType.into());
        }
        let bytes = content.remaining();
        if bytes > wanted.bytes_max {
            return Err(too_large(wanted.bytes_max));
        }
        let mut properties = Properties::of(content.headers())?;
        let mut ingest = self.store().ingest(Placement::Anywhere, Some(bytes));
        let mut hashes = Hashes::new(true, Some(bytes));
        while let Some(part) = content.next().await.map_err(|error| unfetched(&error))? {
            hashes.update(&part).await?;
            ingest.write(part).await?;
        }
        let (computed, crc64) = hashes.finish().await?;
        if let (Some(expected), Some(computed)) = (&wanted.md5, &computed) {
            md5::verify(expected, computed)?;
        }
        if let Some(origin) = self.store().origin() {
            origin.brought(computed.map_or(Checksum::Crc64(crc64), Checksum::Md5));
        }
        properties.content.md5 = computed;
        Ok(RemoteBlob { payload: ingest.finish().await?, properties, tags })
    }
}
