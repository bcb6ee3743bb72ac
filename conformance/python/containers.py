"""Containers and the service: properties, metadata, policies, leases, listings."""

import uuid

from azure.storage.blob import (
    AccessPolicy,
    BlobAnalyticsLogging,
    ContainerSasPermissions,
    CorsRule,
    Metrics,
    PublicAccess,
    RetentionPolicy,
)
from clients import SERVICE, container
from harness import RUN, equal, hours_from_now, raw, refuses, test


@test
def container_lifecycle():
    client = SERVICE.get_container_client(f"conf-life-{RUN}")
    equal(client.exists(), False)
    created = client.create_container(metadata={"project": "x"})
    equal(client.exists(), True)
    properties = client.get_container_properties()
    equal(properties.etag, created["etag"])
    equal(properties.metadata, {"project": "x"})
    equal((properties.lease.state, properties.lease.status), ("available", "unlocked"))
    refuses(409, "ContainerAlreadyExists", client.create_container)
    client.delete_container()
    refuses(404, "ContainerNotFound", client.get_container_properties)
    refuses(404, "ContainerNotFound", client.delete_container)


@test
def container_metadata_is_replaced_and_changes_the_etag():
    client = container("meta", metadata={"a": "1"})
    before = client.get_container_properties().etag
    client.set_container_metadata({"b": "2"})
    after = client.get_container_properties()
    equal(after.metadata, {"b": "2"})
    assert after.etag != before, "the ETag stayed"
    # Of the date conditions this operation knows one, and no ETag condition.
    refuses(
        412,
        "ConditionNotMet",
        client.set_container_metadata,
        {"c": "3"},
        if_modified_since=hours_from_now(1),
    )
    equal(client.get_container_properties().metadata, {"b": "2"})


@test
def container_names_are_checked():
    for name in ["ab", "Upper", "a--b", "-ab", "ab-", "a_b", "x" * 64]:
        client = SERVICE.get_container_client(name)
        refuses(400, None, client.create_container)


@test
def list_containers_pages_by_prefix():
    for letter in "abcde":
        container(f"page-{letter}", metadata={"letter": letter})
    prefix = "conf-page-"
    found = SERVICE.list_containers(name_starts_with=prefix, include_metadata=True)
    mine = [item for item in found if item.name.endswith(RUN)]
    equal([item.metadata["letter"] for item in mine], list("abcde"))
    pages = SERVICE.list_containers(name_starts_with=prefix, results_per_page=2).by_page()
    first = [item.name for item in next(pages)]
    equal(len(first), 2)
    rest = SERVICE.list_containers(name_starts_with=prefix, results_per_page=2)
    names = [item.name for page in rest.by_page(pages.continuation_token) for item in page]
    assert not set(first) & set(names), "a page was repeated"


@test
def container_access_policies_and_public_access():
    client = container("acl")
    client.upload_blob("open", b"open")
    policy = AccessPolicy(
        ContainerSasPermissions(read=True, list=True),
        expiry=hours_from_now(2),
        start=hours_from_now(-2),
    )
    client.set_container_access_policy({"one": policy}, public_access=PublicAccess.CONTAINER)
    found = client.get_container_access_policy()
    equal(found["public_access"], "container")
    equal([item.id for item in found["signed_identifiers"]], ["one"])
    equal(found["signed_identifiers"][0].access_policy.permission, "rl")
    equal(raw("GET", f"{client.url}/open")[:2], (200, b"open"))
    equal(raw("GET", f"{client.url}?restype=container&comp=list")[0], 200)
    client.set_container_access_policy({"one": policy}, public_access=PublicAccess.BLOB)
    equal(raw("GET", f"{client.url}/open")[0], 200)
    assert raw("GET", f"{client.url}?restype=container&comp=list")[0] >= 400
    client.set_container_access_policy({})
    assert raw("GET", f"{client.url}/open")[0] >= 400
    equal(client.get_container_access_policy()["public_access"], None)
    six = {str(number): policy for number in range(6)}
    try:
        client.set_container_access_policy(six)
    except ValueError:
        return  # The SDK knows the limit of five by itself.
    raise AssertionError("six policies were taken")


@test
def container_lease_protects_from_deletion():
    client = container("lease")
    lease = client.acquire_lease(lease_duration=15, lease_id=str(uuid.uuid4()))
    properties = client.get_container_properties()
    equal((properties.lease.state, properties.lease.duration), ("leased", "fixed"))
    refuses(412, "LeaseIdMissing", client.delete_container)
    refuses(409, "LeaseAlreadyPresent", client.acquire_lease, lease_duration=15)
    lease.renew()
    other = str(uuid.uuid4())
    lease.change(other)
    equal(lease.id, other)
    equal(lease.break_lease(0), 0)
    equal(client.get_container_properties().lease.state, "broken")
    refuses(409, "LeaseIsBrokenAndCannotBeRenewed", lease.renew)
    lease.release()
    lease = client.acquire_lease()
    equal(client.get_container_properties().lease.duration, "infinite")
    client.delete_container(lease=lease)


@test
def list_blobs_flat_in_pages():
    client = container("flat")
    names = sorted(f"d{number % 3}/f{number:02}" for number in range(23)) + ["z"]
    for name in names:
        client.upload_blob(name, name.encode(), metadata={"n": name.replace("/", "-")})
    equal([item.name for item in client.list_blobs()], names)
    pages = [[item.name for item in page] for page in client.list_blobs(results_per_page=5).by_page()]
    equal([len(page) for page in pages], [5, 5, 5, 5, 4])
    equal(sum(pages, []), names)
    found = list(client.list_blobs(name_starts_with="d1/", include=["metadata"]))
    equal([item.name for item in found], [name for name in names if name.startswith("d1/")])
    equal(found[0].metadata, {"n": found[0].name.replace("/", "-")})
    equal(found[0].size, len(found[0].name))


@test
def list_blobs_by_hierarchy():
    client = container("tree")
    for name in ["a/1", "a/2", "a/b/3", "a0", "b/4", "c"]:
        client.upload_blob(name, b"x")
    equal([item.name for item in client.walk_blobs()], ["a/", "b/", "a0", "c"])
    equal([item.name for item in client.walk_blobs(name_starts_with="a/")], ["a/b/", "a/1", "a/2"])
    equal([item.name for item in client.walk_blobs(delimiter="0")], ["a0", "a/1", "a/2", "a/b/3", "b/4", "c"])


@test
def service_properties_are_kept():
    SERVICE.set_service_properties(
        analytics_logging=BlobAnalyticsLogging(
            read=True, write=True, delete=False, retention_policy=RetentionPolicy(True, 3)
        ),
        hour_metrics=Metrics(enabled=True, include_apis=True, retention_policy=RetentionPolicy(True, 4)),
        cors=[
            CorsRule(
                ["https://one.example"],
                ["GET", "PUT"],
                allowed_headers=["x-ms-*"],
                exposed_headers=["etag"],
                max_age_in_seconds=60,
            )
        ],
    )
    try:
        found = SERVICE.get_service_properties()
        equal(found["analytics_logging"].retention_policy.days, 3)
        equal(found["hour_metrics"].include_apis, True)
        equal(found["cors"][0].allowed_origins, "https://one.example")
        # A part that is not sent stays as it is.
        SERVICE.set_service_properties(hour_metrics=Metrics(enabled=False))
        equal(len(SERVICE.get_service_properties()["cors"]), 1)
    finally:
        SERVICE.set_service_properties(cors=[])
    equal(SERVICE.get_service_properties()["cors"] or [], [])


@test
def preflight_requests_follow_the_rules():
    client = container("cors")
    rule = CorsRule(["https://one.example"], ["GET"], allowed_headers=["x-ms-*"], max_age_in_seconds=9)
    SERVICE.set_service_properties(cors=[rule])
    try:
        headers = {"Origin": "https://one.example", "Access-Control-Request-Method": "GET"}
        status, _, answer = raw("OPTIONS", f"{client.url}/b", headers=headers)
        equal((status, answer["Access-Control-Allow-Origin"]), (200, "https://one.example"))
        headers["Access-Control-Request-Method"] = "DELETE"
        equal(raw("OPTIONS", f"{client.url}/b", headers=headers)[0], 403)
        headers = {"Origin": "https://two.example", "Access-Control-Request-Method": "GET"}
        equal(raw("OPTIONS", f"{client.url}/b", headers=headers)[0], 403)
    finally:
        SERVICE.set_service_properties(cors=[])


@test
def account_information_names_kind_and_sku():
    found = SERVICE.get_account_information()
    assert found["sku_name"] and found["account_kind"], found
