import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { configSchema, defaultConfig } from '../../../src/config/config.ts'
import { loadConfig, parseConfig } from '../../../src/config/load-config.ts'
import { parseResources } from '../../../src/resources/parse.ts'

const root = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const text = read('docs/configuration.md')
const examples = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(match => match[1]!)

t.test('the example configuration says the defaults', async t => {
  const config = await loadConfig(join(root, 'config/sallyport.yaml'), {})
  const defaults = defaultConfig(join(root, 'data'))
  t.strictSame(config, { ...defaults, recording: { ...defaults.recording, folder: join(root, 'recordings') } })
})

t.test('what is commented out in the example configuration may be taken in', async t => {
  const keyLines = /^( *)# ((?:[a-zA-Z]+: ?(?:[a-z{/.].*)?)|(?: {2}redis: .*)|(?: {2}key: .*))$/
  const lines = read('config/sallyport.yaml').split('\n')
  const optional = lines.map((line, index) => ({ line, index })).filter(({ line }) => keyLines.test(line))
  t.ok(optional.length >= 9, `${optional.length} found`)
  for (const { line, index } of optional.filter(({ line }) => !/# (cluster|vault):$/.test(line))) {
    const chosen = lines.map((other, at) => {
      // The line itself, and the map that it stands in.
      const isParent = /^# (cluster|vault):$/.test(other) && /^# {3}/.test(line) && at < index && index - at <= 3
      return at === index || isParent ? other.replace('# ', '') : other
    })
    t.doesNotThrow(() => parseConfig('config/sallyport.yaml', chosen.join('\n')), line)
  }
})

t.test('the example resources are whole', async t => {
  const files = readdirSync(join(root, 'config/resources')).map(name => ({
    name,
    text: read(`config/resources/${name}`),
  }))
  const { resources, problems } = parseResources(files)
  t.strictSame(problems, [])
  const roles = new Set(resources.filter(({ kind }) => kind === 'role').map(({ value }) => value.name))
  const held = resources.flatMap(one => (one.kind === 'user' ? one.value.roles : []))
  t.ok(roles.size > 0 && held.length > 0)
  t.ok(held.every(role => roles.has(role)))
})

t.test('every example in docs/configuration.md is understood', async t => {
  t.equal(examples.length, 12)
  for (const example of examples) {
    if (example.startsWith('# config')) t.doesNotThrow(() => parseConfig('docs/configuration.md', example))
    else t.strictSame(parseResources([{ name: 'docs/configuration.md', text: example }]).problems, [])
  }
})

t.test('docs/configuration.md names every key and its default', async t => {
  const table = text.slice(text.indexOf('## sallyport.yaml'), text.indexOf('## Resource files'))
  const sections = Object.keys(configSchema().shape)
  for (const section of sections) t.match(table, new RegExp(`\\| \`${section}[.\`]`), section)
  const written: [string, string][] = [
    ['ssh.loginGrace', '2m'],
    ['ssh.maxAuthTries', '6'],
    ['ssh.maxChannels', '32'],
    ['ssh.rekeyAfter', '1GiB'],
    ['postgres.loginGrace', '1m'],
    ['recording.execOutputLimit', '1MiB'],
    ['sources.knownFor', '1d'],
    ['shutdown.drain', '30s'],
  ]
  const example = read('config/sallyport.yaml')
  for (const [key, value] of written) {
    t.match(table, new RegExp(`\\| \`${key}\`.* \\| \`${value}\``), key)
    t.match(example, new RegExp(`^  ${key.split('.')[1]}: ${value}\\b`, 'm'), key)
  }
})
