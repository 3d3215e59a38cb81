/**
 * The layers of src, said once: who may import whom. `node scripts/layers.ts` writes the rules that follow from it into biome.json;
 * a test sees that they are current, and that the linter refuses what they forbid.
 */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const config = join(root, 'biome.json')

/** Each protocol has a folder of its own, and imports no other protocol. */
const protocols = readdirSync(join(root, 'src/protocols'))
  .filter(name => name !== 'relaying' && !name.endsWith('.ts'))
  .map(folder => `protocols/${folder}`)

/** A protocol's connectors lie in its own `rotation/`, and do not import the engine's. */
const OWN_ROTATION = '!./rotation/**'

/** What a protocol says of itself stands below all who ask for it, though it lies in the protocol's folder. */
const facts = protocols.map(folder => `${folder}/facts`)

interface Layer {
  readonly folders: readonly string[]
  /** Below it, and yet not for it. */
  readonly never?: readonly string[]
  /** Of siblings and of the domain folders below, only their contracts: `session` and `gateway` combine them. */
  readonly domain?: true
}

/** From the top: a folder imports from layers below its own, and from itself. */
export const LAYERS: readonly Layer[] = [
  { folders: ['main.ts'] },
  { folders: ['cli', 'demo'] },
  { folders: ['gateway'] },
  { folders: ['api', 'self-service'], never: [...protocols, 'protocols/relaying'] },
  {
    folders: protocols,
    never: [
      'evidence',
      'proposals',
      'resources',
      'config',
      'rotation',
      'check-out',
      'access-requests',
      'notifications',
    ],
  },
  {
    folders: ['protocols/relaying'],
    never: [
      ...['evidence', 'proposals', 'resources', 'config', 'rotation'],
      ...['check-out', 'access-requests', 'session', 'notifications'],
    ],
  },
  { folders: ['proposals'] },
  { folders: ['resources'] },
  { folders: ['rotation', 'check-out', 'access-requests'] },
  { folders: ['session', 'evidence'] },
  { folders: ['notifications'] },
  { folders: ['connections', 'config'] },
  { folders: ['vault'], domain: true },
  { folders: ['policy'], domain: true },
  { folders: ['identity', 'targets', 'recording', 'audit'], domain: true },
  { folders: ['schedule'] },
  { folders: ['cluster', 'database'] },
  { folders: ['protocols/registered.ts'] },
  { folders: facts },
  { folders: ['protocols/facts.ts'] },
  { folders: ['shared'] },
]

/** The files of a domain folder that other domain folders may import: types and schemas. */
const CONTRACTS: readonly string[] = [
  'vault/lease.ts',
  'policy/grant.ts',
  'identity/user.ts',
  'identity/principal.ts',
  'identity/proof.ts',
  'targets/target.ts',
  'recording/format/events.ts',
  'recording/writing/recorder.ts',
  'audit/event.ts',
]

/** The same, for domain folders of the layers above alone. */
const CONTRACTS_UPWARDS: readonly string[] = ['targets/identity.ts']

/** Where the proofs are minted that the pipeline demands: by nobody outside of the folder. */
const MINTS: readonly string[] = ['vault/lease.ts', 'policy/grant.ts', 'identity/principal.ts']

/** From within a protocol's folder its rooms are not named by it. */
const FACTS_ALONE: readonly string[] = ['../**', '!../../facts.ts', '!../../../shared/**']

interface Forbidden {
  readonly group: readonly string[]
  readonly importNamePattern?: string
  readonly message: string
}

function overrides(): unknown[] {
  return LAYERS.flatMap((layer, index) => layer.folders.map(folder => override(folder, forbiddenFor(folder, index))))
}

const folders = LAYERS.flatMap(layer => layer.folders)

function forbiddenFor(folder: string, index: number): Forbidden[] {
  const { never = [], domain = false } = LAYERS[index]!
  const isDomain = (other: string) => LAYERS.some(layer => layer.domain && layer.folders.includes(other))
  const above = LAYERS.slice(0, index).flatMap(layer => layer.folders)
  const siblings = LAYERS[index]!.folders.filter(other => other !== folder)
  const below = LAYERS.slice(index + 1).flatMap(layer => layer.folders)
  const byContract = domain ? [...siblings, ...below].filter(isDomain) : []
  const not = [...above, ...siblings, ...never].filter(other => !byContract.includes(other))
  const contracts = [
    ...filesIn(CONTRACTS, byContract),
    ...filesIn(
      CONTRACTS_UPWARDS,
      byContract.filter(other => below.includes(other)),
    ),
  ]
  const mints = filesIn(
    MINTS,
    folders.filter(other => other !== folder && !not.includes(other)),
  )
  // Of the layer right below, also what lies in a folder that is above.
  const allowed = (LAYERS[index + 1]?.folders ?? []).filter(next => not.some(other => next.startsWith(`${other}/`)))
  const rules: Forbidden[] = [
    {
      group: [
        ...not.map(pattern),
        ...allowed.map(next => `!${pattern(next)}`),
        ...(protocols.includes(folder) ? [OWN_ROTATION] : []),
        ...(facts.includes(folder) ? FACTS_ALONE : []),
        ...['**/test/**', '**/bench/**', '**/scripts/**'],
      ],
      message: 'Imports point down only: scripts/layers.ts has the layers.',
    },
    {
      group: [...byContract.map(pattern), ...contracts.map(file => `!**/${file}`)],
      message: 'A domain folder imports only the contract of another: session/ and gateway/ combine them.',
    },
    {
      group: mints.map(file => `**/${file}`),
      // A worker of the gateway is told them by the process that minted them.
      importNamePattern: folder === 'gateway' ? 'mint.*' : '(mint|received).*',
      message: 'Only policy mints a grant, only the vault a lease, only the authenticator a principal.',
    },
  ]
  return rules.filter(({ group }) => group.length > 0)
}

function filesIn(files: readonly string[], among: readonly string[]): string[] {
  return files.filter(file => among.some(folder => file.startsWith(`${folder}/`)))
}

/** Imports are written from where the file is: `../../session/state.ts`. Between protocols the common folder is not in them. */
function pattern(folder: string): string {
  return folder.endsWith('.ts') ? `**/${folder}` : `**/${folder.replace('protocols/', '')}/**`
}

function override(folder: string, patterns: readonly Forbidden[]): unknown {
  const rule = { level: 'error', options: { patterns } }
  return {
    includes: [folder.endsWith('.ts') ? `src/${folder}` : `src/${folder}/**`],
    linter: { rules: { style: { noRestrictedImports: rule } } },
  }
}

/** biome.json with its rules for src as they follow from here; what it says of others stays. */
export function withLayers(text: string): { overrides: { includes: string[] }[] } {
  const settings = JSON.parse(text)
  const others = settings.overrides.filter(({ includes }: { includes: string[] }) => !includes[0]!.startsWith('src/'))
  return { ...settings, overrides: [...overrides(), ...others] }
}

if (import.meta.main) {
  writeFileSync(config, `${JSON.stringify(withLayers(readFileSync(config, 'utf8')), null, 2)}\n`)
  execFileSync('biome', ['format', '--write', config], { stdio: 'inherit' })
}
