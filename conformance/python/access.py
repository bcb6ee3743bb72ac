"""Who may do what: keys, shared access signatures, anonymous callers."""

import base64

from azure.storage.blob import (
    AccessPolicy,
    AccountSasPermissions,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from clients import SERVICE, container
from harness import ACCOUNT, BLOB, KEY, equal, hours_from_now, raw, refuses, test


def blob_sas(holder, name, permission="r", **options):
    """A blob client that has a token for one blob."""
    settings = {"permission": BlobSasPermissions.from_string(permission), "expiry": hours_from_now(1)}
    token = generate_blob_sas(
        ACCOUNT, holder.container_name, name, account_key=KEY, **{**settings, **options}
    )
    return BlobClient(BLOB, holder.container_name, name, credential=token, retry_total=0)


@test
def a_wrong_key_is_refused():
    wrong = base64.b64encode(b"x" * 64).decode()
    client = BlobServiceClient(
        BLOB, credential={"account_name": ACCOUNT, "account_key": wrong}, retry_total=0
    )
    refuses(403, "AuthenticationFailed", client.get_service_properties)


@test
def anonymous_callers_see_nothing_private():
    holder = container("anon")
    holder.upload_blob("b", b"x")
    assert raw("GET", f"{holder.url}/b")[0] in (401, 403, 404, 409)
    assert raw("PUT", f"{holder.url}/b", b"y", {"x-ms-blob-type": "BlockBlob"})[0] >= 400
    assert raw("GET", f"{BLOB}/?comp=list")[0] >= 400
    equal(holder.download_blob("b").readall(), b"x")


@test
def an_account_sas_covers_what_it_names():
    holder = container("acct")
    holder.upload_blob("b", b"x")
    everywhere = ResourceTypes(service=True, container=True, object=True)
    token = generate_account_sas(
        ACCOUNT, KEY, everywhere, AccountSasPermissions(read=True, list=True), hours_from_now(1)
    )
    client = BlobServiceClient(BLOB, credential=token, retry_total=0)
    assert holder.container_name in [item.name for item in client.list_containers()]
    blob = client.get_blob_client(holder.container_name, "b")
    equal(blob.download_blob().readall(), b"x")
    refuses(403, "AuthorizationPermissionMismatch", blob.delete_blob)
    token = generate_account_sas(
        ACCOUNT, KEY, ResourceTypes(object=True), AccountSasPermissions(read=True, list=True), hours_from_now(1)
    )
    client = BlobServiceClient(BLOB, credential=token, retry_total=0)
    refuses(403, "AuthorizationResourceTypeMismatch", client.get_service_properties)


@test
def a_container_sas_covers_its_container():
    holder = container("csas")
    holder.upload_blob("b", b"x")
    token = generate_container_sas(
        ACCOUNT,
        holder.container_name,
        KEY,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=hours_from_now(1),
    )
    client = ContainerClient(BLOB, holder.container_name, credential=token, retry_total=0)
    equal([item.name for item in client.list_blobs()], ["b"])
    equal(client.download_blob("b").readall(), b"x")
    refuses(403, "AuthorizationPermissionMismatch", client.upload_blob, "w", b"w")
    other = container("csas-other")
    other.upload_blob("b", b"secret")
    client = ContainerClient(BLOB, other.container_name, credential=token, retry_total=0)
    refuses(403, "AuthenticationFailed", client.download_blob, "b")


@test
def a_blob_sas_is_held_to_its_limits():
    holder = container("bsas")
    holder.upload_blob("a b", b"x")
    equal(blob_sas(holder, "a b").download_blob().readall(), b"x")
    late = blob_sas(holder, "a b", expiry=hours_from_now(-1))
    refuses(403, "AuthenticationFailed", late.download_blob)
    early = blob_sas(holder, "a b", start=hours_from_now(1), expiry=hours_from_now(2))
    refuses(403, "AuthenticationFailed", early.download_blob)
    refuses(403, None, blob_sas(holder, "a b", ip="8.8.8.8").download_blob)
    equal(blob_sas(holder, "a b", ip="127.0.0.1-127.0.0.9").download_blob().readall(), b"x")
    refuses(403, "AuthorizationPermissionMismatch", blob_sas(holder, "a b").delete_blob)
    url = blob_sas(holder, "a b").url
    status, _, headers = raw("GET", url.replace("sp=r", "sp=rw"))
    equal((status, headers["x-ms-error-code"]), (403, "AuthenticationFailed"))
    if BLOB.startswith("http:"):
        refuses(403, None, blob_sas(holder, "a b", protocol="https").download_blob)


@test
def create_permission_does_not_overwrite():
    holder = container("create")
    blob_sas(holder, "b", "c").upload_blob(b"1")
    refuses(403, None, blob_sas(holder, "b", "c").upload_blob, b"2", overwrite=True)
    equal(holder.download_blob("b").readall(), b"1")
    blob_sas(holder, "b", "w").upload_blob(b"3", overwrite=True)
    equal(holder.download_blob("b").readall(), b"3")


@test
def a_stored_policy_can_be_revoked():
    holder = container("policy")
    holder.upload_blob("b", b"x")
    policy = AccessPolicy(ContainerSasPermissions(read=True), expiry=hours_from_now(1), start=hours_from_now(-1))
    holder.set_container_access_policy({"p": policy})
    token = generate_container_sas(ACCOUNT, holder.container_name, KEY, policy_id="p")
    client = ContainerClient(BLOB, holder.container_name, credential=token, retry_total=0)
    equal(client.download_blob("b").readall(), b"x")
    holder.set_container_access_policy({})
    refuses(403, "AuthenticationFailed", client.download_blob, "b")


@test
def a_token_can_override_response_headers():
    holder = container("override")
    holder.upload_blob("b", b"x")
    url = blob_sas(holder, "b", content_type="text/special", cache_control="no-store").url
    status, body, headers = raw("GET", url)
    equal((status, body), (200, b"x"))
    equal((headers["Content-Type"], headers["Cache-Control"]), ("text/special", "no-store"))


@test
def requests_are_told_apart_by_their_ids():
    seen = {}
    SERVICE.get_service_properties(
        client_request_id="my-id", raw_response_hook=lambda answer: seen.update(answer.http_response.headers)
    )
    seen = {name.lower(): value for name, value in seen.items()}
    equal(seen["x-ms-client-request-id"], "my-id")
    assert seen["x-ms-request-id"] and seen["x-ms-version"], seen
