"""Block blobs: content, properties, ranges, conditions, leases, snapshots, tiers."""

import base64
import hashlib
import io
import time
import uuid

from azure.core import MatchConditions
from azure.storage.blob import BlobLeaseClient, ContentSettings, StandardBlobTier
from clients import SERVICE, container
from harness import RUN, equal, hours_from_now, pattern, refuses, test


@test
def blob_round_trip_with_every_property():
    client = container("round").get_blob_client("dir/a b+ü%.bin")
    data = pattern(70_000)
    settings = ContentSettings(
        content_type="text/x",
        content_encoding="identity",
        content_language="en",
        content_disposition="attachment",
        cache_control="max-age=3",
    )
    created = client.upload_blob(data, metadata={"Key": "v"}, content_settings=settings)
    properties = client.get_blob_properties()
    equal(properties.etag, created["etag"])
    equal(properties.size, len(data))
    equal(properties.blob_type, "BlockBlob")
    equal(properties.metadata, {"Key": "v"})
    found = properties.content_settings
    for field in ["content_type", "content_encoding", "content_language", "content_disposition", "cache_control"]:
        equal(found[field], settings[field], field)
    equal(bytes(found.content_md5), hashlib.md5(data).digest())
    equal(client.download_blob().readall(), data)
    client.set_http_headers(ContentSettings(content_type="a/b"))
    found = client.get_blob_properties()
    equal((found.content_settings.content_type, found.content_settings.cache_control), ("a/b", None))
    equal(found.metadata, {"Key": "v"})
    client.delete_blob()
    refuses(404, "BlobNotFound", client.download_blob)


@test
def missing_things_have_their_own_codes():
    client = container("missing")
    refuses(404, "BlobNotFound", client.get_blob_client("no").get_blob_properties)
    refuses(404, "BlobNotFound", client.get_blob_client("no").delete_blob)
    elsewhere = SERVICE.get_blob_client(f"conf-none-{RUN}", "b")
    refuses(404, "ContainerNotFound", elsewhere.upload_blob, b"x")
    refuses(404, "ContainerNotFound", elsewhere.download_blob)


@test
def empty_blobs_are_blobs():
    client = container("empty").get_blob_client("e")
    client.upload_blob(b"")
    equal(client.download_blob().readall(), b"")
    equal(client.get_blob_properties().size, 0)


@test
def names_survive_whatever_they_are():
    client = container("names")
    names = ["a?b", "a#b", "a%20b", "a&b=c", "日本/語", "😀", "x//y", "a+b", "(p)'s", "x" * 1024, "A", "a", "<lt>&amp;", 'q"q', "~", "a:b@c", "$d", "[b]"]
    for number, name in enumerate(names):
        client.upload_blob(name, b"%d" % number)
    for number, name in enumerate(names):
        equal(client.download_blob(name).readall(), b"%d" % number, name)
    equal({item.name for item in client.list_blobs()}, set(names))


@test
def ranges_are_exact():
    client = container("range").get_blob_client("r")
    data = pattern(2_500_001, 2)
    client.upload_blob(data, max_concurrency=2)
    for offset, length in [(0, 1), (10, 100), (2_499_990, 1000), (255 << 10, 2 << 10), (5, 2_000_000)]:
        equal(client.download_blob(offset=offset, length=length).readall(), data[offset : offset + length])
    target = io.BytesIO()
    client.download_blob(max_concurrency=3).readinto(target)
    equal(hashlib.sha256(target.getvalue()).digest(), hashlib.sha256(data).digest())
    equal(b"".join(client.download_blob().chunks()), data)
    refuses(416, "InvalidRange", client.download_blob, offset=len(data) + 1, length=5)
    equal(client.download_blob(validate_content=True, offset=100, length=1000).readall(), data[100:1100])


@test
def a_wrong_checksum_is_refused_and_nothing_stored():
    client = container("md5").get_blob_client("m")
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    refuses(400, "Md5Mismatch", client.upload_blob, b"hello", headers={"Content-MD5": wrong})
    equal(client.exists(), False)
    client.upload_blob(pattern(1_500_000), validate_content=True)
    equal(client.download_blob(validate_content=True).readall(), pattern(1_500_000))


@test
def conditions_on_reads_and_writes():
    client = container("cond").get_blob_client("c")
    first = client.upload_blob(b"1")["etag"]
    missing, unchanged = MatchConditions.IfMissing, MatchConditions.IfNotModified
    refuses(409, "BlobAlreadyExists", client.upload_blob, b"2", match_condition=missing)
    second = client.upload_blob(b"2", overwrite=True, etag=first, match_condition=unchanged)["etag"]
    refuses(412, "ConditionNotMet", client.upload_blob, b"3", overwrite=True, etag=first, match_condition=unchanged)
    refuses(412, "ConditionNotMet", client.download_blob, etag=first, match_condition=unchanged)
    equal(client.download_blob(etag=second, match_condition=unchanged).readall(), b"2")
    refuses(304, None, client.download_blob, etag=second, match_condition=MatchConditions.IfModified)
    refuses(304, None, client.get_blob_properties, if_modified_since=hours_from_now(1))
    refuses(412, "ConditionNotMet", client.download_blob, if_unmodified_since=hours_from_now(-1))
    refuses(412, "ConditionNotMet", client.set_blob_metadata, {"a": "b"}, if_modified_since=hours_from_now(1))
    refuses(412, "ConditionNotMet", client.delete_blob, etag=first, match_condition=unchanged)
    equal(client.download_blob().readall(), b"2")


@test
def a_lease_guards_its_blob():
    client = container("blease").get_blob_client("l")
    client.upload_blob(b"1")
    lease = client.acquire_lease(lease_duration=60)
    refuses(412, "LeaseIdMissing", client.upload_blob, b"2", overwrite=True)
    refuses(412, "LeaseIdMissing", client.delete_blob)
    refuses(412, "LeaseIdMismatchWithBlobOperation", client.set_blob_metadata, {"a": "b"}, lease=str(uuid.uuid4()))
    refuses(409, "LeaseAlreadyPresent", client.acquire_lease, lease_duration=60)
    client.upload_blob(b"2", overwrite=True, lease=lease)
    equal(client.download_blob().readall(), b"2")
    equal(client.get_blob_properties().lease.state, "leased")
    lease.renew()
    other = BlobLeaseClient(client, lease_id=str(uuid.uuid4()))
    refuses(409, "LeaseIdMismatchWithLeaseOperation", other.renew)
    assert lease.break_lease(20) <= 20
    equal(client.get_blob_properties().lease.state, "breaking")
    refuses(409, "LeaseAlreadyPresent", client.acquire_lease, lease_duration=60)
    refuses(409, "LeaseIsBreakingAndCannotBeAcquired", client.acquire_lease, 60, lease_id=lease.id)
    lease.release()
    client.delete_blob()


@test
def snapshots_keep_what_was():
    holder = container("snap")
    client = holder.get_blob_client("s")
    client.upload_blob(b"one", metadata={"n": "1"})
    first = client.create_snapshot()["snapshot"]
    client.upload_blob(b"two", overwrite=True)
    second = client.create_snapshot(metadata={"n": "2"})["snapshot"]
    old = holder.get_blob_client("s", snapshot=first)
    equal(old.download_blob().readall(), b"one")
    equal(old.get_blob_properties().metadata, {"n": "1"})
    equal(holder.get_blob_client("s", snapshot=second).get_blob_properties().metadata, {"n": "2"})
    found = [item.snapshot for item in holder.list_blobs(include=["snapshots"])]
    equal(found, [first, second, None])
    refuses(409, "SnapshotsPresent", client.delete_blob)
    old.delete_blob()
    refuses(404, "BlobNotFound", old.download_blob)
    client.delete_blob(delete_snapshots="only")
    equal([item.snapshot for item in holder.list_blobs(include=["snapshots"])], [None])
    client.create_snapshot()
    client.delete_blob(delete_snapshots="include")
    equal(list(holder.list_blobs(include=["snapshots"])), [])


@test
def tiers_are_kept_and_archive_is_closed():
    client = container("tier").get_blob_client("t")
    client.upload_blob(b"x", standard_blob_tier=StandardBlobTier.COOL)
    equal(client.get_blob_properties().blob_tier, "Cool")
    client.set_standard_blob_tier("Hot")
    properties = client.get_blob_properties()
    equal((properties.blob_tier, bool(properties.blob_tier_inferred)), ("Hot", False))
    client.set_standard_blob_tier("Archive")
    refuses(409, "BlobArchived", client.download_blob)
    equal(client.get_blob_properties().blob_tier, "Archive")
    client.set_standard_blob_tier("Cool", rehydrate_priority="High")
    found = client.get_blob_properties()
    if found.blob_tier != "Cool":
        equal(found.archive_status, "rehydrate-pending-to-cool")
        refuses(409, "BlobBeingRehydrated", client.download_blob)
    deadline = time.monotonic() + 30
    while client.get_blob_properties().blob_tier != "Cool":
        assert time.monotonic() < deadline, "the blob does not come back"
        time.sleep(0.1)
    equal(client.download_blob().readall(), b"x")


@test
def metadata_is_replaced_whole():
    client = container("bmeta").get_blob_client("m")
    client.upload_blob(b"x", metadata={"a": "1", "b": "2"})
    before = client.get_blob_properties()
    client.set_blob_metadata({"c": "3"})
    after = client.get_blob_properties()
    equal(after.metadata, {"c": "3"})
    assert after.etag != before.etag, "the ETag stayed"
    client.set_blob_metadata({})
    equal(client.get_blob_properties().metadata, {})
