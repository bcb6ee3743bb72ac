//! What the operations that change an entity have in common.

use lazuli_model::entity::{EntityKey, IfMatch, Properties};
use lazuli_model::{ErrorCode, Refusal};
use lazuli_store::entity::{Action, Change};
use lazuli_wire::headers;
use lazuli_wire::odata::format::Format;
use lazuli_wire::odata::token;

use crate::call::Call;
use crate::reply::Reply;
use crate::table::answer;

/// What `If-Match` asks. `MissingRequiredHeader` without it, `InvalidInput` if it is malformed.
pub(crate) fn condition(call: &Call<'_>) -> Result<IfMatch, Refusal> {
    // An empty header is there, and asks for nothing an entity has.
    let Some(text) = headers::text(call.head.headers, "if-match")? else {
        let missing = Refusal::new(ErrorCode::MissingRequiredHeader);
        return Err(missing.with_detail("HeaderName", "If-Match"));
    };
    token::if_match(text)
}

/// The change that a request asks for: of the entity it addresses, or else of the one in its body.
///
/// `PropertiesNeedValue` if a key is in neither, `InvalidInput` if it differs between both.
pub(crate) fn of(
    action: Action,
    addressed: Option<&EntityKey>,
    (format, body): (Format, &[u8]),
) -> Result<Change, Refusal> {
    if matches!(action, Action::Delete(_)) {
        let key = addressed.cloned().unwrap_or_default();
        return Ok(Change { key, action, properties: Properties::default(), content: Vec::new() });
    }
    let given = answer::read_entity(format, body)?;
    let key = match addressed {
        Some(key) => {
            let differs = |given: &Option<String>, own: &String| {
                given.as_ref().is_some_and(|given| given != own)
            };
            if differs(&given.partition, &key.partition) || differs(&given.row, &key.row) {
                return Err(Refusal::new(ErrorCode::InvalidInput)
                    .with_cause("the keys in the body are not those of the address"));
            }
            key.clone()
        }
        None => match (given.partition, given.row) {
            (Some(partition), Some(row)) => EntityKey { partition, row },
            _ => return Err(ErrorCode::PropertiesNeedValue.into()),
        },
    };
    Ok(Change { key, action, properties: given.properties, content: body.to_vec() })
}

/// Makes the change of the addressed entity.
pub(crate) async fn one(mut call: Call<'_>, action: Action) -> Result<Reply, Refusal> {
    let (table, key) = (call.table()?, call.entity_key()?);
    let deletes = matches!(action, Action::Delete(_));
    let change = if deletes {
        of(action, Some(key), (answer::JSON, &[]))?
    } else {
        let kind = answer::body_format(&call)?;
        let body = call.read_announced_body(answer::BODY_BYTES_MAX).await?;
        of(action, Some(key), (kind, &body))?
    };
    let made = call.store().change_entity(call.account(), &table, &change).await?;
    let reply = answer::reply(&call, 204);
    Ok(if deletes { reply } else { reply.header("etag", token::etag(made.at)) })
}
