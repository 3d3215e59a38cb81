/** Starts the gateway that is measured, and says on which ports and as which process it runs. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { GatewaySetup } from './gateway-process.ts'
import { processesOf } from './measure.ts'

export interface MeasuredGateway {
  readonly pid: number
  readonly ports: { readonly ssh: number; readonly postgres: number }
  /** Has the garbage of all its processes collected. */
  collectGarbage(): Promise<void>
  /** Says a line to it, and waits for one that begins like this: gives that. */
  tell(line: string, answer: string): Promise<string>
  stop(): Promise<void>
}

const fileHere = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export async function startMeasuredGateway(setup: GatewaySetup): Promise<MeasuredGateway> {
  // The flags of bin/sallyport, and one thing more; its workers have them too.
  const flags = ['--max-semi-space-size=1', '--no-incremental-marking', `--import=${fileHere('./collect-garbage.ts')}`]
  const child = spawn(process.execPath, [...flags, fileHere('./gateway-process.ts'), JSON.stringify(setup)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  // The workers' log is here, too.
  const lines = createInterface({ input: child.stdout })
  const printed = (beginning: string, times = 1) =>
    new Promise<string>((resolve, reject) => {
      void exited.then(() => reject(new Error('the gateway has ended')))
      lines.on('line', function look(line) {
        if (!line.startsWith(beginning) || --times > 0) return
        lines.off('line', look)
        resolve(line)
      })
    })
  return {
    ports: JSON.parse(await printed('{"ssh":')),
    pid: child.pid!,
    async collectGarbage() {
      const processes = processesOf(child.pid!)
      const collected = printed('collected', processes.length)
      for (const pid of processes) process.kill(pid, 'SIGUSR2')
      await collected
    },
    async tell(line, answer) {
      const answered = printed(answer)
      child.stdin.write(`${line}\n`)
      return answered
    },
    async stop() {
      child.stdin.end()
      await exited
    },
  }
}
