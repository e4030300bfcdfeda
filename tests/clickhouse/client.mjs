// @clickhouse/client with its defaults: JSON formats; and the same with compression on both sides.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client'

const url = `http://${process.env.CLICKHOUSE_HOST}:${process.env.CLICKHOUSE_PORT}`
const quiet = { log: { level: ClickHouseLogLevel.OFF } }
const writer = (more) =>
  createClient({ url, username: 'hub', password: process.env.CLICKHOUSE_WRITER_PASSWORD, ...quiet, ...more })
const reader = (more) =>
  createClient({ url, username: 'reader', password: process.env.CLICKHOUSE_READER_PASSWORD, ...quiet, ...more })

async function refused(code, action) {
  await assert.rejects(action, (error) => {
    assert.ok(error instanceof ClickHouseError, String(error))
    assert.equal(error.code, String(code), error.message)
    return true
  })
}

for (const compression of [undefined, { request: true, response: true }]) {
  const w = writer({ compression, database: 'hub' })
  const r = reader({ compression })
  assert.deepEqual(await w.ping(), { success: true })
  assert.equal((await r.ping({ select: true })).success, true)
  await w.command({ query: 'CREATE OR REPLACE TABLE js (a UInt64, b String) ENGINE = MergeTree ORDER BY a' })
  const values = Array.from({ length: 5000 }, (_, a) => ({ a, b: `x\n\n${a}` }))
  const inserted = await w.insert({ table: 'js', values, format: 'JSONEachRow' })
  assert.equal(inserted.summary?.written_rows, '5000')
  const lines = Readable.from((function* () { for (let a = 5000; a < 200000; a++) yield { a, b: 'y' } })(), { objectMode: true })
  await w.insert({ table: 'js', values: lines, format: 'JSONEachRow' })
  const counted = await r.query({ query: 'SELECT count() AS n, min(b) AS b FROM hub.js' })
  assert.deepEqual((await counted.json()).data, [{ n: 200000, b: 'x\n\n0' }])
  const bound = await r.query({
    query: 'SELECT a FROM hub.js WHERE a < {most:UInt64} AND b = {b:String} ORDER BY a',
    query_params: { most: 3, b: 'x\n\n2' },
    format: 'JSONEachRow',
    clickhouse_settings: { max_threads: 1 },
  })
  assert.deepEqual(await bound.json(), [{ a: 2 }])
  let rows = 0
  const stream = await r.query({ query: 'SELECT * FROM hub.js', format: 'JSONCompactEachRow' })
  for await (const block of stream.stream()) rows += block.length
  assert.equal(rows, 200000)
  const text = await (await r.query({ query: 'SELECT 1 AS a', format: 'CSVWithNames' })).text()
  assert.equal(text, '"a"\n1\n')
  const mine = await r.query({ query: 'SELECT 1', query_id: 'mine' })
  assert.equal(mine.query_id, 'mine')
  await mine.text()
  await refused(47, () => r.query({ query: 'SELECT nope' }))
  await refused(497, () => r.command({ query: 'DROP TABLE hub.js' }))
  await refused(497, () => r.insert({ table: 'hub.js', values: [{ a: 1, b: '' }], format: 'JSONEachRow' }))
  await refused(395, async () => {
    const query = 'SELECT throwIf(number = 300000) AS x FROM numbers(400000)'
    const late = await r.query({ query, format: 'JSONEachRow' })
    for await (const block of late.stream()) assert.ok(block.length > 0)
  })
  const session = writer({ compression, session_id: crypto.randomUUID() })
  await session.command({ query: 'CREATE TEMPORARY TABLE kept (a Int8)' })
  await session.insert({ table: 'kept', values: [{ a: 1 }], format: 'JSONEachRow' })
  assert.deepEqual(await (await session.query({ query: 'SELECT * FROM kept', format: 'JSONEachRow' })).json(), [{ a: 1 }])
  await Promise.all([w.close(), r.close(), session.close()])
}
await refused(516, async () => {
  const wrong = createClient({ url, username: 'hub', password: 'wrong', ...quiet })
  await wrong.query({ query: 'SELECT 1' })
})
console.log('@clickhouse/client ok')
