/**
 * Loaded into each process of the measured gateway, so that what sessions hold can be told from what their logins left: V8 collects
 * only when it needs room. At SIGUSR2 a process collects its garbage, and says so on stdout.
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')
process.on('SIGUSR2', () => {
  collect()
  process.stdout.write('collected\n')
})
