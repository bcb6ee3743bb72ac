"""Queries of what blobs hold."""

from azure.storage.blob import DelimitedJsonDialect, DelimitedTextDialect, QuickQueryDialect

from clients import container
from harness import equal, refuses, test

CSV = b"id,name,price\r\n1,mouse,12.5\r\n2,\"key, board\",30\r\n3\r\n4,screen,199\r\n"


def ask(client, expression, **options):
    """The answer of a query, the errors that came with it, and the reader."""
    errors = []
    reader = client.query_blob(expression, on_error=errors.append, **options)
    return reader.readall(), errors, reader


@test
def a_query_without_formats_reads_text_and_answers_text():
    client = container("query").get_blob_client("b.csv")
    client.upload_blob(CSV)
    found, errors, reader = ask(client, "SELECT * from BlobStorage")
    equal((found, errors), (CSV.replace(b"\r\n", b"\n"), []))
    equal(len(reader), len(CSV))
    lines = client.query_blob("SELECT _2 FROM BlobStorage LIMIT 2").records()
    equal(list(lines), [b"name", b"mouse", b""])


@test
def text_in_other_forms_is_read_and_written():
    client = container("queryform").get_blob_client("b.csv")
    client.upload_blob(CSV)
    headed = DelimitedTextDialect(delimiter=",", quotechar='"', lineterminator="\n", has_header=True)
    form = DelimitedTextDialect(delimiter=";", quotechar="'", lineterminator=".", escapechar="\\")
    found, errors, _ = ask(
        client,
        "SELECT Name, CAST(price AS FLOAT) * 2 FROM BlobStorage WHERE price >= 12.5",
        blob_format=headed,
        output_format=form,
    )
    equal(found, b"mouse;25.key, board;60.screen;398.")
    equal([(error.error, error.is_fatal, error.position) for error in errors],
          [("InvalidColumnOrdinal", False, CSV.index(b"3\r\n"))])
    as_json, _, _ = ask(
        client,
        "SELECT name AS n FROM BlobStorage WHERE id IN ('2', '4')",
        blob_format=headed,
        output_format=DelimitedJsonDialect(delimiter=";"),
    )
    equal(as_json, b'{"n":"key, board"};{"n":"screen"};')


@test
def json_is_queried_into_its_depth():
    client = container("queryjson").get_blob_client("b.json")
    client.upload_blob(
        b'{"id":1,"name":"mouse","tags":["a","b"],"houses":[{"lat":41.8},{"lat":2}]}\n{"id":2}\n'
    )
    for expression, wanted in [
        ("SELECT name from BlobStorage", b'{"name":"mouse"};{};'),
        ("SELECT tags[1] AS t, id FROM BlobStorage[*] WHERE id = 1", b'{"t":"b","id":1};'),
        ("SELECT lat FROM BlobStorage[*].houses[*]", b'{"lat":41.8};{"lat":2};'),
        ("SELECT COUNT(*) FROM BlobStorage WHERE name IS MISSING", b'{"_1":1};'),
    ]:
        found, errors, _ = ask(
            client,
            expression,
            blob_format=DelimitedJsonDialect(delimiter="\n"),
            output_format=DelimitedJsonDialect(delimiter=";"),
        )
        equal((found, errors), (wanted, []), expression)
    found, errors, _ = ask(
        client, "SELECT id FROM BlobStorage", blob_format=QuickQueryDialect.DelimitedJson
    )
    equal((found, errors), (b'{"id":1}\n{"id":2}\n', []))


@test
def what_is_not_json_is_a_fatal_error_in_the_answer():
    client = container("queryfatal").get_blob_client("b.json")
    data = b"{name: owner}\n{name2: owner2}\n{name: owner}"
    client.upload_blob(data)
    found, errors, reader = ask(
        client,
        "SELECT * from BlobStorage",
        blob_format=DelimitedJsonDialect(),
        output_format=DelimitedTextDialect(delimiter=";"),
    )
    equal((found, len(reader)), (b"", len(data)))
    equal([(error.error, error.is_fatal) for error in errors], [("ParseError", True)])


@test
def a_long_answer_arrives_whole():
    client = container("querylong").get_blob_client("b.csv")
    lines = [b"%d,%d,some text that is not short\n" % (number, number % 7) for number in range(300_000)]
    client.upload_blob(b"".join(lines))
    wanted = b"".join(line for number, line in enumerate(lines) if number % 7 == 3)
    found, errors, reader = ask(client, "SELECT * FROM BlobStorage WHERE _2 = 3")
    equal((found == wanted, errors, len(reader)), (True, [], sum(map(len, lines))))
    counted, _, _ = ask(client, "SELECT COUNT(*), SUM(_2), MAX(CAST(_1 AS INT)) FROM BlobStorage")
    equal(counted, b"300000,%d,299999\n" % sum(number % 7 for number in range(300_000)))


@test
def a_query_is_a_read_with_conditions():
    holder = container("querycond")
    client = holder.get_blob_client("b")
    etag = client.upload_blob(b"1,2\n")["etag"]
    snapshot = client.create_snapshot()
    client.upload_blob(b"3,4\n", overwrite=True)
    refuses(412, "ConditionNotMet", client.query_blob, "SELECT * FROM BlobStorage", if_match=etag)
    refuses(400, "ErrorProcessingQueryExpression", client.query_blob, "SELECT FROM")
    refuses(501, "NotImplemented", client.query_blob, "SELECT * FROM BlobStorage",
            blob_format="ParquetDialect")
    old = holder.get_blob_client("b", snapshot=snapshot)
    equal(old.query_blob("SELECT * FROM BlobStorage").readall(), b"1,2\n")
    client.delete_blob(delete_snapshots="include")
    refuses(404, "BlobNotFound", client.query_blob, "SELECT * FROM BlobStorage")
