"""clickhouse-connect with its defaults: Native, compressed HTTP, an automatic session."""

import datetime
import decimal
import os

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError


def connect(user, **more):
    return clickhouse_connect.get_client(
        host=os.environ["CLICKHOUSE_HOST"],
        port=int(os.environ["CLICKHOUSE_PORT"]),
        username={"writer": "hub", "reader": "reader"}[user],
        password=os.environ[f"CLICKHOUSE_{user.upper()}_PASSWORD"],
        **more,
    )


def refused(code, action):
    try:
        action()
    except DatabaseError as error:
        assert f"ode: {code}" in str(error), error
    else:
        raise AssertionError(f"not refused with {code}")


writer, reader = connect("writer"), connect("reader")
assert writer.ping() and writer.server_version.startswith("26."), writer.server_version
writer.command("CREATE TABLE hub.py (a UInt64, b String, c Nullable(Float64), d DateTime, e Decimal(38, 15), f Array(String))"
               " ENGINE = MergeTree ORDER BY a")
columns = ["a", "b", "c", "d", "e", "f"]
when = datetime.datetime(2024, 2, 29, 12, 0, 0)
row = lambda n: (n, f"x\n\n{n}", None if n % 2 else n / 4, when, decimal.Decimal(n) / 8, ["a", "", str(n)])
count = 150_000
written = writer.insert("hub.py", [row(n) for n in range(count)], column_names=columns)
assert written.written_rows == count, written.summary
assert writer.query("SELECT count(), sum(a) FROM hub.py").result_rows == [(count, count * (count - 1) // 2)]

# more than one of the engine's blocks, and every coding that this client knows
for compression in ("lz4", "zstd", "gzip", False):
    client = connect("reader", compress=compression)
    rows = client.query("SELECT * FROM hub.py ORDER BY a").result_rows
    assert len(rows) == count and rows[0] == row(0) and rows[-1] == row(count - 1), (compression, len(rows), rows[-1])
    client.close()
    client = connect("writer", compress=compression)
    client.command("CREATE OR REPLACE TABLE hub.coded (n UInt32) ENGINE = MergeTree ORDER BY n")
    client.insert("hub.coded", [[n] for n in range(100_000)], column_names=["n"])
    assert client.query("SELECT count(), uniqExact(n) FROM hub.coded").result_rows == [(100_000, 100_000)], compression
    client.close()

assert reader.query("SELECT a FROM hub.py WHERE a = {x:UInt64} AND b LIKE {y:String}",
                    parameters={"x": 5, "y": "x%'5"[:2] + "5"}).result_rows == [(5,)]
assert reader.query("SELECT a FROM hub.py WHERE a IN %(xs)s ORDER BY a", parameters={"xs": [7, 3]}).result_rows == [(3,), (7,)]
assert reader.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 123}).result_rows == [(123,)]
assert reader.query("SELECT getSetting('max_block_size')").result_rows != [(123,)]
assert reader.query("SELECT 1 AS a, 'x' AS b WHERE 0").result_rows == []
assert reader.raw_query("SELECT 1 AS a", fmt="JSONEachRow") == b'{"a":1}\n'
with reader.query_row_block_stream("SELECT number FROM numbers(500000)") as stream:
    assert sum(len(block) for block in stream) == 500_000

# its session is kept between requests
writer.command("CREATE TEMPORARY TABLE kept (a Int8)")
writer.command("INSERT INTO kept VALUES (1)")
assert writer.query("SELECT * FROM kept").result_rows == [(1,)]

writer.raw_insert("hub.coded", ["n"], b"1000000\n2000000\n", fmt="CSV")
assert reader.query("SELECT max(n) FROM hub.coded").result_rows == [(2_000_000,)]

refused(47, lambda: reader.query("SELECT nope"))
refused(60, lambda: reader.query("SELECT * FROM hub.nowhere"))
refused(497, lambda: reader.insert("hub.coded", [[1]], column_names=["n"]))
refused(497, lambda: reader.command("DROP TABLE hub.py"))
refused(395, lambda: reader.query("SELECT throwIf(number = 3000000) FROM numbers(4000000)"))
refused(516, lambda: clickhouse_connect.get_client(host=os.environ["CLICKHOUSE_HOST"], port=int(os.environ["CLICKHOUSE_PORT"]),
                                                   username="hub", password="wrong"))
print("clickhouse-connect", clickhouse_connect.__version__ if hasattr(clickhouse_connect, "__version__") else "", "ok")
