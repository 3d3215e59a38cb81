import fc from 'fast-check'
import t from 'tap'
import type { FileEvent } from '../../../../src/protocols/ssh/capture/files/file-event.ts'
import { SftpIfSpoken } from '../../../../src/protocols/ssh/capture/files/sftp-if-spoken.ts'
import { string, uint32 } from '../../../../src/shared/ssh-encoding/wire.ts'

const packet = (type: number, ...fields: Uint8Array[]) => string(Buffer.concat([Buffer.from([type]), ...fields]))
const greeting = packet(1, uint32(3))
const mkdir = packet(14, uint32(7), string('/srv/new'), uint32(0))
const answers = Buffer.concat([packet(2, uint32(3)), packet(101, uint32(7), uint32(0), string(''), string(''))])

function eventsOf(sent: Buffer[]): FileEvent[] {
  const events: FileEvent[] = []
  const watch = new SftpIfSpoken(event => events.push(event))
  for (const piece of sent) watch.fromClient(piece)
  watch.fromTarget(answers)
  watch.end()
  return events
}

t.test('an sftp server is known by its greeting, however that is cut', async t => {
  const all = Buffer.concat([greeting, mkdir])
  for (let cut = 0; cut <= all.length; cut++) {
    const events = eventsOf([all.subarray(0, cut), all.subarray(cut)])
    t.same(events, [{ operation: 'mkdir', path: '/srv/new' }], `cut at ${cut}`)
  }
})

t.test('what does not greet is nothing of the kind, whatever follows', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 20 })),
      pieces => eventsOf([Buffer.from('#!/bin/sh\n'), ...pieces.map(piece => Buffer.from(piece)), mkdir]).length === 0,
    ),
  )
})
