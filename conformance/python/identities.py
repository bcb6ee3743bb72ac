"""Bearer tokens, roles and user delegation, with the official Python SDKs over HTTPS."""

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import urlencode

from azure.core.credentials import AccessToken, AzureSasCredential
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient, UpdateMode
from azure.storage.blob import (
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.queue import (
    QueueClient,
    QueueSasPermissions,
    QueueServiceClient,
    generate_queue_sas,
)
from cryptography.hazmat.primitives.asymmetric import rsa
from harness import (
    ACCOUNT,
    CREDENTIAL,
    RUN,
    equal,
    hours_from_now,
    main,
    refuses,
    test,
)
from issuer import (
    DELEGATOR,
    GROUP,
    MEMBER,
    NOBODY,
    OTHER_TENANT,
    OWNER,
    READER,
    SCOPE,
    SCOPED,
    SENDER,
    TENANT,
    Credential,
    Guest,
    Issuer,
    base64url,
)

FOLDER = Path(os.environ["LAZULI_IDENTITY"])
CA = str(FOLDER / "cert.pem")
ISSUER = Issuer(FOLDER)
BLOB, QUEUE, TABLE = (os.environ[name] for name in ("AZ_BLOB", "AZ_QUEUE", "AZ_TABLE"))
OPTIONS = {"connection_verify": CA, "retry_total": 0}
FORBIDDEN = "AuthorizationPermissionMismatch"


def as_(object_id, **claims):
    """The credential of somebody."""
    return Credential(ISSUER, object_id, **claims)


def blobs(credential):
    """A client of the Blob service."""
    return BlobServiceClient(BLOB, credential=credential, **OPTIONS)


def queues(credential):
    """A client of the Queue service."""
    return QueueServiceClient(QUEUE, credential=credential, **OPTIONS)


def tables(credential):
    """A client of the Table service."""
    return TableServiceClient(TABLE, credential=credential, **OPTIONS)


def made(tag):
    """A new container of this run with a blob `b`, made with the account's key."""
    client = blobs(CREDENTIAL).get_container_client(f"idn-{tag}-{RUN}")
    client.create_container()
    client.upload_blob("b", b"content")
    return client


def made_queue(tag):
    """A new queue of this run, made with the account's key."""
    client = queues(CREDENTIAL).get_queue_client(f"idn-{tag}-{RUN}")
    client.create_queue()
    return client


@test
def an_owner_does_everything_with_blobs():
    service = blobs(as_(OWNER))
    container = service.create_container(f"idn-owner-{RUN}")
    container.upload_blob("b", b"one", tags={"a": "1"}, metadata={"m": "x"})
    blob = container.get_blob_client("b")
    blob.stage_block("MDAx", b"two")
    blob.commit_block_list(["MDAx"])
    equal(blob.download_blob().readall(), b"two")
    blob.set_blob_tags({"a": "2"})
    equal(blob.get_blob_tags(), {"a": "2"})
    copy = container.get_blob_client("copy")
    copy.start_copy_from_url(blob.url)
    equal(copy.download_blob().readall(), b"two")
    equal([found.name for found in container.list_blobs()], ["b", "copy"])
    assert container.container_name in [found.name for found in service.list_containers()]
    container.set_container_access_policy(signed_identifiers={})
    equal(container.get_container_access_policy()["signed_identifiers"], [])
    equal([answer.status_code for answer in container.delete_blobs("b", "copy")], [202, 202])
    container.delete_container()


@test
def a_reader_reads_and_nothing_else():
    container = made("reader")
    service = blobs(as_(READER))
    own = service.get_container_client(container.container_name)
    equal(own.download_blob("b").readall(), b"content")
    equal([found.name for found in own.list_blobs()], ["b"])
    refuses(403, FORBIDDEN, own.upload_blob, "c", b"more")
    refuses(403, FORBIDDEN, own.delete_blob, "b")
    refuses(403, FORBIDDEN, own.delete_container)
    refuses(403, FORBIDDEN, own.get_blob_client("b").set_blob_metadata, {"a": "b"})
    refuses(403, FORBIDDEN, own.get_blob_client("b").get_blob_tags)
    refuses(403, FORBIDDEN, service.get_service_properties)
    refuses(403, FORBIDDEN, service.set_service_properties, target_version="2020-10-02")
    refuses(403, FORBIDDEN, own.get_container_access_policy)


@test
def keys_of_signatures_are_those_that_are_configured():
    container = made("keys").container_name
    service = blobs(as_(OWNER, algorithm="ES256"))
    equal(service.get_blob_client(container, "b").download_blob().readall(), b"content")
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for claims in (
        {"key": foreign},
        {"header": {"kid": "three"}},
        {"header": {"kid": "two"}},
        {"algorithm": "none"},
        {"algorithm": "HS256"},
        {"header": {"crit": ["exp"]}},
    ):
        service = blobs(as_(OWNER, **claims))
        refuses(401, "InvalidAuthenticationInfo", service.get_container_client(container).exists)


@test
def tokens_that_are_not_for_this_are_challenged():
    now = int(time.time())
    for claims in (
        {"exp": now - 3600},
        {"nbf": now + 3600},
        {"iat": now + 3600},
        {"aud": "https://management.azure.com"},
        {"aud": "https://other.blob.core.windows.net"},
        {"iss": "https://sts.example.com/"},
        {"tid": OTHER_TENANT},
        {"oid": "me"},
        {"oid": None},
        {"exp": None},
        {"scp": "openid"},
    ):
        credential = as_(OWNER, **claims)
        service = blobs(credential)
        refuses(401, "InvalidAuthenticationInfo", service.get_container_client("any").exists)
        # The SDK answered the challenge: it asked for a token of the tenant that was told.
        scope = ("https://storage.azure.com/.default",)
        equal(credential.asked[-1], (scope, TENANT), str(claims))
    for claims in (
        {"aud": "https://storage.azure.com/"},
        {"aud": "e406a681-f3d4-42a8-90b6-c2b029497af1"},
        {"aud": [f"https://{ACCOUNT}.blob.core.windows.net"]},
        {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
        {"scp": "profile user_impersonation"},
        {"exp": now - 20},
    ):
        equal(blobs(as_(OWNER, **claims)).get_container_client("none-there").exists(), False)


@test
def a_challenge_leads_to_the_right_tenant():
    container = made("guest").container_name
    guest = Guest(ISSUER, READER)
    blob = blobs(guest).get_blob_client(container, "b")
    equal(blob.download_blob().readall(), b"content")
    equal([tenant for _, tenant in guest.asked], [None, TENANT])


@test
def who_has_no_role_or_another_account_is_refused():
    container = made("nobody").container_name
    for object_id in (NOBODY, MEMBER):
        service = blobs(as_(object_id))
        refuses(403, FORBIDDEN, service.get_blob_client(container, "b").download_blob)
        refuses(403, FORBIDDEN, lambda service=service: list(service.list_containers()))
    member = blobs(as_(MEMBER, groups=["no guid", GROUP]))
    equal(member.get_blob_client(container, "b").download_blob().readall(), b"content")


@test
def queue_roles():
    queue = made_queue("roles")
    name = queue.queue_name
    sender, reader = queues(as_(SENDER)), queues(as_(READER))
    sender.get_queue_client(name).send_message("one")
    refuses(403, FORBIDDEN, sender.get_queue_client(name).peek_messages)
    refuses(403, FORBIDDEN, sender.get_queue_client(name).get_queue_properties)
    peeked = reader.get_queue_client(name).peek_messages()
    equal([message.content for message in peeked], ["one"])
    refuses(403, FORBIDDEN, reader.get_queue_client(name).send_message, "two")
    refuses(403, FORBIDDEN, reader.get_queue_client(name).receive_message)
    refuses(403, FORBIDDEN, reader.get_queue_client(name).clear_messages)
    assert name in [found.name for found in reader.list_queues()]
    owner = queues(as_(OWNER)).get_queue_client(name)
    message = owner.receive_message()
    owner.update_message(message, content="new", visibility_timeout=0)
    owner.delete_message(owner.receive_message())
    refuses(403, FORBIDDEN, owner.get_queue_access_policy)
    owner.delete_queue()


@test
def table_roles():
    name = f"idn{RUN}"
    owner, reader = tables(as_(OWNER)), tables(as_(READER))
    table = owner.create_table(name)
    entity = {"PartitionKey": "p", "RowKey": "r", "a": 1}
    table.create_entity(entity)
    table.upsert_entity({**entity, "a": 2}, mode=UpdateMode.REPLACE)
    table.submit_transaction([("upsert", {**entity, "RowKey": "s"}), ("delete", entity)])
    own = reader.get_table_client(name)
    equal([found["RowKey"] for found in own.list_entities()], ["s"])
    assert name in [found.name for found in reader.list_tables()]
    for call in (
        lambda: own.create_entity({**entity, "RowKey": "t"}),
        lambda: own.submit_transaction([("upsert", entity)]),
        lambda: own.delete_entity("p", "s"),
        lambda: reader.create_table(f"{name}x"),
        own.delete_table,
    ):
        refuses(403, FORBIDDEN, call)
    table.delete_table()


@test
def roles_within_a_scope():
    keyed = blobs(CREDENTIAL)
    if not keyed.get_container_client(SCOPE).exists():
        keyed.create_container(SCOPE)
    other = made("outside").container_name
    service = blobs(as_(SCOPED))
    service.get_blob_client(SCOPE, "b").upload_blob(b"in", overwrite=True)
    equal(service.get_blob_client(SCOPE, "b").download_blob().readall(), b"in")
    refuses(403, FORBIDDEN, service.get_blob_client(other, "b").download_blob)
    refuses(403, FORBIDDEN, service.get_blob_client(other, "c").upload_blob, b"out")
    refuses(403, FORBIDDEN, lambda: list(service.list_containers()))
    source = service.get_blob_client(SCOPE, "copy")
    refuses(401, None, source.start_copy_from_url, service.get_blob_client(other, "b").url)
    source.start_copy_from_url(service.get_blob_client(SCOPE, "b").url)

    keyed = queues(CREDENTIAL)
    keyed.get_queue_client(SCOPE).create_queue()
    keyed.get_queue_client(SCOPE).send_message("x")
    own = queues(as_(SCOPED))
    own.get_queue_client(SCOPE).delete_message(own.get_queue_client(SCOPE).receive_message())
    refuses(403, FORBIDDEN, own.get_queue_client(made_queue("outside").queue_name).receive_message)

    own = tables(as_(SCOPED))
    tables_of_all = tables(as_(OWNER))
    tables_of_all.create_table_if_not_exists(SCOPE)
    entity = {"PartitionKey": "p", "RowKey": "r"}
    own.get_table_client(SCOPE).submit_transaction([("upsert", entity)])
    outside = tables_of_all.create_table(f"idnoutside{RUN}").table_name
    refuses(403, FORBIDDEN, own.get_table_client(outside).submit_transaction, [("upsert", entity)])


@test
def delegation_keys_are_for_identities():
    refuses(403, "AuthenticationFailed", blobs(CREDENTIAL).get_user_delegation_key,
            hours_from_now(0), hours_from_now(1))
    refuses(403, FORBIDDEN, blobs(as_(NOBODY)).get_user_delegation_key,
            hours_from_now(0), hours_from_now(1))
    # Who has messages only, or one container, gets no key.
    refuses(403, FORBIDDEN, queues(as_(SENDER)).get_user_delegation_key,
            start=hours_from_now(0), expiry=hours_from_now(1))
    refuses(403, FORBIDDEN, blobs(as_(SCOPED)).get_user_delegation_key,
            hours_from_now(0), hours_from_now(1))
    refuses(400, "InvalidXmlNodeValue", blobs(as_(OWNER)).get_user_delegation_key,
            hours_from_now(0), hours_from_now(8 * 24))
    key = blobs(as_(OWNER)).get_user_delegation_key(hours_from_now(-1), hours_from_now(7 * 24 - 1))
    equal((key.signed_oid, key.signed_tid, key.signed_service), (OWNER, TENANT, "b"))
    key = queues(as_(OWNER)).get_user_delegation_key(
        start=hours_from_now(0), expiry=hours_from_now(1))
    equal((key.signed_oid, key.signed_service), (OWNER, "q"))


def key_of(object_id, hours=1):
    """The delegation key of somebody for blobs."""
    return blobs(as_(object_id)).get_user_delegation_key(hours_from_now(-1), hours_from_now(hours))


def blob_with(container, token, name="b", **options):
    """A blob as the bearer of a token sees it."""
    return BlobClient(BLOB, container, name, credential=AzureSasCredential(token),
                      **OPTIONS, **options)


@test
def blob_tokens_of_a_delegation_key():
    container = made("udsas").container_name

    def sas(key, permission, **options):
        return generate_blob_sas(
            ACCOUNT, container, "b", user_delegation_key=key, permission=permission,
            expiry=options.pop("expiry", hours_from_now(0.5)), **options)

    own = key_of(OWNER)
    read_write = BlobSasPermissions(read=True, write=True, delete=True)
    blob = blob_with(container, sas(own, read_write))
    equal(blob.download_blob().readall(), b"content")
    blob.upload_blob(b"changed", overwrite=True)
    equal(blob.download_blob().readall(), b"changed")
    # Letters reach no farther than the roles of whoever the key is of.
    reader = blob_with(container, sas(key_of(READER), read_write))
    equal(reader.download_blob().readall(), b"changed")
    refuses(403, FORBIDDEN, reader.upload_blob, b"no", overwrite=True)
    refuses(403, FORBIDDEN, reader.delete_blob)
    delegator = blob_with(container, sas(key_of(DELEGATOR), read_write))
    refuses(403, FORBIDDEN, delegator.download_blob)
    # And roles no farther than letters.
    limited = blob_with(container, sas(own, BlobSasPermissions(read=True)))
    refuses(403, FORBIDDEN, limited.delete_blob)
    refuses(403, "AuthenticationFailed", blob_with(container, sas(own, "r"), "c").download_blob)
    late = sas(own, "r", expiry=hours_from_now(2))
    refuses(403, "AuthenticationFailed", blob_with(container, late).download_blob)
    over = sas(own, "r", expiry=hours_from_now(-0.5))
    refuses(403, "AuthenticationFailed", blob_with(container, over).download_blob)
    elsewhere = sas(own, "r", ip="10.1.2.3")
    refuses(403, "AuthorizationSourceIPMismatch", blob_with(container, elsewhere).download_blob)
    secure = sas(own, "r", protocol="https", content_type="text/x-test")
    told = blob_with(container, secure).get_blob_properties()
    equal(told.content_settings.content_type, "text/x-test")
    own.signed_oid = READER
    refuses(403, "AuthenticationFailed", blob_with(container, sas(own, "r")).download_blob)


@test
def container_tokens_of_a_delegation_key():
    container = made("udsasc").container_name
    token = generate_container_sas(
        ACCOUNT, container, user_delegation_key=key_of(OWNER),
        permission=ContainerSasPermissions(read=True, list=True, create=True),
        expiry=hours_from_now(0.5))
    client = ContainerClient(BLOB, container, credential=AzureSasCredential(token), **OPTIONS)
    equal([found.name for found in client.list_blobs()], ["b"])
    client.upload_blob("new", b"x")
    refuses(403, "UnauthorizedBlobOverwrite", client.upload_blob, "new", b"y", overwrite=True)
    refuses(403, "AuthorizationFailure", client.delete_container)


@test
def signed_headers_and_parameters():
    container = made("signed").container_name
    token = generate_blob_sas(
        ACCOUNT, container, "b", user_delegation_key=key_of(OWNER), permission="r",
        expiry=hours_from_now(0.5), request_headers={"x-ms-one": "1", "x-ms-two": "2"},
        request_query_params={"q": "v", "w": "x y"})

    def status(headers, parameters):
        url = f"{BLOB}/{container}/b?{token}&{urlencode(parameters)}"
        request = urllib.request.Request(url, headers=headers)
        try:
            context = ssl.create_default_context(cafile=CA)
            return urllib.request.urlopen(request, context=context, timeout=30).status
        except urllib.error.HTTPError as error:
            return error.code

    headers, parameters = {"x-ms-one": "1", "x-ms-two": "2"}, {"q": "v", "w": "x y"}
    equal(status(headers, parameters), 200)
    equal(status({**headers, "x-ms-two": "3"}, parameters), 403)
    equal(status({"x-ms-one": "1"}, parameters), 403)
    equal(status(headers, {"q": "v", "w": "x"}), 403)
    equal(status(headers, {"q": "v"}), 403)
    # One parameter does not stand for two.
    equal(status(headers, {"srq": "q:v\nw", "q:v\nw": "x y"}), 403)


def bound_to(key, user, container, **options):
    """A token of a key that is for somebody."""
    return generate_blob_sas(
        ACCOUNT, container, "b", user_delegation_key=key, permission="r",
        expiry=hours_from_now(0.5), user_delegation_oid=user, **options)


@test
def tokens_that_are_for_somebody():
    container = made("bound").container_name
    key = key_of(OWNER)
    url = f"{BLOB}/{container}/b?{bound_to(key, NOBODY, container)}"
    refuses(403, "AuthenticationFailed", BlobClient.from_blob_url(url, **OPTIONS).download_blob)
    # The one it is for has no role of his own, and needs none.
    user = BlobClient.from_blob_url(url, credential=as_(NOBODY), **OPTIONS)
    equal(user.download_blob().readall(), b"content")
    refuses(403, "AuthorizationPermissionMismatch", user.delete_blob)
    other = BlobClient.from_blob_url(url, credential=as_(READER), **OPTIONS)
    refuses(403, "AuthenticationFailed", other.download_blob)
    service = blobs(as_(OWNER))
    for tenant, status in ((TENANT, 200), (OTHER_TENANT, 403)):
        key = service.get_user_delegation_key(
            hours_from_now(-1), hours_from_now(1), delegated_user_tid=tenant)
        equal(key.signed_delegated_user_tid, tenant)
        url = f"{BLOB}/{container}/b?{bound_to(key, NOBODY, container)}"
        user = BlobClient.from_blob_url(url, credential=as_(NOBODY), **OPTIONS)
        if status == 200:
            equal(user.download_blob().readall(), b"content")
        else:
            refuses(403, "AuthenticationFailed", user.download_blob)


@test
def queue_tokens_of_a_delegation_key():
    name = made_queue("udsas").queue_name

    def client(object_id, permission, queue=name, **options):
        key = queues(as_(object_id)).get_user_delegation_key(
            start=hours_from_now(-1), expiry=hours_from_now(1))
        token = generate_queue_sas(
            ACCOUNT, name, user_delegation_key=key, permission=permission,
            expiry=hours_from_now(0.5), **options)
        return QueueClient(QUEUE, queue, credential=AzureSasCredential(token), **OPTIONS)

    every = QueueSasPermissions(read=True, add=True, update=True, process=True)
    owner = client(OWNER, every)
    owner.send_message("one")
    equal(owner.peek_messages()[0].content, "one")
    equal(owner.get_queue_properties().approximate_message_count, 1)
    message = owner.receive_message()
    owner.update_message(message, visibility_timeout=0, content="two")
    owner.delete_message(owner.receive_message())
    refuses(403, "AuthorizationFailure", owner.clear_messages)
    reader = client(READER, every)
    equal(reader.peek_messages(), [])
    refuses(403, FORBIDDEN, reader.send_message, "no")
    refuses(403, FORBIDDEN, reader.receive_message)
    refuses(403, FORBIDDEN, client(DELEGATOR, every).peek_messages)
    refuses(403, FORBIDDEN, client(OWNER, QueueSasPermissions(add=True)).peek_messages)
    other = made_queue("udsasother").queue_name
    refuses(403, "AuthenticationFailed", client(OWNER, every, queue=other).peek_messages)
    bound = client(OWNER, every, user_delegation_oid=READER)
    refuses(403, "AuthenticationFailed", bound.peek_messages)


@test
def who_brings_nothing_is_told_where_to_get_a_token():
    container = made("anonymous").container_name

    def refused(call):
        try:
            call()
        except HttpResponseError as error:
            equal(error.status_code, 401)
            return error.response
        raise AssertionError("nothing was refused")

    answer = refused(BlobClient(BLOB, container, "b", **OPTIONS).download_blob)
    equal(answer.headers["x-ms-error-code"], "NoAuthenticationInformation")
    equal(answer.headers["www-authenticate"],
          f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize "
          "resource_id=https://storage.azure.com")
    expired = blobs(as_(OWNER, exp=int(time.time()) - 3600))
    answer = refused(expired.get_blob_client(container, "b").download_blob)
    document = ElementTree.fromstring(answer.text().lstrip("\ufeff"))
    equal(document.findtext("AuthenticationErrorDetail"),
          "Lifetime validation failed. The token is expired.")


@test
def a_token_whose_claims_were_changed():
    container = made("forged").container_name
    header, claims, signature = ISSUER.token(NOBODY).split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    said["oid"] = OWNER
    forged = f"{header}.{base64url(json.dumps(said).encode())}.{signature}"

    class Forger:
        """Hands out what it made up."""

        def get_token(self, *_scopes, **_options):
            """The forged token."""
            return AccessToken(forged, int(time.time()) + 3600)

    blob = blobs(Forger()).get_blob_client(container, "b")
    refuses(401, "InvalidAuthenticationInfo", blob.download_blob)


if __name__ == "__main__":
    main()
