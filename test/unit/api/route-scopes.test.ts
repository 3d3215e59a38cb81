import { readFileSync } from 'node:fs'
import t from 'tap'
import { neededFor, ROUTE_SCOPES } from '../../../src/api/route-scopes.ts'
import { EARLIER_SCOPES, formatScopes, parseScopes, SCOPES } from '../../../src/shared/scopes.ts'

const page = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8')

t.test('the documentation has the table as it is, and every scope', async t => {
  const rows = Object.entries(ROUTE_SCOPES).map(([route, needed]) => {
    const words = typeof needed === 'string' ? needed.replace('-', ' ') : needed.map(scope => `\`${scope}\``).join(', ')
    return `| \`${route}\` | ${words} |`
  })
  t.ok(page.includes(`| route | scope |\n| --- | --- |\n${rows.join('\n')}\n\n`), `it should be:\n${rows.join('\n')}`)
  for (const scope of SCOPES) t.match(page, new RegExp(`^\\| \`${scope}\` \\| `, 'm'), scope)
  for (const [word, scopes] of Object.entries(EARLIER_SCOPES)) {
    if (scopes.length > 1) t.ok(page.includes(`\`${word}\` is \`${scopes.join(', ')}\``), word)
  }
})

t.test('a route that is not in the table needs what nobody has', async t => {
  t.equal(neededFor('GET', '/v1/new-thing'), undefined)
  t.equal(neededFor('GET', 'constructor'), undefined)
  t.same(neededFor('HEAD', '/healthz'), 'public')
})

t.test('scopes read back as they are written, and nothing else is one', async t => {
  for (const scope of SCOPES) t.equal(formatScopes(parseScopes(scope)!), scope)
  t.equal(formatScopes(parseScopes('reveal,read,operate')!), 'operate,reveal')
  t.same(parseScopes('admin'), new Set(['read', 'audit', 'operate', 'administrate', 'rotate']))
  for (const text of ['', ',', 'read,', 'root', 'admin,confirm', 'read read', 'READ', '__proto__', 'toString'])
    t.equal(parseScopes(text), undefined, JSON.stringify(text))
})
