"""Append blobs: creating, appending from many sides, from a URL, conditions, sealing."""

from concurrent.futures import ThreadPoolExecutor

from azure.storage.blob import BlobSasPermissions, BlobType, generate_blob_sas
from clients import container
from harness import ACCOUNT, KEY, equal, hours_from_now, pattern, refuses, test


@test
def an_append_blob_grows_block_by_block():
    holder = container("append")
    client = holder.get_blob_client("log")
    client.create_append_blob(metadata={"m": "1"}, tags={"k": "v"})
    parts = [pattern(size, size) for size in (10, 5_000, 700_000)]
    offset = 0
    for number, part in enumerate(parts):
        answer = client.append_block(part, validate_content=number == 1)
        equal(int(answer["blob_append_offset"]), offset)
        equal(answer["blob_committed_block_count"], number + 1)
        offset += len(part)
    equal(client.download_blob().readall(), b"".join(parts))
    equal(client.download_blob(offset=5, length=100).readall(), b"".join(parts)[5:105])
    found = client.get_blob_properties()
    equal((found.blob_type, found.append_blob_committed_block_count), (BlobType.APPENDBLOB, 3))
    equal((found.size, found.metadata, found.tag_count), (offset, {"m": "1"}, 1))
    equal([item.blob_type for item in holder.list_blobs()], [BlobType.APPENDBLOB])
    client.create_append_blob()
    equal(client.download_blob().readall(), b"")


@test
def an_upload_of_an_append_blob_is_split():
    client = container("appendup").get_blob_client("log")
    data = pattern(900_000, 7)
    client.upload_blob(data, blob_type=BlobType.APPENDBLOB)
    client.upload_blob(data, blob_type=BlobType.APPENDBLOB)
    equal(client.download_blob().readall(), data + data)
    client.upload_blob(data, blob_type=BlobType.APPENDBLOB, overwrite=True)
    equal(client.download_blob().readall(), data)
    refuses(409, "InvalidBlobType", client.upload_blob, data, overwrite=True)


@test
def appends_of_many_clients_are_all_there_once():
    client = container("appendmany").get_blob_client("log")
    client.create_append_blob()

    def append(number):
        part = f"<{number:04}>".encode()
        return int(client.append_block(part)["blob_append_offset"]), part

    with ThreadPoolExecutor(8) as pool:
        placed = sorted(pool.map(append, range(80)))
    content = client.download_blob().readall()
    equal(content, b"".join(part for _, part in placed))
    equal([content[at : at + 6] for at, _ in placed], [part for _, part in placed])


@test
def conditions_on_the_place_hold():
    client = container("appendif").get_blob_client("log")
    client.create_append_blob()
    client.append_block(b"0123456789", appendpos_condition=0, maxsize_condition=10)
    refuses(412, "AppendPositionConditionNotMet", client.append_block, b"x", appendpos_condition=3)
    refuses(412, "MaxBlobSizeConditionNotMet", client.append_block, b"x", maxsize_condition=10)
    refuses(412, "LeaseNotPresentWithBlobOperation", client.append_block, b"x", lease="1" * 8 + "-1111-1111-1111-" + "1" * 12)
    lease = client.acquire_lease()
    refuses(412, "LeaseIdMissing", client.append_block, b"x")
    client.append_block(b"x", lease=lease)
    equal(client.download_blob().readall(), b"0123456789x")


@test
def a_block_comes_from_a_url():
    holder = container("appendurl")
    data = pattern(60_000, 9)
    holder.get_blob_client("source").upload_blob(data)
    token = generate_blob_sas(
        ACCOUNT,
        holder.container_name,
        "source",
        account_key=KEY,
        permission=BlobSasPermissions(read=True),
        expiry=hours_from_now(1),
    )
    url = f"{holder.get_blob_client('source').url}?{token}"
    client = holder.get_blob_client("log")
    client.create_append_blob()
    client.append_block_from_url(url)
    answer = client.append_block_from_url(url, source_offset=100, source_length=50)
    equal(int(answer["blob_append_offset"]), 60_000)
    equal(client.download_blob().readall(), data + data[100:150])
    refuses(
        412, "AppendPositionConditionNotMet", client.append_block_from_url, url, appendpos_condition=1
    )


@test
def a_sealed_blob_takes_no_more():
    holder = container("seal")
    client = holder.get_blob_client("log")
    client.create_append_blob()
    client.append_block(b"content")
    refuses(412, "AppendPositionConditionNotMet", client.seal_append_blob, appendpos_condition=1)
    equal(client.seal_append_blob()["blob_sealed"], True)
    refuses(409, "BlobIsSealed", client.append_block, b"more")
    equal(client.get_blob_properties().is_append_blob_sealed, True)
    equal([item.is_append_blob_sealed for item in holder.list_blobs()], [True])
    copy = holder.get_blob_client("copy")
    copy.start_copy_from_url(client.url, seal_destination_blob=True)
    refuses(409, "BlobIsSealed", copy.append_block, b"more")


@test
def snapshots_and_copies_keep_their_content():
    holder = container("appendsnap")
    client = holder.get_blob_client("log")
    client.create_append_blob()
    for number in range(200):
        client.append_block(f"{number:03}".encode())
    before = client.download_blob().readall()
    taken = client.create_snapshot()["snapshot"]
    copy = holder.get_blob_client("copy")
    copy.start_copy_from_url(client.url)
    client.append_block(b"after")
    copy.append_block(b"other")
    equal(holder.get_blob_client("log", snapshot=taken).download_blob().readall(), before)
    equal(client.download_blob().readall(), before + b"after")
    equal(copy.download_blob().readall(), before + b"other")
    client.delete_blob(delete_snapshots="include")
    equal(copy.download_blob().readall(), before + b"other")
