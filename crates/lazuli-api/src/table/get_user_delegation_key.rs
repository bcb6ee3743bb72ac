//! Get User Delegation Key.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>

use lazuli_model::Refusal;

use crate::call::Call;
use crate::reply::Reply;
use crate::spec::Spec;
use crate::{access, delegation_key};

/// Get User Delegation Key, which the description of tables does not have.
pub static SPEC: Spec = delegation_key::spec(access::TABLE_DELEGATION_KEY, &[]);

/// Makes a key.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    delegation_key::get(call).await
}
