"""The `az storage` commands for queues, messages, tables and entities against running servers.

The commands run in this process, as `az` runs them; each call would cost a second of start-up else.
"""

import io
import json
import os
import subprocess
import sys

from azure.cli.core import get_default_cli
from harness import ACCOUNT, BLOB, KEY, RUN, equal, main, test

QUEUE = os.environ.get("AZ_QUEUE", f"http://127.0.0.1:10001/{ACCOUNT}")
TABLE = os.environ.get("AZ_TABLE", f"http://127.0.0.1:10002/{ACCOUNT}")
ENDPOINTS = f"BlobEndpoint={BLOB};QueueEndpoint={QUEUE};TableEndpoint={TABLE};"
CONNECTION = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{ENDPOINTS}"
FOREVER = "2999-12-31T00:00Z"


def invoke(command, options, connection):
    """Runs a command: what it printed, and the error that it ended with."""
    line = ["storage", *command.split(), "--connection-string", connection, "--output", "json"]
    for name, value in options.items():
        line.append("--" + name.replace("_", "-"))
        line.extend(value if isinstance(value, list) else [str(value)])
    cli = get_default_cli()
    out = io.StringIO()
    try:
        status, error = cli.invoke(line, out_file=out), cli.result.error
    except SystemExit as ended:
        # How `show` ends when there is nothing to show, and how a wrong command line does.
        status, error = ended.code, ended.__context__ or ended
    equal(status == 0, error is None, f"exit status {status} of {command}")
    return out.getvalue(), error


def az(command, connection=CONNECTION, **options):
    """What a command prints, as it is read by scripts."""
    printed, error = invoke(command, options, connection)
    if error is not None:
        raise AssertionError(f"az storage {command}: {error}")
    return json.loads(printed) if printed else None


def fails(code, command, connection=CONNECTION, **options):
    """Fails unless the command ends with this error code of the service, or says this."""
    _, error = invoke(command, options, connection)
    found = getattr(error, "error_code", None) or ""
    equal(code in (getattr(found, "value", found), str(error)), True, f"{command} said {error}")


def shared(token):
    """A connection string that has a token and no key."""
    return f"{ENDPOINTS}SharedAccessSignature={token}"


@test
def queues_live_with_their_metadata():
    name = f"az-life-{RUN}"
    equal(az("queue exists", name=name), {"exists": False})
    equal(az("queue create", name=name, metadata=["a=1", "b=x y"]), {"created": True})
    equal(az("queue exists", name=name), {"exists": True})
    equal(az("queue metadata show", name=name), {"a": "1", "b": "x y"})
    az("queue metadata update", name=name, metadata=["c=3"])
    found = az("queue list --include-metadata", prefix=name)
    equal([(one["name"], one["metadata"]) for one in found], [(name, {"c": "3"})])
    equal(az("queue delete", name=name), {"deleted": True})
    fails("QueueNotFound", "queue delete --fail-not-exist", name=name)
    equal(az("queue list", prefix=name), [])


@test
def messages_are_put_peeked_got_updated_and_deleted():
    name = f"az-message-{RUN}"
    az("queue create", name=name)
    put = az("message put", queue_name=name, content="first ü <&>", time_to_live=-1)
    equal((put["content"], put["expirationTime"][:4]), ("first ü <&>", "9999"))
    az("message put", queue_name=name, content="second")
    peeked = az("message peek", queue_name=name, num_messages=32)
    equal([(one["content"], one["dequeueCount"], one["popReceipt"]) for one in peeked],
          [("first ü <&>", 0, None), ("second", 0, None)])
    got = az("message get", queue_name=name, visibility_timeout=600)
    equal([(one["id"], one["dequeueCount"]) for one in got], [(put["id"], 1)])
    of = {"queue_name": name, "id": put["id"]}
    fails("MessageNotFound", "message delete", pop_receipt=put["popReceipt"], **of)
    changed = az("message update", pop_receipt=got[0]["popReceipt"], content="changed",
                 visibility_timeout=0, **of)
    got = az("message get", queue_name=name, num_messages=2, visibility_timeout=600)
    equal(sorted(one["content"] for one in got), ["changed", "second"])
    fails("MessageNotFound", "message update", pop_receipt=changed["popReceipt"],
          visibility_timeout=0, **of)
    for one in got:
        if one["content"] == "changed":
            az("message delete", pop_receipt=one["popReceipt"], **of)
    az("message put", queue_name=name, content="third")
    az("message clear", queue_name=name)
    equal(az("message peek", queue_name=name), [])
    az("queue delete", name=name)


@test
def policies_and_tokens_of_a_queue():
    name = f"az-sas-{RUN}"
    az("queue create", name=name)
    az("message put", queue_name=name, content="x")
    az("queue policy create", queue_name=name, name="look", permissions="r", expiry=FOREVER)
    az("queue policy create", queue_name=name, name="work", permissions="ap", expiry=FOREVER)
    equal(sorted(az("queue policy list", queue_name=name)), ["look", "work"])
    az("queue policy update", queue_name=name, name="work", permissions="ra")
    equal(az("queue policy show", queue_name=name, name="work")["permission"], "ra")
    az("queue policy delete", queue_name=name, name="work")
    token = az("queue generate-sas", name=name, policy_name="look")
    equal([one["content"] for one in az("message peek", shared(token), queue_name=name)], ["x"])
    fails("AuthorizationPermissionMismatch", "message put", shared(token), queue_name=name,
          content="y")
    token = az("queue generate-sas", name=name, permissions="ap", expiry=FOREVER)
    az("message put", shared(token), queue_name=name, content="y")
    fails("AuthorizationPermissionMismatch", "message peek", shared(token), queue_name=name)
    az("queue delete", name=name)


@test
def tables_live_and_have_policies():
    name = f"az{RUN}"
    equal(az("table create", name=name), {"created": True})
    az("table create", name=name)
    fails("TableAlreadyExists", "table create --fail-on-exist", name=name)
    equal(az("table exists", name=name), {"exists": True})
    equal([one["name"] for one in az("table list") if one["name"] == name], [name])
    az("entity insert", table_name=name, entity=["PartitionKey=p", "RowKey=r", "v=1"])
    az("table policy create", table_name=name, name="look", permissions="r", expiry=FOREVER)
    equal(az("table policy show", table_name=name, name="look")["permission"], "r")
    token = az("table generate-sas", name=name, policy_name="look")
    equal(len(az("entity query", shared(token), table_name=name)["items"]), 1)
    az("table policy delete", table_name=name, name="look")
    equal(az("table policy list", table_name=name), {})
    token = az("table generate-sas", name=name, permissions="a", expiry=FOREVER)
    az("entity insert", shared(token), table_name=name, entity=["PartitionKey=p", "RowKey=s"])
    fails("AuthorizationPermissionMismatch", "entity query", shared(token), table_name=name)
    equal(az("table delete", name=name), {"deleted": True})
    equal(az("table exists", name=name), {"exists": False})


@test
def entities_are_inserted_merged_replaced_and_queried():
    name = f"azent{RUN}"
    az("table create", name=name)
    keys = ["PartitionKey=p", "RowKey=a b'c"]
    big = ["big=5000000000", "big@odata.type=Edm.Int64"]
    az("entity insert", table_name=name, entity=[*keys, "n=7", "half=0.5", "text=ü", *big])
    at = {"table_name": name, "partition_key": "p", "row_key": "a b'c"}
    found = az("entity show", **at)
    equal([found[key] for key in ("n", "half", "text")], [7, 0.5, "ü"])
    fails("The specified entity already exists.", "entity insert", table_name=name, entity=keys)
    az("entity merge", table_name=name, entity=[*keys, "n=8"])
    found = az("entity show", **at)
    equal((found["n"], found["half"]), (8, 0.5))
    az("entity replace", table_name=name, entity=[*keys, "n=9"])
    found = az("entity show", select=["n", "half"], **at)
    equal((found["n"], found.get("half")), (9, None))
    az("entity insert", table_name=name, if_exists="replace", entity=[*keys, "n=10"])
    for row in range(3):
        az("entity insert", table_name=name, entity=["PartitionKey=q", f"RowKey={row}", f"n={row}"])
    found = az("entity query", table_name=name, filter="PartitionKey eq 'q' and n ge 1")
    equal([one["RowKey"] for one in found["items"]], ["1", "2"])
    page = az("entity query", table_name=name, num_results=2)
    rest = az("entity query", table_name=name, num_results=2,
              marker=[f"{key}={value}" for key, value in page["nextMarker"].items()])
    equal([one["RowKey"] for one in page["items"] + rest["items"]], ["a b'c", "0", "1", "2"])
    fails("UpdateConditionNotSatisfied", "entity delete",
          if_match="W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\"", **at)
    az("entity delete", **at)
    fails("ResourceNotFound", "entity show", **at)
    az("table delete", name=name)


@test
def the_program_itself_says_how_it_ended():
    command = [sys.executable, "-m", "azure.cli", "storage", "message", "peek", "--queue-name",
               f"az-none-{RUN}", "--connection-string", CONNECTION]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    equal((ended.returncode, ended.stdout), (3, ""), "exit status")
    equal("The specified queue does not exist." in ended.stderr, True, ended.stderr)


if __name__ == "__main__":
    main()
