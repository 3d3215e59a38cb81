/** `npm run bench`: measures the gateway beside its peers, in one run, and prints a table. */

import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchAccess } from './access.ts'
import { benchPostgres } from './postgres.ts'
import { benchRecording } from './recording.ts'
import { isReached, judged, type Row } from './row.ts'
import { benchSsh } from './ssh.ts'
import { formatRows } from './table.ts'
import { benchVault } from './vault.ts'

const PARTS = {
  ssh: benchSsh,
  postgres: benchPostgres,
  recording: benchRecording,
  vault: benchVault,
  access: benchAccess,
}
const USAGE = `npm run bench -- [--only ${Object.keys(PARTS).join('|')}] [--quick] [--json]
  --only    one part
  --quick   a first impression
  --json    the rows as JSON, for scripts`

const options = readOptions()
const { only, quick } = options

const stack = new AsyncDisposableStack()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(130)))
}
const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'))
stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
const rows: Row[] = []
try {
  // PostgreSQL and PgBouncer, which do not run as root, have folders of their own inside.
  await chmod(folder, 0o755)
  for (const [name, run] of Object.entries(PARTS)) {
    if (only !== undefined && only !== name) continue
    const own = join(folder, name)
    await mkdir(own, { mode: 0o755 })
    const started = performance.now()
    const say = (what: string) => {
      const at = ((performance.now() - started) / 1000).toFixed(0).padStart(4)
      process.stderr.write(`${at} s  ${name}: ${what}\n`)
    }
    await using ownStack = stack.use(new AsyncDisposableStack())
    rows.push(...(await run({ quick, folder: own, stack: ownStack, say })))
  }
} finally {
  await stack.disposeAsync()
}

const machine = { cores: availableParallelism(), cpu: cpus()[0]?.model ?? 'unknown', node: process.version }
if (options.json) {
  const measured = rows.map(row => ({ ...row, result: judged(row), reached: isReached(row) }))
  console.log(JSON.stringify({ machine, quick, rows: measured }, null, 2))
} else {
  console.log(formatRows(rows))
  console.log(`Node ${machine.node} on ${machine.cores} cores (${machine.cpu}); medians of interleaved runs.`)
}

function readOptions(): { only?: string; quick: boolean; json: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    if (values.only !== undefined && !(values.only in PARTS)) throw new Error(`There is no part "${values.only}".`)
    return values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}
