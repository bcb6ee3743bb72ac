"""Writes prices.parquet anew. It needs pyarrow, which no test does: the file is kept with the tests."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 1_000
START = datetime(2024, 1, 1, tzinfo=timezone.utc)

rows = range(ROWS)
table = pa.table({
    "id": pa.array(rows, pa.int64()),
    "name": pa.array([None if row % 10 == 1 else f"name {row}" for row in rows]),
    "price": pa.array([Decimal(row) / 4 for row in rows], pa.decimal128(12, 2)),
    "at": pa.array([START + timedelta(seconds=row) for row in rows], pa.timestamp("us", tz="UTC")),
    "sold": pa.array([row % 3 == 0 for row in rows]),
})
pq.write_table(
    table,
    Path(__file__).with_name("prices.parquet"),
    row_group_size=600,
    compression="zstd",
    use_dictionary=["name"],
    column_encoding={"id": "DELTA_BINARY_PACKED", "at": "DELTA_BINARY_PACKED"},
    write_statistics=False,
)
