import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { query, RawClient, sslRequest } from '../../support/postgres-bytes.ts'
import { logIn, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const MEGABYTE = 1024 * 1024
const ROWS = 'select repeat(md5(n::text), 32) from generate_series(1, 400000) n'

const target = await startPostgres()
t.teardown(() => target.stop())
const front = await startPostgresFront({
  target: { port: target.port },
  account: target.superuser,
  password: target.superPassword,
})
t.teardown(() => front.close())

t.test('400 MB that nobody reads stay at the target; read on, they all come', async t => {
  const raw = await RawClient.to(front.port)
  raw.socket.write(sslRequest)
  await raw.sees('S')
  raw.socket.removeAllListeners('data')
  const socket = connectTls({ socket: raw.socket, rejectUnauthorized: false })
  const client = new RawClient(socket)
  await logIn(client)

  socket.removeAllListeners('data')
  socket.pause()
  const before = process.memoryUsage().rss
  socket.write(query(ROWS))
  // Full is when the target's backend waits for someone to take its rows.
  const stalled = `select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and query like 'select repeat%'`
  while ((await target.psql(stalled)) === '0');
  t.ok(process.memoryUsage().rss - before < 48 * MEGABYTE, 'the gateway holds little')

  let bytes = 0
  let tail = Buffer.alloc(0)
  socket.on('data', chunk => {
    bytes += chunk.length
    tail = Buffer.concat([tail, chunk]).subarray(-64)
  })
  socket.resume()
  while (!tail.includes('SELECT 400000')) await once(socket, 'data')
  t.ok(bytes > 400_000 * 1024)
  t.match(front.statements().at(-1) ?? {}, { text: ROWS, rows: 400_000 })
  socket.destroy()
})
