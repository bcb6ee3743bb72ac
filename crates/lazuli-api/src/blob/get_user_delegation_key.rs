//! Get User Delegation Key.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>

use lazuli_model::Refusal;

use crate::call::Call;
use crate::reply::Reply;
use crate::spec::Spec;
use crate::{access, delegation_key};

/// Get User Delegation Key.
pub static SPEC: Spec =
    delegation_key::spec(access::BLOB_DELEGATION_KEY, &["Service_GetUserDelegationKey"]);

/// Makes a key.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    delegation_key::get(call).await
}
