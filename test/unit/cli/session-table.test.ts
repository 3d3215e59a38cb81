import t from 'tap'
import type { Session } from '../../../src/api/routes/sessions.ts'
import { sessionColumns } from '../../../src/cli/commands/session/table.ts'
import { formatTable } from '../../../src/shared/text/table.ts'

t.test('in 80 columns the table says in full which session it was and why it ended', async t => {
  const session = {
    id: 'ses_01m802pyp1m0er729h881hyq9j',
    user: 'alice',
    account: 'root',
    target: 'web-01',
    protocol: 'ssh',
    source: '127.0.0.1',
    startedAt: '2026-11-21T22:12:59.000Z',
    endedAt: '2026-11-21T22:13:01.000Z',
    state: 'ended',
    endReason: 'client-closed',
    recording: { bytes: 1154 },
  } as Session
  const columns = sessionColumns(Date.parse('2026-11-21T22:13:40.000Z'), (_how, text) => text)
  const row = formatTable(columns, [session], { width: 80 }).at(1)!
  t.match(row, /^ses_01m802pyp1m0er729h881hyq9j .* client-closed$/)
  t.ok(row.length <= 80, row)
})
