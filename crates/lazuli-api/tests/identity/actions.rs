//! Which roles may call which operation, of every operation.

use lazuli_api::operations;
use lazuli_api::spec::{Level, Selector, Spec};
use lazuli_auth::{DataAction, Role, RoleAccess};
use lazuli_model::Service;

use crate::fixture::{Call, Services, call};
use crate::issuer::{NOBODY, OWNER, role};

/// What an operation needs, as the documentation has it: one of these sets of actions.
type Needs = &'static [&'static [&'static str]];

/// Roles of the management plane only, or nobody at all.
const NOBODY_AT_ALL: Needs = &[];
/// Any role: each part is asked about by itself.
const EACH_PART: Needs = &[&[]];

const CONTAINER: &str = "blobServices/containers";
const BLOB: &str = "blobServices/containers/blobs";
const QUEUE: &str = "queueServices/queues";
const MESSAGE: &str = "queueServices/queues/messages";
const TABLE: &str = "tableServices/tables";
const ENTITY: &str = "tableServices/tables/entities";

/// The documentation's tables; operations with the same needs stand together.
#[rustfmt::skip]
const DOCUMENTED: &[(Service, &str, Needs, &[&str])] = &[
    (Service::Blob, "", NOBODY_AT_ALL, &["GetBlobServiceProperties", "SetBlobServiceProperties",
        "GetBlobServiceStats", "GetAccountInformation", "CreateSession"]),
    (Service::Blob, "blobServices", &[&["generateUserDelegationKey/action"]],
        &["GetUserDelegationKey"]),
    (Service::Blob, CONTAINER, &[&["read"]],
        &["ListContainers", "GetContainerProperties", "GetContainerMetadata"]),
    (Service::Blob, CONTAINER, &[&["write"]], &["CreateContainer", "SetContainerMetadata",
        "LeaseContainerAcquire", "LeaseContainerRenew", "LeaseContainerChange",
        "LeaseContainerRelease", "LeaseContainerBreak", "RestoreContainer", "RenameContainer",
        "BlobBatch", "BlobBatchInContainer"]),
    (Service::Blob, CONTAINER, &[&["delete"]], &["DeleteContainer"]),
    (Service::Blob, CONTAINER, &[&["getAcl/action"]], &["GetContainerAcl"]),
    (Service::Blob, CONTAINER, &[&["setAcl/action"]], &["SetContainerAcl"]),
    (Service::Blob, BLOB, &[&["read"]], &["ListBlobs", "GetBlob", "GetBlobProperties",
        "GetBlobMetadata", "GetBlockList", "GetPageRanges", "QueryBlobContents"]),
    (Service::Blob, BLOB, &[&["filter/action"]],
        &["FindBlobsByTags", "FindBlobsByTagsInContainer"]),
    (Service::Blob, BLOB, &[&["tags/read"]], &["GetBlobTags"]),
    (Service::Blob, BLOB, &[&["tags/write"]], &["SetBlobTags"]),
    (Service::Blob, BLOB, &[&["write"], &["add/action"]], &["PutBlob", "PutAppendBlob",
        "PutPageBlob", "PutBlobFromUrl", "SnapshotBlob", "CopyBlob", "CopyBlobFromUrl",
        "AppendBlock", "AppendBlockFromUrl"]),
    (Service::Blob, BLOB, &[&["write"]], &["PutBlock", "PutBlockFromUrl", "PutBlockList",
        "SetBlobProperties", "SetBlobMetadata", "SetBlobTier", "LeaseBlobAcquire",
        "LeaseBlobRenew", "LeaseBlobChange", "LeaseBlobRelease", "LeaseBlobBreak",
        "AbortCopyBlob", "PutPage", "PutPageFromUrl", "ResizePageBlob", "IncrementalCopyBlob",
        "SetPageBlobSequenceNumber", "AppendBlobSeal", "UndeleteBlob", "SetBlobExpiry"]),
    (Service::Blob, BLOB, &[&["delete"]], &["DeleteBlob"]),
    (Service::Blob, BLOB, &[&["immutableStorage/runAsSuperUser/action"]],
        &["SetBlobImmutabilityPolicy", "DeleteBlobImmutabilityPolicy", "SetBlobLegalHold"]),

    (Service::Queue, "", NOBODY_AT_ALL, &["GetQueueServiceProperties",
        "SetQueueServiceProperties", "GetQueueServiceStats"]),
    (Service::Queue, "queueServices", &[&["generateUserDelegationKey/action"]],
        &["GetUserDelegationKey"]),
    (Service::Queue, QUEUE, &[&["read"]], &["ListQueues", "GetQueueMetadata"]),
    (Service::Queue, QUEUE, &[&["write"]], &["CreateQueue", "SetQueueMetadata"]),
    (Service::Queue, QUEUE, &[&["delete"]], &["DeleteQueue"]),
    (Service::Queue, QUEUE, &[&["getAcl/action"]], &["GetQueueAcl"]),
    (Service::Queue, QUEUE, &[&["setAcl/action"]], &["SetQueueAcl"]),
    (Service::Queue, MESSAGE, &[&["add/action"], &["write"]], &["PutMessage"]),
    (Service::Queue, MESSAGE, &[&["process/action"], &["delete", "read"]], &["GetMessages"]),
    (Service::Queue, MESSAGE, &[&["read"]], &["PeekMessages"]),
    (Service::Queue, MESSAGE, &[&["process/action"], &["delete"]], &["DeleteMessage"]),
    (Service::Queue, MESSAGE, &[&["delete"]], &["ClearMessages"]),
    (Service::Queue, MESSAGE, &[&["write"]], &["UpdateMessage"]),

    (Service::Table, "", NOBODY_AT_ALL, &["GetTableServiceProperties",
        "SetTableServiceProperties", "GetTableServiceStats"]),
    (Service::Table, "tableServices", &[&["generateUserDelegationKey/action"]],
        &["GetUserDelegationKey"]),
    (Service::Table, "", EACH_PART, &["EntityGroupTransaction"]),
    (Service::Table, TABLE, &[&["read"]], &["QueryTables", "GetTable"]),
    (Service::Table, TABLE, &[&["write"]], &["CreateTable"]),
    (Service::Table, TABLE, &[&["delete"]], &["DeleteTable"]),
    (Service::Table, TABLE, &[&["getAcl/action"]], &["GetTableAcl"]),
    (Service::Table, TABLE, &[&["setAcl/action"]], &["SetTableAcl"]),
    (Service::Table, ENTITY, &[&["read"]], &["QueryEntities", "GetEntity"]),
    (Service::Table, ENTITY, &[&["write"], &["add/action"]], &["InsertEntity"]),
    (Service::Table, ENTITY, &[&["write"], &["add/action", "update/action"]],
        &["InsertOrMergeEntity", "InsertOrReplaceEntity"]),
    (Service::Table, ENTITY, &[&["write"], &["update/action"]], &["UpdateEntity", "MergeEntity"]),
    (Service::Table, ENTITY, &[&["delete"]], &["DeleteEntity"]),
];

const SERVICES: [Service; 3] = [Service::Blob, Service::Queue, Service::Table];

/// What the documentation says of an operation: the sets of official names, each of which suffices.
fn documented(service: Service, spec: &Spec) -> Vec<Vec<String>> {
    let mut rows =
        DOCUMENTED.iter().filter(|(of, _, _, names)| *of == service && names.contains(&spec.name));
    let (_, below, needs, _) = rows.next().unwrap_or_else(|| panic!("no row for {}", spec.name));
    assert!(rows.next().is_none(), "two rows for {}", spec.name);
    let full = |names: &&[&str]| names.iter().map(|name| format!("{below}/{name}")).collect();
    needs.iter().map(full).collect()
}

#[test]
fn every_operation_declares_the_actions_that_are_documented() {
    let mut count = 0;
    for service in SERVICES {
        for operation in operations::of(service) {
            let spec = operation.spec;
            let declared: Vec<Vec<String>> = match spec.access.roles {
                RoleAccess::AnyOf(any_of) | RoleAccess::Since(_, any_of) => {
                    let names = |set: &lazuli_auth::Actions| {
                        set.iter().map(|action| action.name().to_owned()).collect()
                    };
                    any_of.iter().map(names).collect()
                }
                RoleAccess::EachPart => vec![Vec::new()],
                RoleAccess::Management(_) | RoleAccess::Never => Vec::new(),
            };
            let sorted = |mut sets: Vec<Vec<String>>| {
                for set in &mut sets {
                    set.sort();
                }
                sets.sort();
                sets
            };
            assert_eq!(sorted(declared), sorted(documented(service, spec)), "{}", spec.name);
            count += 1;
        }
    }
    let rows: usize = DOCUMENTED.iter().map(|(.., names)| names.len()).sum();
    // Account information is an operation of three levels.
    assert_eq!(count, rows + 2);
}

/// A request that is the operation, without more than it takes to be told as such.
fn request(service: Service, spec: &Spec) -> Call {
    let path = match spec.level {
        Level::Account => "/",
        Level::Container => "/box",
        Level::Blob => "/box/b",
        Level::Tables => "/Tables",
        Level::NamedTable => "/Tables('gems')",
        Level::Table => "/gems",
        Level::Entity => "/gems(PartitionKey='p',RowKey='r')",
        Level::Batch => "/$batch",
        Level::Queue => "/things",
        Level::Messages => "/things/messages",
        Level::Message => "/things/messages/id",
    };
    let begun = call(service, spec.methods[0].as_str(), path);
    spec.selectors.iter().fold(begun, |call, selector| match *selector {
        Selector::Query(name, value) => call.query(&format!("{name}={value}")),
        Selector::Header(name, value) => call.header(name, value),
        Selector::HasHeader(name) => call.header(name, "http://127.0.0.1:10000/x"),
        Selector::QueryNot(..)
        | Selector::NoQuery(_)
        | Selector::HeaderNot(..)
        | Selector::NoHeader(_) => call,
    })
}

/// The code by which roles refuse; empty for any other answer.
fn refusal(services: &Services, call: &Call) -> String {
    let answer = services.send(call);
    let code = answer.header("x-ms-error-code");
    let refuses = answer.status() == 403 && code.starts_with("Authorization");
    if refuses { code } else { String::new() }
}

#[test]
fn each_role_may_call_what_its_actions_permit_and_nothing_else() {
    let mut services = Services::new();
    for held in Role::ALL {
        services.assign(vec![role(OWNER, held, None)]);
        let actions: Vec<&str> = held.actions().iter().map(DataAction::name).collect();
        for service in SERVICES {
            for operation in operations::of(service) {
                let spec = operation.spec;
                let suffices =
                    |set: &Vec<String>| set.iter().all(|name| actions.contains(&name.as_str()));
                let may =
                    held.service() == service && documented(service, spec).iter().any(suffices);
                let code = refusal(&services, &request(service, spec).by(OWNER));
                assert_eq!(code.is_empty(), may, "{} {}: {code}", held.name(), spec.name);
                let stranger = refusal(&services, &request(service, spec).by(NOBODY));
                assert_eq!(stranger, "AuthorizationPermissionMismatch", "{}", spec.name);
                // An operation that deletes what the next ones need is put right.
                let made = [
                    call(Service::Blob, "PUT", "/box?restype=container"),
                    call(Service::Queue, "PUT", "/things"),
                ];
                made.iter().filter(|_| may).for_each(|call| drop(services.send(call)));
            }
        }
    }
}

#[test]
fn access_policies_are_for_identities_since_a_version() {
    let services = Services::new();
    for (service, target) in
        [(Service::Blob, "/box?restype=container&comp=acl"), (Service::Queue, "/things?comp=acl")]
    {
        let get = call(service, "GET", target).by(OWNER);
        let old = services.send(&get.clone().version("2025-05-05"));
        old.refused(403, "AuthorizationFailure");
        let status = services.send(&get.version("2025-07-05")).status();
        // No role on data lets anybody read the policies of a queue.
        assert_eq!(status, if service == Service::Blob { 200 } else { 403 });
    }
}
