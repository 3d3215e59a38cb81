/** Starts the gateway that is measured, and says on which ports and as which process it runs. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { GatewaySetup } from './gateway-process.ts'

export interface MeasuredGateway {
  readonly pid: number
  readonly ports: { readonly ssh: number; readonly postgres: number }
  /** Has its garbage collected. */
  collectGarbage(): Promise<void>
  stop(): Promise<void>
}

const PROGRAM = fileURLToPath(new URL('./gateway-process.ts', import.meta.url))

export async function startMeasuredGateway(setup: GatewaySetup): Promise<MeasuredGateway> {
  // The flags of bin/sallyport.
  const child = spawn(
    process.execPath,
    ['--max-semi-space-size=1', '--no-incremental-marking', PROGRAM, JSON.stringify(setup)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const line = await Promise.race([once(lines, 'line').then(([text]) => text as string), exited.then(() => undefined)])
  if (line === undefined) throw new Error('the gateway did not start')
  return {
    pid: child.pid!,
    ports: JSON.parse(line),
    async collectGarbage() {
      const collected = once(lines, 'line')
      child.kill('SIGUSR2')
      await collected
    },
    async stop() {
      child.stdin.end()
      await exited
    },
  }
}
