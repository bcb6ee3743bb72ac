"""The core of the suite in every service version that the SDK can speak.

What a version does not know yet is not asked for in it; what differs between versions is checked
by the tests of the server.
"""

from azure.storage.blob import BlobBlock, ContainerSasPermissions, generate_container_sas
from azure.storage.blob._serialize import _SUPPORTED_API_VERSIONS
from clients import service
from harness import ACCOUNT, BLOB, KEY, RUN, TESTS, block_id, equal, hours_from_now, main, raw, refuses


def write_and_read(holder, version):
    """Blobs as a whole, in blocks, in ranges and in snapshots."""
    client = holder.get_blob_client("whole")
    written = client.upload_blob(b"0123456789", metadata={"a": "1"})
    equal(client.download_blob(offset=2, length=3).readall(), b"234")
    properties = client.get_blob_properties()
    equal((properties.size, properties.metadata, properties.etag), (10, {"a": "1"}, written["etag"]))
    refuses(409, "BlobAlreadyExists", client.upload_blob, b"again")
    client.set_blob_metadata({"b": "2"})
    snapshot = client.create_snapshot()
    client.upload_blob(b"new", overwrite=True)
    old = holder.get_blob_client("whole", snapshot=snapshot["snapshot"])
    equal((old.download_blob().readall(), client.download_blob().readall()), (b"0123456789", b"new"))
    blocks = holder.get_blob_client("blocks")
    for number in range(3):
        blocks.stage_block(block_id(number), b"block%d" % number)
    blocks.commit_block_list([BlobBlock(block_id(number)) for number in (2, 0)])
    equal(blocks.download_blob().readall(), b"block2block0")
    copy = holder.get_blob_client("copy")
    copy.start_copy_from_url(blocks.url)
    equal(copy.download_blob().readall(), b"block2block0")
    copy.set_standard_blob_tier("Cold" if version >= "2021-12-02" else "Cool")


def leases_and_conditions(holder):
    """A lease keeps others out; conditions do, too."""
    client = holder.get_blob_client("leased")
    client.upload_blob(b"x")
    lease = client.acquire_lease(15)
    refuses(412, "LeaseIdMissing", client.upload_blob, b"y", overwrite=True)
    client.upload_blob(b"y", overwrite=True, lease=lease)
    lease.break_lease(0)
    before = client.get_blob_properties().last_modified
    refuses(412, "ConditionNotMet", client.set_blob_metadata, {}, if_modified_since=before)
    refuses(404, "BlobNotFound", holder.get_blob_client("none").get_blob_properties)


def lists_and_batches(holder, version):
    """Listings in pages, by prefix and with tags; a batch."""
    names = ["blocks", "copy", "leased", "whole"]
    pages = holder.list_blobs(results_per_page=3).by_page()
    equal([[item.name for item in page] for page in pages], [names[:3], names[3:]])
    holder.upload_blob("a/b", b"")
    equal([item.name for item in holder.walk_blobs()], ["a/", *names])
    if version >= "2019-12-12":
        client = holder.get_blob_client("tagged")
        client.upload_blob(b"", tags={"run": RUN})
        equal(client.get_blob_tags(), {"run": RUN})
        names.append("tagged")
    answers = list(holder.delete_blobs("a/b", "copy", "none", raise_on_any_failure=False))
    equal([answer.status_code for answer in answers], [202, 202, 404])


def a_token(holder):
    """A token of today's form reads, whatever version the client speaks."""
    token = generate_container_sas(
        ACCOUNT, holder.container_name, account_key=KEY,
        permission=ContainerSasPermissions(read=True), expiry=hours_from_now(1),
    )
    status, body, _ = raw("GET", f"{BLOB}/{holder.container_name}/whole?{token}")
    equal((status, body), (200, b"new"))


def core(version):
    """The core in one version."""
    client = service(api_version=version)
    holder = client.get_container_client(f"conf-v{version}-{RUN}")
    holder.create_container(metadata={"a": "1"})
    equal(holder.get_container_properties().metadata, {"a": "1"})
    write_and_read(holder, version)
    leases_and_conditions(holder)
    a_token(holder)
    lists_and_batches(holder, version)
    found = [item.name for item in client.list_containers(name_starts_with=holder.container_name)]
    equal(found, [holder.container_name])
    holder.delete_container()


for supported in _SUPPORTED_API_VERSIONS:
    TESTS.append((f"core in {supported}", lambda version=supported: core(version)))

if __name__ == "__main__":
    main()
