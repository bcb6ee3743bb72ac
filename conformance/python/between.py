"""Copies between two running Blob servers: `AZ_SOURCE` has the blobs, `AZ_BLOB` fetches them.

With `AZCOPY`, the path of azcopy, it moves a container from one to the other, too.
"""

import hashlib
import http.server
import os
import subprocess
import tempfile
import threading
import time
from urllib.parse import quote

from azure.storage.blob import (
    AccountSasPermissions,
    BlobBlock,
    BlobServiceClient,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)
from harness import (
    ACCOUNT,
    BLOB,
    CREDENTIAL,
    KEY,
    RUN,
    block_id,
    equal,
    hours_from_now,
    main,
    pattern,
    refuses,
    test,
)

SOURCE = os.environ["AZ_SOURCE"]
AZCOPY = os.environ.get("AZCOPY")

SOURCES = BlobServiceClient(SOURCE, credential=CREDENTIAL)
TARGETS = BlobServiceClient(BLOB, credential=CREDENTIAL)


def containers(tag):
    """A container on both servers, and a token to read the one of the source."""
    name = f"{tag}-{RUN}"
    token = generate_container_sas(
        ACCOUNT,
        name,
        account_key=KEY,
        permission=ContainerSasPermissions(read=True, list=True, tag=True),
        expiry=hours_from_now(1),
    )
    return SOURCES.create_container(name), TARGETS.create_container(name), token


def settled(client):
    """The copy onto a blob once it is no longer pending."""
    deadline = time.monotonic() + 60
    while True:
        copy = client.get_blob_properties().copy
        if copy.status != "pending":
            return copy
        if time.monotonic() > deadline:
            raise AssertionError(f"still pending: {copy}")
        time.sleep(0.05)


class Slow(http.server.BaseHTTPRequestHandler):
    """A source that has a byte at once and the others never."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Range") == "bytes=0-0":
            self.send_response(206)
            self.send_header("Content-Range", "bytes 0-0/1000000")
            self.send_header("Content-Length", "1")
        else:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(b"x")
        self.wfile.flush()
        if "Range" not in self.headers:
            # Until the other side is gone.
            self.connection.recv(1)
            self.close_connection = True

    def log_message(self, *arguments):
        pass


@test
def copy_blob_goes_on_by_itself():
    source, target, token = containers("copy")
    data = pattern(20_000_000, 1)
    source.upload_blob("a ü", data, metadata={"OwnerTeam": "a"}, tags={"k": "v"})
    url = f"{source.get_blob_client('a ü').url}?{token}"
    client = target.get_blob_client("b")
    started = client.start_copy_from_url(url)
    equal(started["copy_status"], "pending")
    copy = settled(client)
    equal((copy.status, copy.id), ("success", started["copy_id"]))
    equal(copy.progress, "20000000/20000000")
    equal("sig=" in copy.source, False)
    equal(client.download_blob().readall() == data, True, "content")
    equal(client.get_blob_properties().metadata, {"OwnerTeam": "a"})
    refuses(409, "NoPendingCopyOperation", client.abort_copy, started["copy_id"])


@test
def a_page_blob_is_copied_as_sparse_as_it_is():
    source, target, token = containers("pages")
    disk = source.get_blob_client("disk")
    disk.create_page_blob(1 << 40, sequence_number=9, metadata={"m": "1"})
    places = (0, 4096, 1 << 39, (1 << 40) - 512)
    for number, place in enumerate(places):
        disk.upload_page(pattern(512, number), place, 512)
    disk.upload_page(pattern(3 << 20, 7), 1 << 30, 3 << 20)
    client = target.get_blob_client("copy")
    client.start_copy_from_url(f"{disk.url}?{token}")
    copy = settled(client)
    equal((copy.status, copy.progress), ("success", f"{1 << 40}/{1 << 40}"))
    found = client.get_blob_properties()
    equal((found.blob_type, found.size, found.metadata), ("PageBlob", 1 << 40, {"m": "1"}))
    equal(found.page_blob_sequence_number, 9)
    listed = [(part.start, part.end) for part in client.list_page_ranges()]
    equal(listed, [(part.start, part.end) for part in disk.list_page_ranges()])
    for number, place in enumerate(places):
        equal(client.download_blob(offset=place, length=512).readall(), pattern(512, number))
    read = client.download_blob(offset=1 << 30, length=3 << 20).readall()
    equal(read == pattern(3 << 20, 7), True, "content")
    # A snapshot of it is copied as it was.
    taken = disk.create_snapshot()["snapshot"]
    disk.clear_page(0, 512)
    older = target.get_blob_client("older")
    older.start_copy_from_url(f"{disk.url}?snapshot={quote(taken)}&{token}")
    equal(settled(older).status, "success")
    equal(older.download_blob(offset=0, length=512).readall(), pattern(512, 0))


@test
def an_append_blob_is_copied_with_its_blocks():
    source, target, token = containers("appends")
    log = source.get_blob_client("log")
    log.create_append_blob()
    parts = [pattern(size, size) for size in (1, 70_000, 5000, 3_000_000)]
    for part in parts:
        log.append_block(part)
    log.seal_append_blob()
    client = target.get_blob_client("copy")
    client.start_copy_from_url(f"{log.url}?{token}")
    equal(settled(client).status, "success")
    found = client.get_blob_properties()
    equal((found.blob_type, found.append_blob_committed_block_count), ("AppendBlob", 4))
    equal(found.is_append_blob_sealed, True)
    equal(client.download_blob().readall() == b"".join(parts), True, "content")
    block = target.get_blob_client("block")
    block.upload_blob(b"x")
    refuses(409, "InvalidBlobType", block.start_copy_from_url, f"{log.url}?{token}")
    sync = target.get_blob_client("sync").start_copy_from_url
    refuses(409, "InvalidSourceBlobType", sync, f"{log.url}?{token}", requires_sync=True)


@test
def a_pending_copy_is_aborted():
    _, target, _ = containers("abort")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = target.get_blob_client("b")
    started = client.start_copy_from_url(f"http://127.0.0.1:{server.server_port}/slow")
    equal(started["copy_status"], "pending")
    equal(client.get_blob_properties().size, 0)
    refuses(409, "PendingCopyOperation", client.upload_blob, b"x", overwrite=True)
    refuses(409, "PendingCopyOperation", client.delete_blob)
    client.abort_copy(started["copy_id"])
    copy = client.get_blob_properties().copy
    equal((copy.status, copy.id), ("aborted", started["copy_id"]))
    equal(client.download_blob().readall(), b"")
    client.upload_blob(b"x", overwrite=True)
    server.shutdown()


@test
def what_is_done_when_it_answers():
    source, target, token = containers("sync")
    data = pattern(3_000_000, 2)
    source.upload_blob("a", data, metadata={"from": "source"}, tags={"k": "v"})
    url = f"{source.get_blob_client('a').url}?{token}"
    client = target.get_blob_client("put")
    client.upload_blob_from_url(url)
    equal(client.download_blob(validate_content=True).readall() == data, True, "content")
    equal(client.get_blob_properties().metadata, {"from": "source"})
    refuses(409, "BlobAlreadyExists", client.upload_blob_from_url, url, overwrite=False)
    client = target.get_blob_client("copy")
    answer = client.start_copy_from_url(url, requires_sync=True, tags="COPY")
    equal(answer["copy_status"], "success")
    equal(client.download_blob().readall() == data, True, "content")
    equal(client.get_blob_tags(), {"k": "v"})
    client = target.get_blob_client("blocks")
    client.stage_block_from_url(block_id(0), url, source_offset=100, source_length=50_000)
    md5 = bytearray(hashlib.md5(data).digest())
    client.stage_block_from_url(block_id(1), url, source_content_md5=md5)
    client.commit_block_list([BlobBlock(block_id(0)), BlobBlock(block_id(1))])
    equal(client.download_blob().readall() == data[100:50_100] + data, True, "content")
    md5[0] ^= 1
    refuses(400, "Md5Mismatch", client.stage_block_from_url, block_id(2), url, source_content_md5=md5)


@test
def what_the_source_refuses_is_told():
    source, target, token = containers("refused")
    source.upload_blob("a", b"x")
    client = target.get_blob_client("b")
    there, missing = source.get_blob_client("a").url, source.get_blob_client("no").url
    for call in (client.start_copy_from_url, client.upload_blob_from_url):
        refuses(404, "CannotVerifyCopySource", call, f"{missing}?{token}")
        refuses(401, "CannotVerifyCopySource", call, there)
        refuses(403, "CannotVerifyCopySource", call, f"{there}?{token[:-8]}AAAAAAA%3D")
        refuses(403, "CannotVerifyCopySource", call, "http://203.0.113.1/a")
        refuses(403, "CannotVerifyCopySource", call, "http://localhost:1/a")
        later = hours_from_now(1)
        refuses(412, None, call, f"{there}?{token}", source_if_modified_since=later)
    equal(client.exists(), False)


def azcopy(*arguments):
    """Runs azcopy and fails unless it succeeds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "AZCOPY_LOG_LOCATION": folder,
            "AZCOPY_JOB_PLAN_LOCATION": folder,
            "AZCOPY_DISABLE_SYSLOG": "true",
            "AZCOPY_AUTO_LOGIN_TYPE": "",
        }
        command = [AZCOPY, *arguments, "--from-to", "BlobBlob", "--skip-version-check"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            raise AssertionError(f"azcopy: {done.returncode} {done.stdout[-400:]}")


def contents(container):
    """Hash, type and metadata of each blob."""
    found = {}
    for blob in container.list_blobs(include=["metadata"]):
        data = container.get_blob_client(blob.name).download_blob().readall()
        kind = blob.content_settings.content_type
        found[blob.name] = (hashlib.sha256(data).hexdigest(), kind, blob.metadata, blob.blob_type)
    return found


@test
def azcopy_moves_a_container_from_server_to_server():
    if not AZCOPY:
        print("# AZCOPY names no azcopy: left out")
        return
    # azcopy takes two servers on one address for the same, so the containers have two names.
    source, _, token = containers("azcopy")
    target = TARGETS.create_container(f"azcopied-{RUN}")
    for number in range(40):
        name = f"tree {number % 3}/ü/{number}"
        source.upload_blob(name, pattern(number * 1013, number), metadata={"n": str(number)})
    source.upload_blob("large", pattern(40_000_000, 9), max_concurrency=2)
    log = source.get_blob_client("log")
    log.create_append_blob()
    log.append_block(pattern(2_000_000, 10))
    log.append_block(pattern(50_000, 11))
    disk = source.get_blob_client("disk")
    disk.create_page_blob(16 << 20)
    disk.upload_page(pattern(1 << 20, 12), 2 << 20, 1 << 20)
    writes = generate_account_sas(
        ACCOUNT,
        account_key=KEY,
        resource_types=ResourceTypes(service=True, container=True, object=True),
        permission=AccountSasPermissions(
            read=True, write=True, delete=True, list=True, add=True, create=True, tag=True
        ),
        expiry=hours_from_now(1),
    )
    there, here = f"{source.url}/*?{token}", f"{target.url}?{writes}"
    azcopy("copy", there, here, "--recursive", "--block-size-mb", "8")
    equal(contents(target), contents(source))
    equal(len(contents(target)), 43)
    # azcopy moves pages 4 MiB at a time and leaves out the parts of which none was written.
    parts = target.get_blob_client("disk").list_page_ranges()
    equal({(part.start >> 22, part.end >> 22) for part in parts}, {(0, 0)})
    source.upload_blob("large", b"small now", overwrite=True)
    source.upload_blob("new", b"new")
    source.delete_blob("tree 0/ü/0")
    azcopy("sync", f"{source.url}?{token}", here, "--recursive", "--delete-destination=true")
    equal(contents(target), contents(source))


if __name__ == "__main__":
    main()
