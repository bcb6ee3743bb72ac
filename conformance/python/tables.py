"""The official Python SDK for tables against a running Table server."""

import datetime as dt
import os
import uuid

from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.data.tables import (
    AccountSasPermissions,
    EdmType,
    EntityProperty,
    ResourceTypes,
    TableAccessPolicy,
    TableClient,
    TableCorsRule,
    TableSasPermissions,
    TableServiceClient,
    TableTransactionError,
    UpdateMode,
    generate_account_sas,
    generate_table_sas,
)
from azure.data.tables.aio import TableClient as AsyncTableClient
from harness import ACCOUNT, KEY, RUN, equal, hours_from_now, main, raw, refuses, test

TABLE = os.environ.get("AZ_TABLE", f"http://127.0.0.1:10002/{ACCOUNT}")
CREDENTIAL = AzureNamedKeyCredential(ACCOUNT, KEY)
SERVICE = TableServiceClient(TABLE, credential=CREDENTIAL, retry_total=0)


def table(tag):
    """A new table of this run."""
    return SERVICE.create_table(f"conf{tag}{RUN}")


def entity(partition, row, **properties):
    """An entity."""
    return {"PartitionKey": partition, "RowKey": row, **properties}


def rows(client, query=None, **options):
    """The row keys that a query gives; all without one."""
    found = client.query_entities(query, **options) if query else client.list_entities(**options)
    return [one["RowKey"] for one in found]


@test
def settings_of_the_service_come_back():
    SERVICE.set_service_properties(cors=[TableCorsRule(["*"], ["GET"], max_age_in_seconds=8)])
    equal(SERVICE.get_service_properties()["cors"][0].max_age_in_seconds, 8)
    SERVICE.set_service_properties(cors=[])
    equal(len(SERVICE.get_service_properties()["cors"] or []), 0)


@test
def tables_are_made_listed_and_deleted():
    client = table("life")
    refuses(409, "TableAlreadyExists", client.create_table)
    equal([one.name for one in SERVICE.query_tables(f"TableName eq '{client.table_name}'")],
          [client.table_name])
    client.delete_table()
    refuses(404, "TableNotFound", client.create_entity, entity("p", "r"))
    client.create_table()
    equal(rows(client), [])
    client.delete_table()


@test
def every_type_round_trips():
    client = table("types")
    given = entity(
        "p", "r", text="hé 'q' \"x\" \U0001f600", empty="", whole=2**31 - 1,
        large=EntityProperty(2**63 - 1, EdmType.INT64), half=0.5, huge=1e300, no=False,
        raw=b"\x00\xff", id=uuid.uuid4(), endless=float("inf"),
        when=dt.datetime(2024, 2, 29, 12, 34, 56, 789000, tzinfo=dt.timezone.utc),
    )
    client.create_entity(given)
    found = client.get_entity("p", "r")
    for name in ("text", "empty", "whole", "half", "huge", "no", "raw", "id", "endless", "when"):
        equal(found[name], given[name], name)
    equal((found["large"].value, found["large"].edm_type), (2**63 - 1, EdmType.INT64))
    client.delete_table()


@test
def a_moment_keeps_its_seven_digits():
    client = table("digits")
    text = "2024-02-29T12:34:56.1234567Z"
    client.create_entity(entity("p", "r", when=EntityProperty(text, EdmType.DATETIME)))
    token = generate_table_sas(
        CREDENTIAL, client.table_name, permission=TableSasPermissions(read=True),
        expiry=hours_from_now(1))
    url = f"{TABLE}/{client.table_name}(PartitionKey='p',RowKey='r')?{token}"
    status, body, _ = raw("GET", url, headers={"Accept": "application/json;odata=minimalmetadata"})
    equal(status, 200)
    equal(f'"when@odata.type":"Edm.DateTime","when":"{text}"' in body.decode(), True, "digits")
    client.delete_table()


@test
def writes_merge_replace_and_ask_for_their_tag():
    client = table("writes")
    tag = client.create_entity(entity("p", "r", a=1, b=2))["etag"]
    client.update_entity(entity("p", "r", b=3), mode=UpdateMode.MERGE)
    found = client.get_entity("p", "r")
    equal((found["a"], found["b"]), (1, 3))
    stale = {"etag": tag, "match_condition": MatchConditions.IfNotModified}
    refuses(412, "UpdateConditionNotSatisfied", client.update_entity, entity("p", "r"), **stale)
    refuses(412, "UpdateConditionNotSatisfied", client.delete_entity, "p", "r", **stale)
    client.upsert_entity(entity("p", "r", c=1), mode=UpdateMode.REPLACE)
    equal(sorted(client.get_entity("p", "r")), ["PartitionKey", "RowKey", "c"])
    refuses(404, "ResourceNotFound", client.update_entity, entity("p", "none"))
    refuses(409, "EntityAlreadyExists", client.create_entity, entity("p", "r"))
    client.delete_entity("p", "r")
    refuses(404, "ResourceNotFound", client.get_entity, "p", "r")
    client.delete_table()


@test
def queries_filter_order_and_page():
    client = table("query")
    for partition in range(3):
        for start in (0, 100, 200, 300, 400):
            client.submit_transaction([
                ("upsert", entity(f"p{partition}", f"{number:04d}", n=number, odd=number % 2 == 1))
                for number in range(start, start + 100)
            ])
    every = [(one["PartitionKey"], one["RowKey"]) for one in client.list_entities()]
    equal(len(every), 1500)
    equal(every, sorted(every), "order")
    equal([len(list(page)) for page in client.list_entities().by_page()], [1000, 500])
    query = "PartitionKey eq 'p1' and RowKey ge '0010' and RowKey lt '0013'"
    equal(rows(client, query), ["0010", "0011", "0012"])
    equal(len(rows(client, "n ge 498")), 6)
    equal(len(rows(client, "not odd and PartitionKey gt 'p1'")), 250)
    equal(len(rows(client, "odd eq true", results_per_page=7)), 750)
    refuses(400, "InvalidInput", lambda: rows(client, "n eq"))
    refuses(400, "InvalidInput", lambda: rows(client, " or ".join(["n eq 1"] * 1000)))
    client.delete_table()


@test
def a_transaction_happens_or_names_what_was_wrong():
    client = table("trans")
    client.create_entity(entity("p", "old"))
    made = client.submit_transaction([
        ("create", entity("p", "new")),
        ("update", entity("p", "old", v=2), {"mode": "replace"}),
        ("upsert", entity("p", "other")),
    ])
    equal([bool(one["etag"]) for one in made], [True] * 3)
    try:
        client.submit_transaction([
            ("create", entity("p", "x")),
            ("delete", entity("p", "old")),
            ("create", entity("p", "new")),
        ])
        raise AssertionError("it happened")
    except TableTransactionError as error:
        equal((error.index, error.error_code), (2, "EntityAlreadyExists"))
    equal(rows(client), ["new", "old", "other"])
    client.delete_table()


@test
def tokens_reach_what_they_name():
    client = table("sas")
    for key in "abc":
        client.create_entity(entity(key, key))

    def using(**fields):
        token = generate_table_sas(CREDENTIAL, client.table_name, **fields)
        return TableClient(TABLE, client.table_name, credential=AzureSasCredential(token),
                           retry_total=0)

    reads = {"permission": TableSasPermissions(read=True), "expiry": hours_from_now(1)}
    equal(rows(using(**reads)), ["a", "b", "c"])
    equal(rows(using(start_pk="b", end_pk="b", **reads)), ["b"])
    refuses(403, None, using(**reads).create_entity, entity("d", "d"))
    refuses(403, None, using(start_pk="b", **reads).get_entity, "a", "a")
    client.set_table_access_policy({"p": TableAccessPolicy(expiry=hours_from_now(1), permission="r")})
    equal(client.get_table_access_policy()["p"].permission, "r")
    equal(rows(using(policy_id="p")), ["a", "b", "c"])
    token = generate_account_sas(CREDENTIAL, ResourceTypes(object=True),
                                 AccountSasPermissions(read=True), hours_from_now(1))
    other = TableServiceClient(TABLE, credential=AzureSasCredential(token), retry_total=0)
    equal(rows(other.get_table_client(client.table_name)), ["a", "b", "c"])
    refuses(403, None, lambda: list(other.list_tables()))
    client.delete_table()


@test
async def the_asynchronous_half_works_too():
    client = table("aio")
    async with AsyncTableClient(TABLE, client.table_name, credential=CREDENTIAL) as other:
        await other.create_entity(entity("p", "r", v=1))
        equal((await other.get_entity("p", "r"))["v"], 1)
        equal([one["v"] async for one in other.query_entities("v eq 1")], [1])
    client.delete_table()


if __name__ == "__main__":
    main()
