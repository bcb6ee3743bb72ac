"""Copies within the server: asynchronous, synchronous, from a URL, of a range."""

import time

from azure.storage.blob import BlobBlock, BlobSasPermissions, generate_blob_sas
from clients import container
from harness import ACCOUNT, KEY, block_id, equal, hours_from_now, pattern, refuses, test


def source(tag, data):
    """A container with a blob, and a URL that may read it."""
    holder = container(tag)
    client = holder.get_blob_client("source ü")
    client.upload_blob(data, metadata={"from": "source"})
    token = generate_blob_sas(
        ACCOUNT,
        holder.container_name,
        "source ü",
        account_key=KEY,
        permission=BlobSasPermissions(read=True),
        expiry=hours_from_now(1),
    )
    return holder, f"{client.url}?{token}"


@test
def copy_blob_takes_content_and_metadata():
    data = pattern(300_000, 3)
    holder, url = source("copy", data)
    client = holder.get_blob_client("target")
    started = client.start_copy_from_url(url)
    for _ in range(100):
        copy = client.get_blob_properties().copy
        if copy.status != "pending":
            break
        time.sleep(0.05)
    equal((copy.status, copy.id), ("success", started["copy_id"]))
    equal(client.download_blob().readall(), data)
    equal(client.get_blob_properties().metadata, {"from": "source"})
    refuses(409, "NoPendingCopyOperation", client.abort_copy, started["copy_id"])
    other = holder.get_blob_client("other")
    other.start_copy_from_url(url, metadata={"from": "here"})
    equal(other.get_blob_properties().metadata, {"from": "here"})


@test
def copy_from_url_is_done_when_it_answers():
    data = pattern(100_000, 4)
    holder, url = source("sync", data)
    client = holder.get_blob_client("target")
    answer = client.start_copy_from_url(url, requires_sync=True)
    equal(answer["copy_status"], "success")
    equal(client.download_blob().readall(), data)


@test
def put_blob_from_url_makes_a_blob():
    data = pattern(50_000, 5)
    holder, url = source("fromurl", data)
    client = holder.get_blob_client("target")
    client.upload_blob_from_url(url)
    equal(client.download_blob().readall(), data)
    refuses(409, "BlobAlreadyExists", client.upload_blob_from_url, url, overwrite=False)


@test
def put_block_from_url_takes_a_range():
    data = pattern(90_000, 6)
    holder, url = source("blockurl", data)
    client = holder.get_blob_client("target")
    client.stage_block_from_url(block_id(0), url, source_offset=100, source_length=5000)
    client.stage_block_from_url(block_id(1), url, source_offset=0, source_length=10)
    client.commit_block_list([BlobBlock(block_id(0)), BlobBlock(block_id(1))])
    equal(client.download_blob().readall(), data[100:5100] + data[:10])


@test
def a_copy_of_nothing_is_refused():
    holder, url = source("nosource", b"x")
    client = holder.get_blob_client("target")
    missing = holder.get_blob_client("no").url
    refuses(404, None, client.start_copy_from_url, missing)
    refuses(412, None, client.start_copy_from_url, url, source_if_modified_since=hours_from_now(1))
    equal(client.exists(), False)


@test
def a_snapshot_is_promoted_by_copying_it():
    holder = container("promote")
    client = holder.get_blob_client("b")
    client.upload_blob(b"old")
    snapshot = client.create_snapshot()
    client.upload_blob(b"new", overwrite=True)
    client.start_copy_from_url(holder.get_blob_client("b", snapshot=snapshot).url)
    equal(client.download_blob().readall(), b"old")
