/** `npm run demo`: starts the demo, shows it, and removes it at Ctrl-C. With --json, prints one line for scripts instead. */

import { parseArgs } from 'node:util'
import { messageOf } from '../shared/errors.ts'
import { showDemo } from './screen.ts'
import { startDemo } from './start-demo.ts'

const { stdout, stderr } = process

try {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
  // Asked for before anything is made, so that a Ctrl-C while it starts leaves nothing behind either.
  const asked = Promise.withResolvers<void>()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => asked.resolve())
  await runDemo(values.json, asked.promise)
} catch (error) {
  stderr.write(`The demo did not start: ${messageOf(error)}\n`)
  process.exitCode = 1
}

async function runDemo(json: boolean, asked: Promise<void>): Promise<void> {
  if (stdout.isTTY && !json) stdout.write('Starting the demo…\n')
  const demo = await startDemo()
  try {
    if (json) {
      stdout.write(`${JSON.stringify(demo.facts)}\n`)
      await asked
      return
    }
    const finish = await showDemo(demo, stdout)
    await asked
    finish()
    stdout.write('\n  Stopping…')
  } finally {
    await demo.stop()
  }
  stdout.write(' everything is gone.\n')
}
