/** A process that does jobs of the kind `note`, as a gateway does its own: `node run-schedule.ts URL FILE NAME`. Each job's beginning and end is a line in the file. */

import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { openDatabase } from '../../src/database/database.ts'
import { createStoreTime } from '../../src/database/store-time.ts'
import { createScheduleRunner } from '../../src/schedule/runner.ts'
import { createSchedule } from '../../src/schedule/schedule.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLog } from '../../src/shared/log.ts'
import { createMetrics } from '../../src/shared/metrics.ts'

const [url, file, name] = process.argv.slice(2) as [string, string, string]
const alone = url.startsWith('sqlite:')
const database = await openDatabase(url)
const storeTime = createStoreTime({ database, clock: systemClock })
if (!alone) await storeTime.measure()
const clock = alone ? systemClock : storeTime
const schedule = createSchedule({ database, clock })
const LIMIT = 3
const begun = (prefix: string) => readFileSync(file, 'utf8').split(`begin ${prefix}`).length - 1
const note = (what: string, key: string) => appendFileSync(file, `${what} ${key} ${name}\n`)

createScheduleRunner({
  ...{ schedule, gateway: name, alone, clock, claimMs: 1500, metrics: createMetrics(), log: createLog('error') },
  giveUp: (_job, _words, write) => database.transaction().execute(write),
  handlers: {
    note: {
      limit: LIMIT,
      async run({ key }, signal) {
        note('begin', key)
        // One that goes on for as long as the process lives.
        if (key.startsWith('long') && name === 'first') await setTimeout(3_600_000, undefined, { signal, ref: true })
        // More than one process may run at once: they end when all of them have begun.
        while (key.startsWith('together') && begun('together') < 2 * LIMIT) await setTimeout(20, undefined, { signal })
        note('end', key)
        return undefined
      },
    },
  },
})
process.stdout.write('ready\n')
// The runner's own timers keep nobody alive.
setInterval(() => undefined, 60_000)
