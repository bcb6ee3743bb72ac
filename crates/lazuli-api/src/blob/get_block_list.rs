//! Get Block List.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-block-list>

use http::Method;
use lazuli_model::Refusal;
use lazuli_wire::body::block_list;
use lazuli_wire::body::block_list::Block;

use crate::access;
use crate::call::Call;
use crate::reply::Reply;
use crate::spec::{ENTITY, Effect, LEASE, Level, Selector, Spec, Status};

/// Get Block List.
pub static SPEC: Spec = Spec {
    name: "GetBlockList",
    title: "Get Block List",
    rows: &["BlockBlob_GetBlockList"],
    page: "https://learn.microsoft.com/rest/api/storageservices/get-block-list",
    level: Level::Blob,
    methods: &[Method::GET],
    effect: Effect::Reads,
    selectors: &[Selector::Query("comp", "blocklist")],
    access: access::BLOB_READ,
    query: &["blocklisttype", "timeout", "snapshot"],
    headers: &[LEASE, &["x-ms-if-tags"]],
    success: &[200],
    response: &[ENTITY, &["content-type", "x-ms-blob-content-length"]],
    status: Status::Built,
};

/// Tells committed and uncommitted blocks.
pub async fn handle(call: Call<'_>) -> Result<Reply, Refusal> {
    let (container, blob) = (call.container()?, call.blob()?);
    let asked = call.asked()?;
    let kind = call.query("blocklisttype").unwrap_or("committed").to_ascii_lowercase();
    let (committed, uncommitted) = match kind.as_str() {
        "committed" => (true, false),
        "uncommitted" => (false, true),
        "all" => (true, true),
        other => {
            let reason = "The value is not supported.";
            return Err(Refusal::query_value("blocklisttype", other, reason));
        }
    };
    if uncommitted {
        // Public access shows what was committed only.
        call.granted.require_authorisation()?;
    }
    let path = call.path(container.as_str(), blob.as_str());
    let lists = call.store().block_lists(&path, call.snapshot()?, &asked.terms(&call)).await?;
    let texts = |blocks: &[lazuli_store::blocks::ListedBlock]| {
        blocks.iter().map(|block| (block.id.to_text(), block.size)).collect::<Vec<_>>()
    };
    let sections = (texts(&lists.committed), texts(&lists.uncommitted));
    let first: Vec<Block<'_>> = sections.0.iter().map(block).collect();
    let second: Vec<Block<'_>> = sections.1.iter().map(block).collect();
    let xml = block_list::write(
        committed.then_some(first.as_slice()),
        uncommitted.then_some(second.as_slice()),
    );
    let reply = Reply::new(200).xml(xml);
    Ok(match &lists.row {
        Some(row) => {
            reply.entity(row.etag, row.modified).header("x-ms-blob-content-length", row.length)
        }
        None => reply.header("x-ms-blob-content-length", 0),
    })
}

fn block((id, len): &(String, u64)) -> Block<'_> {
    Block { id, len: *len }
}
