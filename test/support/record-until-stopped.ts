/** A process that records until it is killed or recording fails: `node record-until-stopped.ts FOLDER KEY(hex) [BYTES]`. */

import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { systemClock } from '../../src/shared/clock.ts'
import { createTestRecordings, createTestSealer, testSubject } from './recording-parts.ts'

// A file that reaches the process's limit: the write fails with EFBIG instead of ending the process.
process.on('SIGXFSZ', () => undefined)

const [folder, key, bytes = '100'] = process.argv.slice(2) as [string, string, string?]
const seal = createTestSealer(Buffer.from(key, 'hex'))
const { recordings } = createTestRecordings(folder, { seal, clock: { ...systemClock, move: () => undefined } })
const subject = testSubject(Date.now())
const recorder = await recordings.open(subject)
const say = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`)
say({ session: subject.session })

const live = recordings.tap(subject.session)![Symbol.asyncIterator]()
await live.next()
let events = 0
while (!recorder.failure.aborted) {
  recorder.stream('output', 0, randomBytes(Number(bytes)))
  while (!recorder.failure.aborted && !recorder.mayPass(recorder.position)) await recorder.progress()
  // One frame an event, as long as there is someone who reads the file.
  await live.next()
  say({ written: ++events })
  await setImmediate()
}
await live.return?.()
const sealing = await recorder.seal('client-closed').catch(error => error)
say({ failed: recorder.failure.reason.code, cause: recorder.failure.reason.cause.code, sealing: sealing.code })
