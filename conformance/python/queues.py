"""The official Python SDK for queues against a running Queue server."""

import asyncio
import os
import xml.etree.ElementTree as ElementTree
from datetime import timedelta
from urllib.parse import quote

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import (
    AccessPolicy,
    AccountSasPermissions,
    BinaryBase64DecodePolicy,
    BinaryBase64EncodePolicy,
    CorsRule,
    Metrics,
    QueueAnalyticsLogging,
    QueueClient,
    QueueSasPermissions,
    QueueServiceClient,
    ResourceTypes,
    RetentionPolicy,
    TextBase64DecodePolicy,
    TextBase64EncodePolicy,
    generate_account_sas,
    generate_queue_sas,
)
from azure.storage.queue.aio import QueueClient as AsyncQueueClient
from harness import (
    ACCOUNT,
    CREDENTIAL,
    KEY,
    RUN,
    equal,
    hours_from_now,
    main,
    pattern,
    raw,
    refuses,
    refuses_async,
    test,
)

QUEUE = os.environ.get("AZ_QUEUE", f"http://127.0.0.1:10001/{ACCOUNT}")
SERVICE = QueueServiceClient(QUEUE, credential=CREDENTIAL, retry_total=0)
ALL = generate_account_sas(
    ACCOUNT, KEY, ResourceTypes(service=True, container=True, object=True),
    AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True,
                          update=True, process=True),
    hours_from_now(1))


def queue(tag, **policies):
    """A new queue of this run."""
    client = SERVICE.get_queue_client(f"conf-{tag}-{RUN}", **policies)
    client.create_queue()
    return client


def metadata(client):
    """The metadata of a queue; their names have no case."""
    found = client.get_queue_properties().metadata
    return {key.lower(): value for key, value in found.items()}


def take(client, **options):
    """The next message of a queue, out of sight for a minute."""
    return client.receive_message(visibility_timeout=60, **options)


def release(client, message):
    """Makes a message that was taken visible at once."""
    return client.update_message(message, visibility_timeout=0)


def using(client, token):
    """The same queue, reached with a token."""
    return QueueClient(QUEUE, client.queue_name, credential=token, retry_total=0)


def send(method, path, query="", body=None, headers=None):
    """A request without an SDK: status, error code and body of the answer."""
    url = f"{QUEUE}/{path}?{ALL}{query}"
    status, answer, found = raw(method, url, body, {"x-ms-version": "2024-11-04", **(headers or {})})
    return status, found.get("x-ms-error-code"), answer.decode()


def message_body(text):
    """The body that puts a message."""
    return f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()


@test
def settings_of_the_service_come_back():
    days = RetentionPolicy(enabled=True, days=3)
    SERVICE.set_service_properties(
        analytics_logging=QueueAnalyticsLogging(read=True, retention_policy=days),
        hour_metrics=Metrics(enabled=True, include_apis=True, retention_policy=days),
        cors=[CorsRule(["https://a.example", "*"], ["GET", "PUT"], max_age_in_seconds=9)])
    found = SERVICE.get_service_properties()
    equal((found["analytics_logging"].read, found["analytics_logging"].write), (True, False))
    equal(found["hour_metrics"].retention_policy.days, 3)
    rule = found["cors"][0]
    equal((rule.allowed_origins, rule.allowed_methods, rule.max_age_in_seconds),
          ("https://a.example,*", "GET,PUT", 9))
    SERVICE.set_service_properties(cors=[])
    equal(SERVICE.get_service_properties()["cors"] or [], [])
    equal(SERVICE.get_service_properties()["analytics_logging"].read, True, "what was not named")


@test
def queues_are_made_described_and_deleted():
    name = f"conf-life-{RUN}"
    equal(send("PUT", name, headers={"x-ms-meta-a": "1"})[0], 201)
    equal(send("PUT", name, headers={"x-ms-meta-a": "1"})[0], 204, "the same again")
    equal(send("PUT", name, headers={"x-ms-meta-a": "2"})[:2], (409, "QueueAlreadyExists"))
    client = SERVICE.get_queue_client(name)
    refuses(409, "QueueAlreadyExists", client.create_queue)
    try:
        client.create_queue(metadata={"a": "1"})
        raise AssertionError("the SDK took 204 for a new queue")
    except ResourceExistsError as error:
        equal(error.status_code, 204)
    equal(metadata(client), {"a": "1"})
    client.set_queue_metadata({"Project": "x y", "b": "2"})
    equal(metadata(client), {"project": "x y", "b": "2"})
    client.set_queue_metadata()
    equal(metadata(client), {})
    equal(client.get_queue_properties().approximate_message_count, 0)
    client.send_message("x")
    client.delete_queue()
    refuses(404, "QueueNotFound", client.get_queue_properties)
    refuses(404, "QueueNotFound", client.send_message, "x")
    refuses(404, "QueueNotFound", client.receive_message)
    refuses(404, "QueueNotFound", client.clear_messages)
    refuses(404, "QueueNotFound", client.delete_queue)


@test
def listings_go_by_name_prefix_and_page():
    names = [f"conf-list{number}-{RUN}" for number in range(5)]
    for name in reversed(names):
        SERVICE.create_queue(name, metadata={"of": name})

    def listed(**options):
        found = SERVICE.list_queues(name_starts_with="conf-list", **options)
        return [one for one in found if one.name.endswith(RUN)]

    equal([one.name for one in listed()], names)
    equal([one.metadata for one in listed()], [None] * 5, "metadata that was not asked for")
    equal([one.metadata["of"] for one in listed(include_metadata=True)], names)
    equal([one.name for one in listed(results_per_page=2)], names, "from page to page")
    pages = SERVICE.list_queues(name_starts_with="conf-list", results_per_page=3).by_page()
    equal(len(list(next(pages))), 3)
    rest = SERVICE.list_queues(name_starts_with="conf-list", results_per_page=5000)
    rest = [one.name for one in next(rest.by_page(pages.continuation_token))]
    equal([name for name in rest if name.endswith(RUN)], names[len(names) - len(rest):])
    for name in names:
        SERVICE.delete_queue(name)
    equal(listed(), [])


@test
def messages_come_first_in_first_out_as_they_went():
    client = queue("order")
    texts = ["one", "zwei ü \u2713 \U0001f600", "<xml>&amp;\"'</xml>]]>", " a \n b\tc ", "{}", "last"]
    sent = [client.send_message(text) for text in texts]
    equal(len({one.id for one in sent}), len(texts))
    equal(sent[0].expires_on - sent[0].inserted_on, timedelta(days=7))
    equal(client.get_queue_properties().approximate_message_count, len(texts))
    peeked = client.peek_messages(max_messages=32)
    equal([(one.content, one.dequeue_count, one.pop_receipt) for one in peeked],
          [(text, 0, None) for text in texts])
    first = take(client)
    equal((first.id, first.content, first.dequeue_count), (sent[0].id, texts[0], 1))
    equal(first.inserted_on, sent[0].inserted_on)
    others = list(client.receive_messages(messages_per_page=32, visibility_timeout=60))
    equal([one.content for one in others], texts[1:])
    equal((take(client), client.peek_messages()), (None, []))
    equal(client.get_queue_properties().approximate_message_count, len(texts), "with the unseen")
    for one in [first, *others]:
        client.delete_message(one)
    equal(client.get_queue_properties().approximate_message_count, 0)
    for number in range(40):
        client.send_message(f"{number}")
    pages = client.receive_messages(messages_per_page=32, visibility_timeout=60).by_page()
    equal(len(list(next(pages))), 32)
    client.clear_messages()
    equal((client.get_queue_properties().approximate_message_count, take(client)), (0, None))
    client.delete_queue()


@test
def updates_change_the_text_and_when_it_is_seen():
    client = queue("update")
    client.send_message("a")
    client.send_message("second")
    taken = take(client)
    equal(take(client).content, "second")
    changed = client.update_message(taken, content="b", visibility_timeout=120)
    equal((changed.id, changed.content), (taken.id, "b"))
    equal(take(client), None)
    changed = release(client, changed)
    again = take(client)
    equal((again.id, again.content, again.dequeue_count), (taken.id, "b", 2))
    changed = client.update_message(again.id, again.pop_receipt, visibility_timeout=0)
    equal(take(client).content, "b", "an update without a text keeps it")
    client.delete_queue()


@test
def an_old_receipt_moves_nothing():
    client = queue("receipt")
    sent = client.send_message("x")
    first = take(client)
    refuses(404, "MessageNotFound", client.delete_message, sent.id, sent.pop_receipt)
    updated = client.update_message(first, visibility_timeout=0)
    stale = (first.id, first.pop_receipt)
    refuses(404, "MessageNotFound", client.delete_message, *stale)
    refuses(404, "MessageNotFound", client.update_message, *stale, visibility_timeout=0)
    second = take(client)
    refuses(404, "MessageNotFound", client.delete_message, first.id, updated.pop_receipt)
    other = client.send_message("other")
    refuses(404, "MessageNotFound", client.delete_message, other.id, second.pop_receipt)
    client.delete_message(second)
    refuses(404, "MessageNotFound", client.delete_message, second)
    # What was put can be taken back before anybody has got it.
    client.delete_message(other.id, other.pop_receipt)
    equal(client.get_queue_properties().approximate_message_count, 0)
    client.delete_queue()


@test
def messages_wait_and_expire_when_told_so():
    client = queue("time")
    ever = client.send_message("ever", time_to_live=-1)
    equal(ever.expires_on.year, 9999)
    long = client.send_message("long", time_to_live=90 * 86_400)
    equal(long.expires_on - long.inserted_on, timedelta(days=90))
    late = client.send_message("late", visibility_timeout=600)
    equal(late.next_visible_on - late.inserted_on, timedelta(minutes=10))
    equal([one.content for one in client.peek_messages(32)], ["ever", "long"])
    client.update_message(late.id, late.pop_receipt, visibility_timeout=0)
    equal([one.content for one in client.peek_messages(32)], ["ever", "long", "late"])
    refuses(400, "InvalidQueryParameterValue", client.send_message, "x", time_to_live=-2)
    refuses(400, None, client.send_message, "x", visibility_timeout=604_801)
    refuses(400, None, client.send_message, "x", visibility_timeout=10, time_to_live=10)
    refuses(400, None, client.receive_message, visibility_timeout=604_801)
    client.clear_messages()
    client.send_message("brief", time_to_live=1)
    deadline = hours_from_now(1 / 120)
    while client.peek_messages():
        equal(hours_from_now(0) < deadline, True, "it expired in time")
    equal((take(client), client.get_queue_properties().approximate_message_count), (None, 0))
    client.delete_queue()


@test
def texts_have_64_kib_and_may_be_base64():
    client = queue("size")
    for text in ("x" * 65_536, "ü" * 32_768, "&<" * 1000, ""):
        client.send_message(text)
        equal(client.receive_message().content, text)
    for text in ("x" * 65_537, "ü" * 32_769):
        refuses(413, "RequestBodyTooLarge", client.send_message, text)
    client.delete_queue()
    client = queue("binary", message_encode_policy=BinaryBase64EncodePolicy(),
                   message_decode_policy=BinaryBase64DecodePolicy())
    content = pattern(48 * 1024)
    client.send_message(content)
    equal(client.peek_messages()[0].content, content)
    changed = client.update_message(client.receive_message(), content=b"\x00\xff",
                                    visibility_timeout=0)
    equal(bytes(changed.content), b"\x00\xff")
    equal(client.receive_message().content, b"\x00\xff")
    refuses(413, "RequestBodyTooLarge", client.send_message, pattern(48 * 1024 + 1))
    client.delete_queue()
    client = queue("text", message_encode_policy=TextBase64EncodePolicy(),
                   message_decode_policy=TextBase64DecodePolicy())
    client.send_message("tæxt \x01")
    equal(client.receive_message().content, "tæxt \x01")
    client.delete_queue()


@test
def tokens_and_policies_allow_what_they_say():
    client = queue("sas")
    client.send_message("m")

    def token(**fields):
        return using(client, generate_queue_sas(ACCOUNT, client.queue_name, KEY, **fields))

    def allows(letters):
        """Which of the operations a token with these permissions may do."""
        other = token(permission=letters, expiry=hours_from_now(1))
        sent = client.send_message("for this")
        taken = [("get", lambda: other.receive_message(visibility_timeout=1)),
                 ("peek", other.peek_messages),
                 ("properties", other.get_queue_properties),
                 ("put", lambda: other.send_message("x")),
                 ("update", lambda: other.update_message(sent.id, sent.pop_receipt,
                                                         visibility_timeout=600)),
                 ("delete", lambda: other.delete_message(kept.id, kept.pop_receipt)),
                 ("clear", other.clear_messages),
                 ("metadata", lambda: other.set_queue_metadata({"a": "1"})),
                 ("acl", other.get_queue_access_policy),
                 ("drop", other.delete_queue)]
        kept = client.send_message("kept", visibility_timeout=600)
        done = []
        for name, call in taken:
            try:
                call()
                done.append(name)
            except Exception as error:  # noqa: BLE001 - anything but 403 fails the test
                equal(getattr(error, "status_code", error), 403, f"{letters}: {name}")
        return done

    equal(allows("r"), ["peek", "properties"])
    equal(allows("a"), ["put"])
    equal(allows("u"), ["update"])
    client.clear_messages()
    client.send_message("to be got")
    equal(allows("p"), ["get", "delete"])
    client.set_queue_access_policy({
        "reads": AccessPolicy(QueueSasPermissions(read=True), hours_from_now(1), hours_from_now(-1)),
        "past": AccessPolicy(QueueSasPermissions(read=True), hours_from_now(-1)),
        "open": AccessPolicy(),
    })
    stored = client.get_queue_access_policy()
    equal(sorted(stored), ["open", "past", "reads"])
    equal((stored["reads"].permission, bool(stored["reads"].start)), ("r", True))
    equal(token(policy_id="reads").get_queue_properties().name, client.queue_name)
    refuses(403, None, token(policy_id="reads").send_message, "x")
    refuses(403, "AuthenticationFailed", token(policy_id="past").peek_messages)
    refuses(403, None, token(policy_id="none").peek_messages)
    token(policy_id="open", permission="a", expiry=hours_from_now(1)).send_message("x")
    refuses(403, "AuthenticationFailed",
            token(permission="r", expiry=hours_from_now(-1)).peek_messages)
    other = queue("sas2")
    stray = generate_queue_sas(ACCOUNT, client.queue_name, KEY, "r", hours_from_now(1))
    refuses(403, "AuthenticationFailed", using(other, stray).peek_messages)
    client.set_queue_access_policy({})
    equal(client.get_queue_access_policy(), {})
    refuses(403, None, token(policy_id="reads").peek_messages)
    other.delete_queue()
    client.delete_queue()


@test
def tokens_of_the_account_have_levels():
    client = queue("account")

    def service(permissions, **levels):
        token = generate_account_sas(ACCOUNT, KEY, ResourceTypes(**levels),
                                     AccountSasPermissions.from_string(permissions),
                                     hours_from_now(1))
        return QueueServiceClient(QUEUE, credential=token, retry_total=0)

    lists = service("l", service=True)
    found = [one.name for one in lists.list_queues(name_starts_with=client.queue_name)]
    equal(found, [client.queue_name])
    refuses(403, None, lists.get_queue_client(client.queue_name).peek_messages)
    refuses(403, None, lists.get_service_properties)
    objects = service("rap", object=True).get_queue_client(client.queue_name)
    objects.send_message("x")
    equal(objects.receive_message().content, "x")
    refuses(403, None, objects.clear_messages)
    refuses(403, None, objects.delete_queue)
    service("d", object=True).get_queue_client(client.queue_name).clear_messages()
    queues = service("cd", container=True)
    queues.create_queue(f"conf-account2-{RUN}")
    refuses(403, None, queues.get_queue_client(client.queue_name).peek_messages)
    refuses(403, None, queues.get_queue_client(client.queue_name).set_queue_access_policy, {})
    queues.delete_queue(f"conf-account2-{RUN}")
    queues.delete_queue(client.queue_name)
    wrong = {"account_name": ACCOUNT, "account_key": "a2V5" * 8}
    wrong = QueueServiceClient(QUEUE, credential=wrong, retry_total=0)
    refuses(403, "AuthenticationFailed", wrong.get_service_properties)


@test
async def many_consumers_get_each_message_once():
    name = f"conf-aio-{RUN}"
    options = {"credential": CREDENTIAL, "retry_total": 0}
    async with AsyncQueueClient(QUEUE, name, **options) as client:
        await client.create_queue()
        texts = [f"{number:03d}" for number in range(300)]

        async def produce(part):
            for text in part:
                await client.send_message(text)

        got = []
        deadline = hours_from_now(1 / 60)

        async def consume():
            while len(got) < len(texts):
                equal(hours_from_now(0) < deadline, True, "all came in time")
                batch = client.receive_messages(messages_per_page=8, max_messages=8,
                                                visibility_timeout=600)
                async for one in batch:
                    equal(one.dequeue_count, 1)
                    got.append(one.content)
                    await client.delete_message(one)

        # Producers and consumers at the same time.
        await asyncio.gather(*[produce(texts[start::6]) for start in range(6)],
                             *[consume() for _ in range(12)])
        equal(sorted(got), texts)
        equal((await client.get_queue_properties()).approximate_message_count, 0)
        await client.delete_queue()
        await refuses_async(404, "QueueNotFound", client.peek_messages())


@test
def malformed_requests_are_refused_by_name():
    client = queue("raw")
    name = client.queue_name
    for bad, code in (("Upper", "InvalidResourceName"), ("a--b", "InvalidResourceName"),
                      ("-ab", "InvalidResourceName"), ("ab-", "InvalidResourceName"),
                      ("a_b", "InvalidResourceName"), ("ab", "OutOfRangeInput"),
                      ("a" * 64, "OutOfRangeInput")):
        equal(send("PUT", bad)[:2], (400, code), bad)
    for body in (b"", b"no", b"<QueueMessage>", message_body("&#1;"), message_body("\x01"),
                 message_body("&none;"), b"<QueueMessage><MessageText>\xff</MessageText></QueueMessage>"):
        equal(send("POST", f"{name}/messages", body=body)[:2], (400, "InvalidXmlDocument"), body)
    for query, code in (("&visibilitytimeout=x", "InvalidQueryParameterValue"),
                        ("&visibilitytimeout=-1", "OutOfRangeQueryParameterValue"),
                        ("&messagettl=0", "InvalidQueryParameterValue")):
        equal(send("POST", f"{name}/messages", query, message_body("x"))[:2], (400, code), query)
    for query, code in (("&numofmessages=0", "OutOfRangeQueryParameterValue"),
                        ("&numofmessages=33", "OutOfRangeQueryParameterValue"),
                        ("&numofmessages=x", "InvalidQueryParameterValue"),
                        ("&visibilitytimeout=0", "OutOfRangeQueryParameterValue"),
                        ("&peekonly=true&numofmessages=33", "OutOfRangeQueryParameterValue")):
        equal(send("GET", f"{name}/messages", query)[:2], (400, code), query)
    equal(send("GET", "", "&comp=list&maxresults=0")[:2], (400, "OutOfRangeQueryParameterValue"))
    sent = client.send_message("x")
    path = f"{name}/messages/{sent.id}"
    receipt = f"&popreceipt={quote(sent.pop_receipt, safe='')}"
    equal(send("DELETE", path)[:2], (400, "MissingRequiredQueryParameter"))
    equal(send("PUT", path, receipt)[:2], (400, "MissingRequiredQueryParameter"))
    equal(send("DELETE", path, "&popreceipt=%00%3C")[0] in (400, 404), True, "no receipt at all")
    status, _, answer = send("POST", f"{name}/messages", "&messagettl=60",
                             b"\xef\xbb\xbf" + b'<?xml version="1.0" encoding="utf-8"?>\n'
                             + message_body("<![CDATA[<a>]]>&#x1F600;"))
    equal(status, 201)
    made = ElementTree.fromstring(answer.lstrip("\ufeff"))
    equal([one.tag for one in made[0]],
          ["MessageId", "InsertionTime", "ExpirationTime", "PopReceipt", "TimeNextVisible"])
    equal([one.content for one in client.peek_messages(32)], ["x", "<a>\U0001f600"])
    status, _, headers = raw("GET", f"{QUEUE}/{name}/messages", headers={"x-ms-version": "2024-11-04"})
    equal((status, headers.get("x-ms-error-code")), (401, "NoAuthenticationInformation"))
    equal(send("PATCH", f"{name}/messages")[:2], (405, "UnsupportedHttpVerb"))
    client.delete_queue()


if __name__ == "__main__":
    main()
