"""Listings as Apache Arrow streams, read by the SDK's own parser."""

from clients import SERVICE, container
from harness import equal, test


def told(item):
    """What both forms of a listing tell of a blob."""
    settings = item.content_settings
    return (
        item.name, item.snapshot, item.size, item.etag, item.last_modified, item.creation_time,
        settings.content_type, settings.cache_control, settings.content_language,
        bytes(settings.content_md5 or b""), item.blob_tier, bool(item.blob_tier_inferred),
        item.lease.state, item.lease.status, item.metadata or {}, item.tags or {}, item.tag_count,
        item.server_encrypted, item.copy.id, item.copy.status, item.copy.source,
    )


def filled(tag):
    """A container in which blobs differ in all that a listing tells."""
    holder = container(tag)
    for number in range(7):
        client = holder.get_blob_client(f"folder-{number % 2}/é{number}")
        client.upload_blob(b"x" * number, metadata={"n": str(number)}, tags={"k": str(number)})
    client.create_snapshot()
    client.acquire_lease()
    holder.upload_blob("plain", b"")
    copy = holder.get_blob_client("copy")
    copy.start_copy_from_url(client.url)
    copy.set_standard_blob_tier("Cool")
    return holder


@test
def an_arrow_listing_says_what_the_xml_says():
    holder = filled("arrow")
    include = ["metadata", "tags", "snapshots", "copy"]
    expected = [told(item) for item in holder.list_blobs(include=include)]
    equal(len(expected), 10)
    found = [told(item) for item in holder.list_blobs(include=include, response_format="arrow")]
    for one, other in zip(found, expected):
        equal(one, other)
    equal(len(found), len(expected))
    pages = holder.list_blobs(include=include, response_format="arrow", results_per_page=3).by_page()
    equal([[told(item) for item in page] for page in pages],
          [expected[start:start + 3] for start in range(0, 10, 3)])


@test
def an_arrow_listing_has_prefixes_and_an_end():
    holder = filled("arrowwalk")
    names = [item.name for item in holder.walk_blobs(response_format="arrow")]
    equal(names, ["copy", "folder-0/", "folder-1/", "plain"])
    ended = holder.list_blobs(response_format="arrow", start_from="folder-0", end_before="folder-1")
    equal([item.name for item in ended], [f"folder-0/é{number}" for number in (0, 2, 4, 6)])
    empty = SERVICE.get_container_client(container("arrowempty").container_name)
    equal(list(empty.list_blobs(response_format="arrow")), [])
