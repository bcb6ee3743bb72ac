"""Queries of what blobs hold."""

from pathlib import Path

import nanoarrow
from azure.storage.blob import (
    ArrowDialect,
    ArrowType,
    DelimitedJsonDialect,
    DelimitedTextDialect,
    QuickQueryDialect,
)

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
def parquet_of_another_writer_is_read():
    client = container("queryparquet").get_blob_client("b.parquet")
    client.upload_blob(Path(__file__).parent.parent.joinpath("data/prices.parquet").read_bytes())
    for expression, wanted in [
        ("SELECT COUNT(*), SUM(id), MAX(price) FROM BlobStorage", b"1000,499500,249.75\n"),
        ("SELECT id, price, at FROM BlobStorage WHERE name = 'name 702'",
         b"702,175.5,2024-01-01T00:11:42Z\n"),
        ("SELECT COUNT(*) FROM BlobStorage WHERE name IS NULL AND _5", b"33\n"),
        ("SELECT * FROM BlobStorage LIMIT 1", b"0,name 0,0,2024-01-01T00:00:00Z,true\n"),
    ]:
        found, errors, _ = ask(client, expression, blob_format="ParquetDialect")
        equal((found, errors), (wanted, []), expression)
    refuses(400, "ErrorProcessingQueryExpression", client.query_blob,
            "SELECT other FROM BlobStorage", blob_format="ParquetDialect")
    whole = client.download_blob().readall()
    for damaged in [whole[:-1], whole[: len(whole) // 2], b"id,name\n1,mouse\n"]:
        client.upload_blob(damaged, overwrite=True)
        found, errors, _ = ask(client, "SELECT id FROM BlobStorage", blob_format="ParquetDialect")
        equal((found, [(error.error, error.is_fatal) for error in errors]),
              (b"", [("ParseError", True)]))


@test
def arrow_has_the_columns_of_the_schema():
    client = container("queryarrow").get_blob_client("b.csv")
    client.upload_blob(b"1,mouse,12.345,true,2024-05-01T10:11:12.5Z\n,,,,\n3,x,y,false,2024\n")
    schema = [
        ArrowDialect(ArrowType.INT64, name="id"),
        ArrowDialect(ArrowType.STRING, name="name"),
        ArrowDialect(ArrowType.DECIMAL, name="price", precision=6, scale=2),
        ArrowDialect(ArrowType.DOUBLE, name="ratio"),
        ArrowDialect(ArrowType.BOOL, name="sold"),
        ArrowDialect(ArrowType.TIMESTAMP_MS, name="at"),
    ]
    found, errors, _ = ask(
        client, "SELECT _1, _2, _3, _3, _4, _5 FROM BlobStorage", output_format=schema
    )
    equal([error.error for error in errors], ["InvalidTypeConversion"])
    stream = nanoarrow.ArrayStream.from_readable(found)
    equal([str(field.type).rpartition(".")[2] for field in stream.schema.fields],
          ["INT64", "STRING", "DECIMAL128", "DOUBLE", "BOOL", "TIMESTAMP"])
    equal([field.name for field in stream.schema.fields],
          ["id", "name", "price", "ratio", "sold", "at"])
    rows = [tuple(row.values()) for row in stream.read_all().to_pylist()]
    first, second = rows
    equal((first[:2], str(first[2]), first[3:5]), ((1, "mouse"), "12.35", (12.345, True)))
    equal(first[5].isoformat(), "2024-05-01T10:11:12.500000")
    equal(second, (None, "", None, None, None, None))
    refuses(400, "ErrorProcessingQueryExpression", client.query_blob,
            "SELECT _1 FROM BlobStorage", output_format=schema)


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
    old = holder.get_blob_client("b", snapshot=snapshot)
    equal(old.query_blob("SELECT * FROM BlobStorage").readall(), b"1,2\n")
    client.delete_blob(delete_snapshots="include")
    refuses(404, "BlobNotFound", client.query_blob, "SELECT * FROM BlobStorage")
