/** The layers of src hold because the linter refuses what crosses them: seen with files that do. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LAYERS, withLayers } from '../../../scripts/layers.ts'
import { refused } from '../../support/planted-files.ts'

const root = join(import.meta.dirname, '../../..')
const config = join(root, 'biome.json')
const folders = LAYERS.flatMap(layer => layer.folders)

t.test('biome.json has the rules that scripts/layers.ts makes', async t => {
  const text = readFileSync(config, 'utf8')
  t.same(JSON.parse(text), withLayers(text), 'else: node scripts/layers.ts')
})

t.test('every folder of src has its place among the layers', async t => {
  const found = readdirSync(join(root, 'src')).flatMap(name =>
    name === 'protocols' ? readdirSync(join(root, 'src/protocols')).map(folder => `protocols/${folder}`) : [name],
  )
  const facts = found.filter(name => /^protocols\/(?!relaying)[^.]*$/.test(name)).map(folder => `${folder}/facts`)
  t.same([...folders].sort(), [...found, ...facts].sort())
})

t.test('an import that points up, or sideways past a contract, is refused', async t => {
  const forbidden: Record<string, string> = {
    'src/shared/a.ts': '../identity/user.ts',
    'src/shared/deep/a.ts': '../../database/database.ts',
    'src/cluster/a.ts': '../session/state.ts',
    'src/database/a.ts': '../cluster/cluster.ts',
    'src/identity/a.ts': '../policy/role.ts',
    'src/identity/factors/a.ts': '../../policy/grant.ts',
    'src/targets/a.ts': '../policy/role.ts',
    'src/audit/a.ts': '../targets/identity.ts',
    'src/audit/chain/a.ts': '../../recording/store/recordings.ts',
    'src/recording/store/a.ts': '../../vault/vault.ts',
    'src/policy/a.ts': '../vault/lease.ts',
    'src/policy/b.ts': '../identity/authenticator.ts',
    'src/vault/a.ts': '../policy/authorize.ts',
    'src/vault/b.ts': '../session/state.ts',
    'src/connections/a.ts': '../session/state.ts',
    'src/session/a.ts': '../api/parts.ts',
    'src/session/recovery/a.ts': '../../protocols/ssh/protocol.ts',
    'src/evidence/doctor/a.ts': '../../gateway/parts.ts',
    'src/protocols/ssh/relay/a.ts': '../../postgres/wire/startup.ts',
    'src/protocols/postgres/a.ts': '../ssh/protocol.ts',
    'src/protocols/postgres/wire/a.ts': '../../../api/parts.ts',
    'src/protocols/postgres/relay/a.ts': '../../../config/config.ts',
    'src/protocols/relaying/a.ts': '../postgres/wire/violation.ts',
    'src/protocols/registered.ts': './ssh/protocol.ts',
    'src/protocols/ssh/facts/a.ts': '../protocol.ts',
    'src/protocols/ssh/facts/b.ts': '../../../targets/target.ts',
    'src/protocols/postgres/facts/a.ts': '../../ssh/facts/facts.ts',
    'src/policy/c.ts': '../protocols/ssh/facts/facts.ts',
    'src/api/routes/a.ts': '../../protocols/ssh/protocol.ts',
    'src/api/b.ts': '../protocols/relaying/backlog.ts',
    'src/api/a.ts': '../gateway/parts.ts',
    'src/gateway/workers/a.ts': '../../cli/program.ts',
    'src/cli/commands/a.ts': '../../main.ts',
    'src/demo/a.ts': '../cli/program.ts',
    'src/gateway/a.ts': '../../test/support/child.ts',
  }
  const files = Object.fromEntries(Object.entries(forbidden).map(([file, name]) => [file, `import '${name}'\n`]))
  t.same(refused(t, 'style/noRestrictedImports', files), Object.keys(files).sort())
})

t.test('in whichever way it is written', async t => {
  const files = {
    'src/identity/a.ts': "import { x } from '../policy/role.ts'\nx()\n",
    'src/identity/b.ts': "import type { X } from '../policy/role.ts'\nexport const x: X = 1\n",
    'src/identity/c.ts': "export * from '../policy/role.ts'\n",
    'src/identity/d.ts': "export const x = await import('../policy/role.ts')\n",
  }
  t.same(refused(t, 'style/noRestrictedImports', files), Object.keys(files).sort())
})

t.test('an import that points down, or at a contract, is not', async t => {
  const allowed: Record<string, string> = {
    'src/identity/a.ts': '../database/database.ts',
    'src/policy/a.ts': '../targets/target.ts',
    'src/vault/a.ts': '../policy/grant.ts',
    'src/vault/b.ts': '../targets/identity.ts',
    'src/session/a.ts': '../policy/authorize.ts',
    'src/session/recovery/a.ts': '../../vault/vault.ts',
    'src/protocols/ssh/a.ts': '../../session/protocol.ts',
    'src/protocols/postgres/relay/a.ts': '../../relaying/backlog.ts',
    'src/api/routes/a.ts': '../../session/live/live-sessions.ts',
    'src/gateway/a.ts': '../api/server.ts',
    'src/cli/commands/a.ts': '../../gateway/start-gateway.ts',
    'src/main.ts': './cli/program.ts',
  }
  const files = Object.fromEntries(Object.entries(allowed).map(([file, name]) => [file, `import '${name}'\n`]))
  t.same(refused(t, 'style/noRestrictedImports', files), [])
})

t.test('a proof is minted in the folder that owns it, and its maker is named nowhere else', async t => {
  const makers = {
    'src/identity': ['mintPrincipal', '../identity/principal.ts'],
    'src/policy': ['mintGrant', '../policy/grant.ts'],
    'src/vault': ['mintLease', '../vault/lease.ts'],
  } as const
  const files: Record<string, string> = {}
  for (const [owner, [name, file]] of Object.entries(makers)) {
    files[`src/session/${name}.ts`] = `import { ${name} } from '${file}'\n${name}()\n`
    files[`src/gateway/${name}.ts`] = `import { ${name} as make } from '${file}'\nmake()\n`
    // The linter does not look into `import *`: the name must be written for that too.
    const named = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.ts') && readFileSync(join(root, 'src', path), 'utf8').includes(name))
      .map(path => `src/${path.split('/')[0]}`)
    t.same([...new Set(named)], [owner], `${name} is named`)
  }
  t.same(refused(t, 'style/noRestrictedImports', files), Object.keys(files).sort())
})
