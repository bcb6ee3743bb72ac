//! The text of a message in a request's body.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-message#remarks>

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
/// `RequestBodyTooLarge` if the body is longer than any, or the text longer than the version knows;
/// `MissingContentLengthHeader`; `InvalidXmlDocument` and its like for a body that has no text.
pub(crate) async fn read(call: &mut Call<'_>) -> Result<String, Refusal> {
    let body = call.read_announced_body(queue_message::BODY_BYTES_MAX as u64).await?;
    take(call, &body)
}

/// Reads the text if there is a body; errors are those of [`read`].
pub(crate) async fn read_if_any(call: &mut Call<'_>) -> Result<Option<String>, Refusal> {
    let body = call.read_body(queue_message::BODY_BYTES_MAX as u64).await?;
    if body.is_empty() { Ok(None) } else { take(call, &body).map(Some) }
}
