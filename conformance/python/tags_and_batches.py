"""Blob index tags, finding by them, and batches."""

import time

from clients import SERVICE, container
from harness import RUN, equal, refuses, test


@test
def tags_are_set_read_and_listed():
    holder = container("tags")
    one, two = holder.get_blob_client("one"), holder.get_blob_client("two")
    one.upload_blob(b"1", tags={"run": RUN, "n": "1"})
    two.upload_blob(b"2")
    equal((one.get_blob_tags(), two.get_blob_tags()), ({"run": RUN, "n": "1"}, {}))
    equal(one.get_blob_properties().tag_count, 2)
    two.set_blob_tags({"run": RUN, "n": "2", "a b": "+-./:=_"})
    found = {item.name: item.tags for item in holder.list_blobs(include=["tags"])}
    equal(found["two"], {"run": RUN, "n": "2", "a b": "+-./:=_"})
    refuses(400, None, two.set_blob_tags, {f"k{number}": "v" for number in range(11)})
    two.set_blob_tags({})
    equal(two.get_blob_tags(), {})


@test
def blobs_are_found_by_their_tags():
    holder = container("find")
    for number in range(4):
        holder.upload_blob(f"b{number}", b"x", tags={"find": RUN, "n": str(number)})

    def names(client, expression):
        return sorted(item.name for item in client.find_blobs_by_tags(expression))

    for _ in range(40):
        if len(names(SERVICE, f"\"find\"='{RUN}'")) == 4:
            break
        time.sleep(0.1)  # The service may index a moment later.
    equal(names(SERVICE, f"\"find\"='{RUN}' AND \"n\">='2'"), ["b2", "b3"])
    equal(names(holder, f"\"find\"='{RUN}' AND \"n\">'0' AND \"n\"<='2'"), ["b1", "b2"])
    equal(names(SERVICE, f"@container='{holder.container_name}' AND \"n\"='1'"), ["b1"])
    equal(names(SERVICE, "\"find\"='nothing like it'"), [])


@test
def tag_conditions_guard_reads_and_writes():
    client = container("iftags").get_blob_client("b")
    client.upload_blob(b"x", tags={"state": "done"})
    equal(client.download_blob(if_tags_match_condition="\"state\"='done'").readall(), b"x")
    refuses(412, "ConditionNotMet", client.delete_blob, if_tags_match_condition="\"state\"='open'")
    client.delete_blob(if_tags_match_condition="\"state\"='done'")
    equal(client.exists(), False)


@test
def a_batch_deletes_and_says_what_it_did():
    holder = container("batch")
    names = [f"b{number}" for number in range(12)]
    for name in names:
        holder.upload_blob(name, b"x")
    answers = list(holder.delete_blobs(*names[:10]))
    equal([answer.status_code for answer in answers], [202] * 10)
    equal([item.name for item in holder.list_blobs()], ["b10", "b11"])
    answers = list(holder.delete_blobs("b10", "no", "b11", raise_on_any_failure=False))
    equal([answer.status_code for answer in answers], [202, 404, 202])


@test
def a_batch_sets_tiers():
    holder = container("batchtier")
    for name in ["a", "b"]:
        holder.upload_blob(name, b"x")
    answers = list(holder.set_standard_blob_tier_blobs("Cool", "a", "b"))
    equal([answer.status_code for answer in answers], [200, 200])
    equal({item.blob_tier for item in holder.list_blobs()}, {"Cool"})
