/** A worker that sends without end, or reads nothing, is killed, and what it has sent by then is not done any more. */

import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { loadProtocols } from '../../../src/gateway/protocols.ts'
import { createReportReader } from '../../../src/gateway/workers/read-report.ts'
import type { WorkerChannel } from '../../../src/gateway/workers/worker-channel.ts'
import { WorkerProcess } from '../../../src/gateway/workers/worker-process.ts'
import { newId } from '../../../src/shared/ids.ts'
import { createMetrics } from '../../../src/shared/metrics.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

const gateway = await startTestGateway({ configure: config => (config.log.level = 'silent') })
t.teardown(() => gateway.close())
const { parts } = gateway
const readReport = await createReportReader(parts.metrics.registry)
const served = await loadProtocols()

/** A worker on a channel that the test has the other end of. */
function worker() {
  let hear: (message: unknown) => void = () => undefined
  const sent: unknown[] = []
  const exited = Promise.withResolvers<string>()
  const broken = Promise.withResolvers<string>()
  let kills = 0
  const channel: WorkerChannel = {
    send: message => void sent.push(message),
    onMessage: listener => {
      hear = listener
    },
    broken: broken.promise,
    exited: exited.promise,
    pid: undefined,
    copiesSockets: false,
    kill: () => void kills++,
  }
  const id = newId('gw', Date.now())
  const process = new WorkerProcess({
    ...{ parts, served, readReport, ownKeys: {}, ids: new Set([id]), openChannel: () => channel },
    begin: { kind: 'begin', gateway: id } as never,
  })
  process.ready().catch(() => undefined)
  return { id, process, sent, broken, exited, say: (message: unknown) => hear(message), kills: () => kills }
}

/** What was refused of it. */
async function refusedOf(id: string): Promise<string[]> {
  for (;;) {
    const events = (await parts.audit.list({ kind: 'worker.refused', limit: 1000 })).map(({ data }) => JSON.parse(data))
    const own = events.filter(data => data.worker === id)
    if (own.length > 0) return own.map(({ request }) => request)
    await pause(10)
  }
}

t.test('one that sends more than any worker does is killed, once, and not heard from then on', async t => {
  const { id, say, sent, kills } = worker()
  const called = (method: string) => say({ kind: 'call', id: 1, method, values: [] })
  for (let i = 0; i < 2_000_000 && kills() === 0; i++) say({ kind: 'disconnected', connection: i })
  t.equal(kills(), 1)
  const before = sent.length
  for (let i = 0; i < 1000; i++) called('livingGateways')
  await pause(0)
  t.equal(sent.length, before, 'it is answered nothing')
  t.same(await refusedOf(id), ['message'])
  t.equal(kills(), 1)
})

t.test('one that reads nothing, or breaks its channel, is killed', async t => {
  const { id, broken, kills } = worker()
  broken.resolve('nothing is read of what it is sent')
  t.same(await refusedOf(id), ['channel'])
  t.equal(kills(), 1)
})

t.test(
  'what it says that it counted is of the metrics that there are, or nothing, and lowers no count of others',
  async t => {
    const own = createMetrics()
    own.logins.inc({ protocol: 'ssh', result: 'accepted' })
    own.handshake.observe({ protocol: 'ssh' }, 0.1)
    const metrics = await own.registry.getMetricsAsJSON()
    const report = { sessions: 1, taking: true, metrics: [metrics] }
    t.match(readReport(report), { sessions: 1 })
    const [logins] = metrics.filter(({ name }) => name === 'sallyport_logins_total')
    const changed = (changes: object, values: object = {}) => ({
      ...report,
      metrics: [
        [{ ...logins!, ...changes, values: [{ value: 1, labels: { protocol: 'ssh', result: 'x' }, ...values }] }],
      ],
    })
    t.match(readReport(changed({})), { sessions: 1 })
    for (const [what, said] of [
      ['a metric of its own', changed({ name: 'up' })],
      ['other words for one', changed({ help: 'x\nsallyport_sessions 0' })],
      ['a count below nothing', changed({}, { value: -1 })],
      ['no number', changed({}, { value: Number.NaN })],
      ['a label of its own', changed({}, { labels: { user: 'alice' } })],
      ['a long label', changed({}, { labels: { result: 'x'.repeat(1000) } })],
      ['another name within', changed({}, { metricName: 'up' })],
      [
        'very many series',
        {
          ...report,
          metrics: Array(4).fill(Array(1).fill({ ...logins!, values: Array(5000).fill({ value: 1, labels: {} }) })),
        },
      ],
      ['more', { ...report, more: 1 }],
      ['nothing', undefined],
    ] as const)
      t.type(readReport(said), 'string', what)
  },
)
