"""Page blobs: writing, clearing, ranges and changes, resizing, numbering, copies and snapshots."""

from concurrent.futures import ThreadPoolExecutor

from azure.storage.blob import BlobSasPermissions, BlobType, SequenceNumberAction, generate_blob_sas
from clients import container
from harness import ACCOUNT, KEY, equal, hours_from_now, pattern, refuses, test

PAGE = 512


def page_blob(holder, name="disk", pages=64, **options):
    """A new page blob of so many pages."""
    client = holder.get_blob_client(name)
    client.create_page_blob(pages * PAGE, **options)
    return client


def ranges(found):
    """The ranges of a listing as (start, end, cleared)."""
    return [(part.start, part.end, part.cleared) for part in found]


@test
def a_page_blob_is_written_and_cleared():
    holder = container("page")
    client = page_blob(holder, metadata={"m": "1"}, tags={"k": "v"})
    data = pattern(4 * PAGE, 1)
    client.upload_page(data, offset=2 * PAGE, length=len(data), validate_content=True)
    equal(client.download_blob(offset=2 * PAGE, length=len(data)).readall(), data)
    client.clear_page(offset=3 * PAGE, length=PAGE)
    wanted = bytes(2 * PAGE) + data[:PAGE] + bytes(PAGE) + data[2 * PAGE :] + bytes(58 * PAGE)
    equal(client.download_blob().readall(), wanted)
    found = client.get_blob_properties()
    equal((found.blob_type, found.size), (BlobType.PAGEBLOB, 64 * PAGE))
    equal((found.page_blob_sequence_number, found.metadata), (0, {"m": "1"}))
    equal([item.blob_type for item in holder.list_blobs()], [BlobType.PAGEBLOB])


@test
def an_upload_of_a_page_blob_is_split():
    client = container("pageup").get_blob_client("disk")
    data = pattern(1000 * PAGE, 3)
    client.upload_blob(data, blob_type=BlobType.PAGEBLOB)
    equal(client.download_blob().readall(), data)
    client.upload_blob(bytes(8 * PAGE), blob_type=BlobType.PAGEBLOB, overwrite=True)
    equal(client.download_blob().readall(), bytes(8 * PAGE))


@test
def page_ranges_are_listed():
    client = page_blob(container("pagelist"))
    for first in (0, 1, 10, 20):
        client.upload_page(b"x" * PAGE, offset=first * PAGE, length=PAGE)
    wanted = [(0, 1023, False), (5120, 5631, False), (10240, 10751, False)]
    equal(ranges(client.list_page_ranges()), wanted)
    parts = list(client.list_page_ranges(results_per_page=1).by_page())
    equal([ranges(part) for part in parts], [[part] for part in wanted])
    pages, cleared = client.get_page_ranges()
    equal(([(part["start"], part["end"]) for part in pages], cleared), ([part[:2] for part in wanted], []))
    equal(ranges(client.list_page_ranges(offset=PAGE, length=10 * PAGE)), [(512, 1023, False), (5120, 5631, False)])


@test
def changes_since_a_snapshot_are_listed():
    holder = container("pagediff")
    client = page_blob(holder)
    client.upload_page(b"a" * 4 * PAGE, offset=0, length=4 * PAGE)
    first = client.create_snapshot()["snapshot"]
    client.upload_page(b"b" * PAGE, offset=PAGE, length=PAGE)
    client.clear_page(offset=3 * PAGE, length=PAGE)
    wanted = [(512, 1023, False), (1536, 2047, True)]
    equal(sorted(ranges(client.list_page_ranges(previous_snapshot=first))), wanted)
    pages, cleared = client.get_page_ranges(previous_snapshot_diff=first)
    equal([(part["start"], part["end"]) for part in pages], [(512, 1023)])
    equal([(part["start"], part["end"]) for part in cleared], [(1536, 2047)])
    equal(holder.get_blob_client("disk", snapshot=first).download_blob().readall()[: 4 * PAGE], b"a" * 4 * PAGE)


@test
def a_page_blob_is_resized():
    client = page_blob(container("pagesize"), pages=8)
    client.upload_page(b"a" * 8 * PAGE, offset=0, length=8 * PAGE)
    client.resize_blob(4 * PAGE)
    client.resize_blob(16 * PAGE)
    equal(client.download_blob().readall(), b"a" * 4 * PAGE + bytes(12 * PAGE))
    equal(client.get_blob_properties().size, 16 * PAGE)
    client.resize_blob(1 << 40)
    equal(client.get_blob_properties().size, 1 << 40)
    equal(ranges(client.list_page_ranges()), [(0, 2047, False)])


@test
def sequence_numbers_are_set_and_held():
    client = page_blob(container("pageseq"), sequence_number=3)
    equal(client.get_blob_properties().page_blob_sequence_number, 3)
    answer = client.set_sequence_number(SequenceNumberAction.UPDATE, "7")
    equal(answer["blob_sequence_number"], 7)
    client.set_sequence_number(SequenceNumberAction.MAX, "5")
    equal(client.set_sequence_number(SequenceNumberAction.INCREMENT)["blob_sequence_number"], 8)
    data = b"x" * PAGE
    client.upload_page(data, 0, PAGE, if_sequence_number_lte=8)
    client.clear_page(0, PAGE, if_sequence_number_eq=8)
    code = "SequenceNumberConditionNotMet"
    refuses(412, code, client.upload_page, data, 0, PAGE, if_sequence_number_lt=8)
    refuses(412, code, client.clear_page, 0, PAGE, if_sequence_number_eq=7)


@test
def pages_come_from_a_url():
    holder = container("pageurl")
    data = pattern(8 * PAGE, 9)
    source = holder.get_blob_client("source")
    source.upload_blob(data)
    token = generate_blob_sas(
        ACCOUNT, holder.container_name, "source", account_key=KEY,
        permission=BlobSasPermissions(read=True), expiry=hours_from_now(1),
    )
    client = page_blob(holder)
    client.upload_pages_from_url(f"{source.url}?{token}", 4 * PAGE, 2 * PAGE, source_offset=PAGE)
    equal(client.download_blob().readall()[4 * PAGE : 6 * PAGE], data[PAGE : 3 * PAGE])


@test
def snapshots_and_copies_of_page_blobs_part():
    holder = container("pagecopy")
    client = page_blob(holder)
    client.upload_page(b"a" * 2 * PAGE, 0, 2 * PAGE)
    taken = client.create_snapshot()["snapshot"]
    copy = holder.get_blob_client("copy")
    copy.start_copy_from_url(client.url)
    copy.upload_page(b"c" * PAGE, PAGE, PAGE)
    client.upload_page(b"b" * PAGE, 0, PAGE)
    snapshot = holder.get_blob_client("disk", snapshot=taken)
    equal(snapshot.download_blob().readall()[: 2 * PAGE], b"a" * 2 * PAGE)
    equal(copy.download_blob().readall()[: 2 * PAGE], b"a" * PAGE + b"c" * PAGE)
    client.start_copy_from_url(snapshot.url)
    equal(client.download_blob().readall()[: 2 * PAGE], b"a" * 2 * PAGE)
    client.delete_blob(delete_snapshots="include")
    equal(copy.download_blob().readall()[: 2 * PAGE], b"a" * PAGE + b"c" * PAGE)


@test
def incremental_copies_make_snapshots():
    holder = container("pageincr")
    client = page_blob(holder)
    client.upload_page(b"a" * PAGE, 0, PAGE)
    copy = holder.get_blob_client("copy")
    taken = client.create_snapshot()["snapshot"]
    snapshot = holder.get_blob_client("disk", snapshot=taken)
    answer = copy.start_copy_from_url(snapshot.url, incremental_copy=True)
    equal(answer["copy_status"], "success")
    found = copy.get_blob_properties()
    equal(found.copy.incremental_copy, True)
    made = [item.snapshot for item in holder.list_blobs("copy", include=["snapshots"]) if item.snapshot]
    equal(len(made), 1)
    content = holder.get_blob_client("copy", snapshot=made[0]).download_blob().readall()
    equal(content[:PAGE], b"a" * PAGE)
    refuses(409, "OperationNotAllowedOnIncrementalCopyBlob", copy.download_blob)
    refuses(409, "IncrementalCopyOfEarlierSnapshotNotAllowed", copy.start_copy_from_url, snapshot.url, incremental_copy=True)


@test
def pages_of_many_clients_are_all_there():
    client = page_blob(container("pagemany"), pages=256)

    def write(number):
        client.upload_page(bytes([number % 255 + 1]) * PAGE, number * PAGE, PAGE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(128)))
    content = client.download_blob().readall()
    equal(content[: 128 * PAGE], b"".join(bytes([n % 255 + 1]) * PAGE for n in range(128)))


@test
def what_is_off_the_pages_is_refused():
    client = page_blob(container("pageoff"), pages=2)
    refuses(416, "InvalidPageRange", client.upload_page, b"x" * PAGE, 2 * PAGE, PAGE)
    refuses(416, "InvalidPageRange", client.clear_page, 0, 4 * PAGE)
    refuses(409, "InvalidBlobType", client.upload_blob, b"text", overwrite=True)
