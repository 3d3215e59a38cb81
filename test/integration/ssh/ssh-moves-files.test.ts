/** scp in both of its protocols, sftp, rsync and git work through the gateway, and the recording names every file. */

import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const parts = await startSshGateway(t)
const { options, run, gateway, sshd, login, recorded } = parts
const { host, port } = gateway.ssh!
const there = join(sshd.folder, 'there')
mkdirSync(there, { mode: 0o777 })
const bytes = randomBytes(1_500_000)
const file = join(sshd.folder, 'file')
writeFileSync(file, bytes)
const sha256 = createHash('sha256').update(bytes).digest('hex')

const scp = (...args: string[]) => run('scp', ...options, '-P', String(port), ...args).ended
const remote = (path: string) => `${login}@${host}:${path}`
const shell = `ssh ${options.join(' ')} -p ${port}`

for (const [name, flags, via] of [
  ['the old protocol', ['-O'], 'scp'],
  ['the new protocol', [], 'sftp'],
] as const) {
  t.test(`scp over ${name}, both ways, with size and hash in the recording`, async t => {
    t.match(await scp(...flags, file, remote(`${there}/${via}`)), { status: 0 })
    t.ok(readFileSync(join(there, via)).equals(bytes))
    t.match(
      (await recorded()).events.filter(event => event.type === 'file' && event.operation === 'upload'),
      [{ via, path: `${there}/${via}`, bytes: bytes.length, sha256 }],
    )
    t.match(await scp(...flags, remote(`${there}/${via}`), `${file}.back`), { status: 0 })
    t.ok(readFileSync(`${file}.back`).equals(bytes))
    t.match(
      (await recorded()).events.filter(event => event.type === 'file' && event.operation === 'download'),
      [{ via, path: `${there}/${via}`, bytes: bytes.length, sha256 }],
    )
  })
}

t.test('sftp changes files, and each change is recorded; what fails says why', async t => {
  const batch = join(sshd.folder, 'batch')
  writeFileSync(
    batch,
    [
      `mkdir ${there}/d`,
      `put ${file} ${there}/d/a`,
      `rename ${there}/d/a ${there}/d/b`,
      `rm ${there}/d/b`,
      `-get ${there}/none ${file}.none`,
      `rmdir ${there}/d`,
    ].join('\n'),
  )
  const result = await run('sftp', ...options, '-P', String(port), '-b', batch, remote('')).ended
  t.equal(result.status, 0, result.stderr)
  const { events } = await recorded()
  const files = events
    .filter(event => event.type === 'file')
    .map(({ operation, path }) => `${operation} ${path.slice(there.length)}`)
  for (const expected of ['mkdir /d', 'upload /d/a', 'rename /d/a', 'remove /d/b', 'rmdir /d'])
    t.ok(files.includes(expected), expected)
  t.equal(
    events.some(event => event.type === 'output'),
    false,
    'the stream of sftp itself is not kept',
  )
})

t.test('what sftp copies, renames and links on the target is told from where to where', async t => {
  const batch = join(sshd.folder, 'batch-there')
  const moves = [`put ${file} ${there}/c1`, `cp ${there}/c1 ${there}/c2`, `rename ${there}/c2 ${there}/c3`]
  writeFileSync(batch, [...moves, `ln ${there}/c3 ${there}/c4`, `df ${there}`].join('\n'))
  const result = await run('sftp', ...options, '-P', String(port), '-b', batch, remote('')).ended
  t.equal(result.status, 0, result.stderr)
  t.ok(readFileSync(join(there, 'c4')).equals(bytes))
  const told = (await recorded()).events
    .filter(event => event.type === 'file')
    .map(({ operation, path, to = '' }) => `${operation} ${path} ${to}`.replaceAll(there, ''))
  t.same(told, ['upload /c1 ', 'copy /c1 /c2', 'rename /c2 /c3', 'link /c3 /c4'])
})

t.test('the old scp of quoted paths is told with the real names', async t => {
  const folder = join(there, 'my dir')
  mkdirSync(folder)
  for (const [typed, name] of [
    [`'${there}/two  blanks'`, `${there}/two  blanks`],
    [`${there}/three\\ \\ \\ blanks`, `${there}/three   blanks`],
    [`"${there}/it's"`, `${there}/it's`],
    [`'${folder}/'`, `${folder}/file`],
  ] as const) {
    t.match(await scp('-O', file, remote(typed)), { status: 0 }, typed)
    t.ok(readFileSync(name).equals(bytes), name)
    const up = (await recorded()).events.filter(event => event.type === 'file')
    t.match(up, [{ operation: 'upload', path: name, sha256 }], typed)
    const back = typed.replace("/'", "/file'")
    t.match(await scp('-O', '-T', remote(back), `${file}.back`), { status: 0 }, back)
    const down = (await recorded()).events.filter(event => event.type === 'file')
    t.match(down, [{ operation: 'download', path: name, sha256 }], back)
  }
})

t.test(
  'the old scp into what may be a folder is told with the path that was named and the name that was sent',
  async t => {
    const folder = join(there, 'old')
    const tree = join(sshd.folder, 'old-tree')
    mkdirSync(folder)
    mkdirSync(tree)
    for (const name of ['one', 'two']) writeFileSync(join(tree, name), name)
    const one = join(tree, 'one')
    const two = join(tree, 'two')
    const news = `${folder}/new`
    for (const [args, told] of [
      [[one, folder], [`upload ${folder} one`]],
      [
        [one, two, folder],
        [`upload ${folder}/one`, `upload ${folder}/two`],
      ],
      [
        ['-r', tree, folder],
        [`mkdir ${folder} old-tree`, `upload ${folder} old-tree/one`, `upload ${folder} old-tree/two`],
      ],
      [
        ['-r', tree, news],
        [`mkdir ${news} old-tree`, `upload ${news} old-tree/one`, `upload ${news} old-tree/two`],
      ],
    ] as const) {
      const sources = args.slice(0, -1)
      t.match(await scp('-O', ...sources, remote(args.at(-1)!)), { status: 0 }, args.join(' '))
      const files = (await recorded()).events.filter(event => event.type === 'file')
      t.same(
        files.map(({ operation, path, name = '' }) => `${operation} ${path} ${name}`.trim()).sort(),
        told,
        args.join(' '),
      )
    }
    // Both happened, and nothing that was sent says which it would be.
    for (const path of ['one', 'old-tree/one', 'new/one']) t.equal(readFileSync(join(folder, path), 'utf8'), 'one')
    t.match(await scp('-O', '-T', remote(`${folder}/new/o*`), tree), { status: 0 })
    const down = (await recorded()).events.filter(event => event.type === 'file')
    t.match(down, [{ operation: 'download', path: `${folder}/new/one`, name: undefined }])
  },
)

t.test('rsync makes a tree the same', async t => {
  const tree = join(sshd.folder, 'tree')
  mkdirSync(join(tree, 'deep'), { recursive: true })
  for (const name of ['one', 'two', 'deep/three']) writeFileSync(join(tree, name), randomBytes(10_000))
  t.match(await run('rsync', '-a', '-e', shell, `${tree}/`, remote(`${there}/tree`)).ended, { status: 0 })
  t.match(await run('diff', '-r', tree, join(there, 'tree')).ended, { status: 0 })
})

t.test('git clones and pushes', async t => {
  const bare = join(sshd.folder, 'bare.git')
  const work = join(sshd.folder, 'work')
  execFileSync('git', ['init', '-q', '--bare', '-b', 'main', bare])
  const git = (...args: string[]) =>
    run('git', '-c', `core.sshCommand=${shell}`, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args).ended
  t.match(await git('clone', '-q', `ssh://${login}@${host}:${port}${bare}`, work), { status: 0 })
  writeFileSync(join(work, 'readme'), 'hello')
  await git('-C', work, 'add', '.')
  t.match(await git('-C', work, 'commit', '-qm', 'first'), { status: 0 })
  t.match(await git('-C', work, 'push', '-q', 'origin', 'HEAD:main'), { status: 0 })
  t.match(await run('git', '--git-dir', bare, 'log', '--format=%s', 'main').ended, { stdout: 'first\n' })
})
