import fc from 'fast-check'
import t from 'tap'
import type { AskedAccess, RequestedAccess } from '../../../src/access-requests/request.ts'
import { actDue, after, dueAt, type RequestAct } from '../../../src/access-requests/transition.ts'

const asked: AskedAccess = {
  targets: { names: ['web-01'] },
  accounts: { names: ['root'] },
  channels: ['shell'],
  lengthMs: 100,
}
const pending: RequestedAccess = {
  ...{ id: 'req_1', kind: 'access', user: 'alice', role: 'ops', offer: 'root', extensionOf: undefined, askedAt: 0 },
  wish: { ...asked, source: '192.0.2.1', clock: 'approval' },
  revision: 1,
  state: { is: 'pending', stage: 0, stageSince: 0, expiresAt: 50, given: asked },
}
const names: Record<RequestAct['act'], true> = {
  ...{ 'go-on': true, approve: true, begin: true, extend: true, deny: true, expire: true, cancel: true, end: true },
  revoke: true,
}
const act = fc
  .record({
    act: fc.constantFrom(...(Object.keys(names) as RequestAct['act'][])),
    at: fc.integer({ min: 0, max: 300 }),
    stage: fc.integer({ min: 0, max: 2 }),
    endsAt: fc.integer({ min: 0, max: 400 }),
    useBy: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
    lengthMs: fc.integer({ min: 1, max: 100 }),
    startsAt: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
  })
  .map(({ lengthMs, startsAt, ...one }) => ({ ...one, by: 'x', given: { ...asked, lengthMs, startsAt } }) as RequestAct)

t.test('property: what is over stays over, and every change is a new revision', async () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 12 }), acts => {
      let request = pending
      for (const one of acts) {
        const next = after(request, one)
        if (next === undefined) continue
        if (dueAt(request) === undefined || next.revision !== request.revision + 1) return false
        request = next
      }
      return true
    }),
    { numRuns: 2000 },
  )
})

t.test(
  'property: nothing is active that was not approved, nor longer than was approved, but for an extension',
  async () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 12 }), acts => {
        let request = pending
        let approvedMs: number | undefined
        let extended = false
        for (const one of acts) {
          const next = after(request, one)
          if (next === undefined) continue
          if (one.act === 'approve') approvedMs = one.given.lengthMs
          if (one.act === 'extend') extended = true
          request = next
          const { state } = request
          if (
            state.is === 'active' &&
            (approvedMs === undefined || (!extended && state.endsAt - state.startsAt > approvedMs))
          )
            return false
        }
        return true
      }),
      { numRuns: 2000 },
    )
  },
)

t.test('what is due by itself is possible', async () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 12 }), fc.nat(500), (acts, now) => {
      let request = pending
      for (const one of acts) request = after(request, one) ?? request
      const how = actDue(request, now)
      return how === undefined || after(request, how) !== undefined
    }),
    { numRuns: 2000 },
  )
})
