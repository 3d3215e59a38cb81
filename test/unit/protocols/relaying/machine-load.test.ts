import t from 'tap'
import { hasCpuLimit, runningThreads } from '../../../../src/protocols/relaying/machine-load.ts'

t.test('this thread runs, and perhaps others', { skip: process.platform !== 'linux' }, async t => {
  const running = runningThreads()
  t.ok(running !== undefined && running >= 1 && Number.isInteger(running), `${running} run`)
})

for (const [name, files, limited] of [
  ['no control groups', {}, false],
  ['version 2, none', { '/proc/self/cgroup': '0::/a/b\n', '/sys/fs/cgroup/a/b/cpu.max': 'max 100000\n' }, false],
  ['version 2, of a parent', { '/proc/self/cgroup': '0::/a/b\n', '/sys/fs/cgroup/a/cpu.max': '50000 100000\n' }, true],
  ['version 2, of a container', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '150000 100000\n' }, true],
  ['version 1, none', { '/proc/self/cgroup': '1:cpu:/a\n', '/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '-1\n' }, false],
  [
    'version 1, two controllers in one',
    {
      '/proc/self/cgroup': '4:memory:/\n2:cpu,cpuacct:/a\n',
      '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '50000\n',
    },
    true,
  ],
] as const) {
  t.test(`a limit of the CPU: ${name}`, async t => {
    t.equal(
      hasCpuLimit(file => (files as Record<string, string>)[file]),
      limited,
    )
  })
}

t.test('on this machine it can be asked', async t => {
  t.type(hasCpuLimit(), 'boolean')
})
