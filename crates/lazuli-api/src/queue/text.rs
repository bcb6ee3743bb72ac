//! The text of a message in a request's body.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-message#remarks>

use bytes::Bytes;
use lazuli_model::{ApiVersion, Refusal};
use lazuli_store::origin::Checksum;
use lazuli_wire::body::queue_message;
use sha2::{Digest as _, Sha256};

use crate::call::{Call, too_large};

/// Since this version a text may have 64 KiB.
const LARGE: ApiVersion = ApiVersion::new(2011, 8, 18);

/// The longest text before, in bytes.
const SMALL_BYTES_MAX: usize = 8 * 1024;

/// The longest text that a version knows, in bytes of UTF-8.
fn bytes_max(version: ApiVersion) -> usize {
    if version < LARGE { SMALL_BYTES_MAX } else { queue_message::TEXT_BYTES_MAX }
}

/// Reads the body. `RequestBodyTooLarge` for a text that is longer than the version knows, or a body
/// that is far longer.
async fn read_body(call: &mut Call<'_>) -> Result<Bytes, Refusal> {
    let max = bytes_max(call.version());
    let body = call.read_body(queue_message::BODY_BYTES_MAX as u64).await;
    body.map_err(|refusal| match refusal.status() {
        // What counts is the text, so that is the limit to tell.
        413 => too_large(max as u64),
        _ => refusal,
    })
}

/// Takes the text out of a body, and tells the journal what it is.
fn take(call: &Call<'_>, body: &[u8]) -> Result<String, Refusal> {
    let text = queue_message::read(body)?;
    let max = bytes_max(call.version());
    if text.len() > max {
        return Err(too_large(max as u64));
    }
    if let Some(origin) = call.store().origin() {
        origin.brought(Checksum::Sha256(Sha256::digest(&text).into()));
    }
    Ok(text)
}

/// Reads the text.
///
/// `RequestBodyTooLarge` if it is longer than the version knows; `InvalidXmlDocument` and its like
/// for a body that has no text.
pub(crate) async fn read(call: &mut Call<'_>) -> Result<String, Refusal> {
    let body = read_body(call).await?;
    take(call, &body)
}

/// Reads the text if there is a body; errors are those of [`read`].
pub(crate) async fn read_if_any(call: &mut Call<'_>) -> Result<Option<String>, Refusal> {
    let body = read_body(call).await?;
    if body.is_empty() { Ok(None) } else { take(call, &body).map(Some) }
}
