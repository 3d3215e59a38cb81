/** A channel that the client had before the target did: no byte is lost, doubled, out of order or beyond the target's window. */

import fc from 'fast-check'
import t from 'tap'
import { MESSAGE } from '../../../../src/protocols/ssh/transport/messages.ts'
import { TargetEnd } from '../../../../src/protocols/ssh/waiting/target-end.ts'
import { message, string, uint32, WireReader } from '../../../../src/shared/ssh-encoding/wire.ts'

const OWN = 0x7fff_0000
const data = (bytes: Buffer) => message(MESSAGE.CHANNEL_DATA, uint32(OWN), string(bytes))

t.test('whatever the target takes, and when, it gets what the client sent, within its window', async t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 400 }),
      fc.integer({ min: 1, max: 300 }),
      fc.array(
        fc.oneof(
          fc.record({ sends: fc.integer({ min: 0, max: 120 }) }),
          fc.record({ adjusts: fc.integer({ min: 1, max: 200 }) }),
        ),
        { maxLength: 40 },
      ),
      fc.nat({ max: 40 }),
      (window, maxPacket, acts, openedAfter) => {
        let clientMay = 200
        let targetTakes = window
        let sent = Buffer.alloc(0)
        let got = Buffer.alloc(0)
        let next = 0
        const end = new TargetEnd(clientMay, {
          toTarget(payload) {
            const fields = new WireReader(payload, 1)
            if (fields.uint32() !== 7) throw new Error('another number')
            const bytes = fields.string()
            if (bytes.length > targetTakes || bytes.length > maxPacket) throw new Error('beyond the window')
            targetTakes -= bytes.length
            got = Buffer.concat([got, bytes])
          },
          adjustClient(bytes) {
            clientMay += bytes
          },
        })
        const open = () => end.opened({ id: 7, window, maxPacket })
        let opened = false
        for (const [at, act] of acts.entries()) {
          if (at === openedAfter) {
            open()
            opened = true
          }
          if ('sends' in act) {
            const bytes = Buffer.from(Array.from({ length: Math.min(act.sends, clientMay) }, () => next++ % 256))
            clientMay -= bytes.length
            sent = Buffer.concat([sent, bytes])
            end.fromClient(MESSAGE.CHANNEL_DATA, data(bytes))
          } else if (opened) {
            targetTakes += act.adjusts
            end.adjusted(act.adjusts)
          }
        }
        if (!opened) open()
        targetTakes += 10_000
        end.adjusted(10_000)
        return got.equals(sent) && clientMay === targetTakes
      },
    ),
  )
  t.pass('for all of them')
})

t.test('more than it was allowed is no data of an honest client', async t => {
  const end = new TargetEnd(10, { toTarget() {}, adjustClient() {} })
  end.fromClient(MESSAGE.CHANNEL_DATA, data(Buffer.alloc(10)))
  t.throws(() => end.fromClient(MESSAGE.CHANNEL_DATA, data(Buffer.alloc(1))), { name: 'WireError' })
})

t.test('once both have closed it, or the target has refused it, nothing of it is passed on', async t => {
  const passed: number[] = []
  const options = { toTarget: (payload: Buffer) => void passed.push(payload[0]!), adjustClient() {} }
  const close = () => message(MESSAGE.CHANNEL_CLOSE, uint32(OWN))
  const refused = new TargetEnd(10, options)
  refused.fromClient(MESSAGE.CHANNEL_DATA, data(Buffer.alloc(1)))
  refused.refused()
  refused.fromClient(MESSAGE.CHANNEL_CLOSE, close())
  t.ok(refused.over)
  t.strictSame(passed, [])
  const closed = new TargetEnd(10, options)
  closed.opened({ id: 3, window: 10, maxPacket: 10 })
  closed.closed()
  t.notOk(closed.over)
  closed.fromClient(MESSAGE.CHANNEL_CLOSE, close())
  t.ok(closed.over)
  t.strictSame(passed, [MESSAGE.CHANNEL_CLOSE])
})
