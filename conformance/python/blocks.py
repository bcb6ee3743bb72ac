"""Block lists: staging, committing, replacing, and uploads that the SDK splits itself."""

import hashlib
import io

from azure.storage.blob import BlobBlock
from clients import container
from harness import block_id, equal, pattern, refuses, test


@test
def blocks_are_staged_listed_and_committed():
    holder = container("blocks")
    client = holder.get_blob_client("b")
    parts = [pattern(60_000, number) for number in range(4)]
    for number in (2, 0, 1):
        client.stage_block(block_id(number), parts[number], validate_content=number == 1)
    committed, staged = client.get_block_list("all")
    equal((committed, sorted(block.id for block in staged)), ([], [block_id(n) for n in range(3)]))
    refuses(404, "BlobNotFound", client.download_blob)
    equal([item.name for item in holder.list_blobs(include=["uncommittedblobs"])], ["b"])
    equal(list(holder.list_blobs()), [])
    client.commit_block_list([BlobBlock(block_id(n)) for n in range(3)], metadata={"m": "1"})
    equal(client.download_blob().readall(), b"".join(parts[:3]))
    committed, staged = client.get_block_list("all")
    equal(([(block.id, block.size) for block in committed], staged), ([(block_id(n), 60_000) for n in range(3)], []))
    client.stage_block(block_id(3), parts[3])
    client.commit_block_list([BlobBlock(block_id(n)) for n in (3, 0, 0)])
    equal(client.download_blob().readall(), parts[3] + parts[0] + parts[0])
    equal(client.get_blob_properties().metadata, {})


@test
def a_block_list_with_an_unknown_block_is_refused_whole():
    client = container("wrong").get_blob_client("b")
    client.upload_blob(b"before")
    client.stage_block(block_id(1), b"one")
    refuses(400, "InvalidBlockList", client.commit_block_list, [BlobBlock(block_id(1)), BlobBlock(block_id(9))])
    equal(client.download_blob().readall(), b"before")


@test
def an_upload_discards_staged_blocks():
    client = container("discard").get_blob_client("b")
    client.stage_block(block_id(1), b"one")
    client.upload_blob(b"whole", overwrite=True)
    equal(client.get_block_list("all"), ([], []))
    refuses(400, "InvalidBlockList", client.commit_block_list, [BlobBlock(block_id(1))])


@test
def an_empty_block_list_is_an_empty_blob():
    client = container("nolist").get_blob_client("b")
    client.commit_block_list([])
    equal(client.download_blob().readall(), b"")


@test
def uploads_in_parallel_blocks_come_back_whole():
    client = container("parallel").get_blob_client("b")
    data = pattern(9_000_000, 5)
    client.upload_blob(io.BytesIO(data), max_concurrency=4)
    found = client.download_blob(max_concurrency=4).readall()
    equal(hashlib.sha256(found).digest(), hashlib.sha256(data).digest())
    equal(sum(block.size for block in client.get_block_list()[0]), len(data))
    client.upload_blob((piece for piece in [b"a", b"b" * 10]), overwrite=True)
    equal(client.download_blob().readall(), b"a" + b"b" * 10)


@test
def a_rewritten_block_counts_as_its_last():
    client = container("again").get_blob_client("b")
    client.stage_block(block_id(1), b"first")
    client.stage_block(block_id(1), b"second")
    client.commit_block_list([BlobBlock(block_id(1))])
    equal(client.download_blob().readall(), b"second")
