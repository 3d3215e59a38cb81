import t from 'tap'
import { hasCpuLimit, runningThreads } from '../../../src/shared/machine-load.ts'

t.test('this thread runs, and perhaps others', { skip: process.platform !== 'linux' }, async t => {
  const running = runningThreads()
  t.ok(running !== undefined && running >= 1 && Number.isInteger(running), `${running} run`)
})

t.test('a machine without control groups has no limit, and says so without an error', async t => {
  t.type(hasCpuLimit(), 'boolean')
})
