/** Whether the machine has a core to spare, where Linux tells. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const CGROUPS = '/sys/fs/cgroup'

/** Threads of all processes that run or want to, the caller's among them: proc_loadavg(5), the fourth field. Undefined where that cannot be read. */
export function runningThreads(): number | undefined {
  const found = / (\d+)\/\d/.exec(readText('/proc/loadavg') ?? '')
  const running = Number(found?.[1] ?? 0)
  // The caller runs: less than one is no answer.
  return running < 1 ? undefined : running
}

/** Whether a control group limits this process's CPU time (cgroups(7): `cpu.max` of version 2, `cpu.cfs_quota_us` of version 1). */
export function hasCpuLimit(read = readText): boolean {
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, ...path] = line.split(':')
    if (controllers === undefined || (controllers !== '' && !controllers.split(',').includes('cpu'))) continue
    const mounts =
      controllers === '' ? [CGROUPS, join(CGROUPS, 'unified')] : [join(CGROUPS, controllers), join(CGROUPS, 'cpu')]
    // In a container the path may be one of the host; what holds for the container is where the groups are mounted.
    for (const mount of mounts) {
      for (let group = join('/', path.join(':')); ; group = join(group, '..')) {
        if (isLimited(join(mount, group), read)) return true
        if (group === '/') break
      }
    }
  }
  return false
}

function isLimited(folder: string, read: typeof readText): boolean {
  const most = read(join(folder, 'cpu.max'))
  if (most !== undefined && !most.startsWith('max')) return true
  return Number(read(join(folder, 'cpu.cfs_quota_us')) ?? -1) > 0
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
