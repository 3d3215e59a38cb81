/** What a schema cannot say about one resource: keys that must be readable, accounts that must be told apart. */

import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Path } from '../config/yaml-source.ts'
import type { User } from '../identity/user.ts'
import { opensOwnDatabase, ownDatabase } from '../policy/databases.ts'
import type { Role } from '../policy/role.ts'
import { parseSshPublicKey } from '../shared/ssh-public-key.ts'
import { parseHostKey } from '../targets/host-keys.ts'
import { certifies, type PostgresTarget, type Target } from '../targets/target.ts'
import type { Resource, ResourceKind } from './resource.ts'

const LONGEST_MS = 366 * 86_400_000

interface Complaint {
  readonly path: Path
  readonly message: string
}

export function checkResource(resource: Resource): Complaint[] {
  switch (resource.kind) {
    case 'target':
      return checkTarget(resource.value)
    case 'user':
      return checkUser(resource.value)
    case 'role':
      return checkRole(resource.value)
  }
}

/** What people may not write, though the store does: a duration as a bare number, of which nobody knows the unit. */
export function checkWritten(kind: ResourceKind, fields: Readonly<Record<string, unknown>>): Complaint[] {
  if (kind !== 'role') return []
  return ['maxSession', 'idle', 'rememberFactor']
    .filter(field => typeof fields[field] === 'number')
    .map(field => ({ path: [field], message: `${field} lacks its unit: write ${fields[field]}s, m, h or d.` }))
}

function checkRole(role: Role): Complaint[] {
  const times = ['maxSession', 'idle'] as const
  return [
    ...times
      .filter(field => role[field] === 0)
      .map(field => ({ path: [field], message: `${field} must be more than 0s.` })),
    ...times
      .filter(field => (role[field] ?? 0) > LONGEST_MS)
      .map(field => ({ path: [field], message: `${field} is at most 366d.` })),
  ]
}

function checkUser({ publicKeys, roles }: User): Complaint[] {
  const unreadable = publicKeys.flatMap((line, index) =>
    parseSshPublicKey(line) === undefined ? [{ path: ['publicKeys', index], message: wrongKey(line, 'public') }] : [],
  )
  return [...unreadable, ...twice(roles, 'roles', role => `The role ${role} is there twice.`)]
}

function checkTarget(target: Target): Complaint[] {
  const names = target.accounts.map(account => account.name)
  const defaults = target.accounts.flatMap((account, index) => (account.default ? [index] : []))
  return [
    ...checkHost(target),
    ...twice(names, 'accounts', name => `The account ${name} is there twice.`),
    ...defaults.slice(1).map(index => ({
      path: ['accounts', index, 'default'],
      message: `${names[defaults[0]!]} is the default account already: a target has at most one.`,
    })),
    ...twice(target.authentication ?? [], 'authentication', method => `${method} is there twice.`),
    ...(target.protocol === 'ssh' ? checkHostKeys(target.hostKeys) : checkDatabase(target)),
  ]
}

function checkDatabase(target: PostgresTarget): Complaint[] {
  return [...checkCertificates(target.ca), ...checkAuthentication(target), ...checkOwnDatabase(target)]
}

/** What would refuse every login is told when it is written. */
function checkAuthentication(target: PostgresTarget): Complaint[] {
  const { authentication, channelBinding, scramIterations, tls } = target
  const open = authentication.findIndex(method => method === 'password' || method === 'none')
  const complaints: Complaint[] = []
  if (open >= 0 && !certifies(target)) {
    const message = `${authentication[open]} needs a certificate that is checked: tls: verify-full, or verify-ca with a ca.`
    complaints.push({ path: ['authentication', open], message })
  }
  if (channelBinding === 'require' && ['disable', 'allow', 'prefer'].includes(tls)) {
    complaints.push({
      path: ['channelBinding'],
      message: 'Channel binding needs TLS: tls: require, or better verify-full.',
    })
  }
  if (channelBinding === 'require' && !authentication.includes('scram-sha-256')) {
    complaints.push({ path: ['channelBinding'], message: 'Channel binding needs authentication: [scram-sha-256].' })
  }
  if (scramIterations.min > scramIterations.max) {
    complaints.push({ path: ['scramIterations', 'min'], message: `min is more than max (${scramIterations.max}).` })
  }
  return complaints
}

function checkHost({ host, protocol }: Target): Complaint[] {
  const isSocket = protocol === 'postgres' && host.startsWith('/')
  if (isIP(host) !== 0 || isSocket || /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?$/.test(host)) return []
  return [{ path: ['host'], message: 'A host is a name or an address alone; a port is written in the field port.' }]
}

function checkHostKeys(hostKeys: readonly string[]): Complaint[] {
  return hostKeys.flatMap((line, index) =>
    parseHostKey(line) === undefined ? [{ path: ['hostKeys', index], message: wrongKey(line, 'host') }] : [],
  )
}

function wrongKey(line: string, what: 'host' | 'public'): string {
  if (line.includes('PRIVATE KEY')) return 'This is a private key: take it out, and never write one here.'
  const example = 'one is written as in "ssh-ed25519 AAAA…"'
  const sources =
    what === 'host' ? '`sallyport target scan` prints it' : 'it is what a .pub file holds, without options'
  return `This ${what} key cannot be used: ${example}, ${sources}; RSA from 2048 bits.`
}

/** Who names no database gets the target's own: with a list that leaves it out, they would get a riddle. */
function checkOwnDatabase(target: PostgresTarget): Complaint[] {
  if (target.database === '') return [{ path: ['database'], message: 'database is empty: name one, or leave it out.' }]
  if (opensOwnDatabase(target)) return []
  const own = ownDatabase(target)
  const cure = target.database === undefined ? 'say another in the field database, or add it' : 'add it'
  return [{ path: ['databases'], message: `databases lacks ${own}, the target's own database: ${cure}.` }]
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

function checkCertificates(ca: string | undefined): Complaint[] {
  if (ca === undefined) return []
  const blocks = ca.match(CERTIFICATE) ?? []
  const readable = blocks.length > 0 && blocks.every(isCertificate)
  return readable
    ? []
    : [{ path: ['ca'], message: 'ca is the text of PEM certificates (-----BEGIN CERTIFICATE-----).' }]
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}

function twice(names: readonly string[], field: string, message: (name: string) => string): Complaint[] {
  return names.flatMap((name, index) =>
    names.indexOf(name) < index ? [{ path: [field, index], message: message(name) }] : [],
  )
}
