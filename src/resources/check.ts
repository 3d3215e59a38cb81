/** What a schema cannot say about one resource: keys that must be readable, accounts that must be told apart. */

import { isIP } from 'node:net'
import type { User } from '../identity/user.ts'
import { ownDatabaseClosed } from '../policy/databases.ts'
import { offerName } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import type { Complaint } from '../protocols/facts.ts'
import { protocolOf } from '../protocols/registered.ts'
import { listedTwice } from '../shared/listed-twice.ts'
import { parseSshPublicKey } from '../shared/ssh-encoding/public-key.ts'
import type { Target } from '../targets/target.ts'
import { checkReviewRule } from './check-review-rule.ts'
import { checkRotationPolicy } from './check-rotation-policy.ts'
import type { Resource, ResourceKind } from './resource.ts'

const LONGEST_MS = 366 * 86_400_000

export function checkResource(resource: Resource): Complaint[] {
  switch (resource.kind) {
    case 'target':
      return checkTarget(resource.value)
    case 'user':
      return checkUser(resource.value)
    case 'role':
      return checkRole(resource.value)
    case 'rotation-policy':
      return checkRotationPolicy(resource.value)
    case 'review-rule':
      return checkReviewRule(resource.value)
    case 'request-template':
      return checkTime(resource.value.ask.for, ['ask', 'for'])
  }
}

/** What people may not write, though the store does: a duration as a bare number, of which nobody knows the unit. */
export function checkWritten(kind: ResourceKind, fields: Readonly<Record<string, unknown>>): Complaint[] {
  const written: readonly (readonly (string | number)[])[] = [
    ...(DURATIONS[kind] ?? []),
    ...(kind === 'target' && Array.isArray(fields.accounts)
      ? fields.accounts.map((_, index) => ['accounts', index, 'checkOut', 'maxTime'])
      : []),
    ...(kind === 'role' ? durationsOfOffers(fields.onRequest) : []),
  ]
  return written.flatMap(path => {
    const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], fields)
    if (typeof value !== 'number') return []
    return [{ path: [...path], message: `${path.join('.')} lacks its unit: write ${value}s, m, h or d.` }]
  })
}

const DURATIONS: Partial<Record<ResourceKind, readonly (readonly string[])[]>> = {
  role: [
    ...[['maxSession'], ['idle'], ['rememberFactor'], ['checkOut', 'maxTime']],
    ...[
      ['session', 'moderator', 'waitFor'],
      ['session', 'moderator', 'absent'],
    ],
  ],
  'review-rule': [
    ['when', 'atMost'],
    ['when', 'firstOnTarget', 'within'],
  ],
  'request-template': [['ask', 'for']],
  'rotation-policy': [['every'], ['jitter'], ['verifyEvery'], ['retention', 'for']],
}

function durationsOfOffers(offers: unknown): (string | number)[][] {
  if (!Array.isArray(offers)) return []
  return offers.flatMap((offer, index) => [
    ...['maxTime', 'validFor'].map(field => ['onRequest', index, field]),
    ...stageDurations(offer?.stages, ['onRequest', index, 'stages']),
    ...stageDurations(offer?.permanent?.stages, ['onRequest', index, 'permanent', 'stages']),
  ])
}

function stageDurations(stages: unknown, path: (string | number)[]): (string | number)[][] {
  return Array.isArray(stages) ? stages.map((_, stage) => [...path, stage, 'within']) : []
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
    ...checkTime(role.checkOut?.maxTime, ['checkOut', 'maxTime']),
    ...checkOffers(role),
  ]
}

function checkOffers({ onRequest = [], channels }: Role): Complaint[] {
  const twice = listedTwice(
    onRequest.map(offerName),
    'onRequest',
    name => `There is an offer ${name} already: give them names, or make one of both.`,
  )
  const each = onRequest.flatMap((offer, index) => {
    const at = ['onRequest', index]
    const { names = [], levels = [] } = offer.accounts
    const lacking = (offer.channels ?? []).filter(channel => !channels.includes(channel))
    return [
      ...checkTime(offer.maxTime, [...at, 'maxTime']),
      ...checkTime(offer.validFor, [...at, 'validFor']),
      ...(offer.stages ?? []).flatMap(({ within }, stage) => checkTime(within, [...at, 'stages', stage, 'within'])),
      ...(offer.permanent?.stages ?? []).flatMap(({ within }, stage) =>
        checkTime(within, [...at, 'permanent', 'stages', stage, 'within']),
      ),
      ...(names.length + levels.length === 0
        ? [{ path: [...at, 'accounts'], message: 'It offers no account: say names or levels.' }]
        : []),
      ...lacking.map(channel => ({
        path: [...at, 'channels'],
        message: `The role does not give ${channel}: an offer gives no more channels than its role.`,
      })),
    ]
  })
  return [...twice, ...each]
}

function checkTime(ms: number | undefined, path: (string | number)[]): Complaint[] {
  if (ms === 0) return [{ path, message: `${path.at(-1)} must be more than 0s.` }]
  return (ms ?? 0) > LONGEST_MS ? [{ path, message: `${path.at(-1)} is at most 366d.` }] : []
}

function checkUser({ publicKeys, roles }: User): Complaint[] {
  const unreadable = publicKeys.flatMap((line, index) =>
    parseSshPublicKey(line) === undefined ? [{ path: ['publicKeys', index], message: wrongKey(line) }] : [],
  )
  return [...unreadable, ...listedTwice(roles, 'roles', role => `The role ${role} is there twice.`)]
}

function checkTarget(target: Target): Complaint[] {
  const names = target.accounts.map(account => account.name)
  const defaults = target.accounts.flatMap((account, index) => (account.default ? [index] : []))
  return [
    ...checkHost(target),
    ...listedTwice(names, 'accounts', name => `The account ${name} is there twice.`),
    ...target.accounts.flatMap((account, index) =>
      checkTime(account.checkOut?.maxTime, ['accounts', index, 'checkOut', 'maxTime']),
    ),
    ...defaults.slice(1).map(index => ({
      path: ['accounts', index, 'default'],
      message: `${names[defaults[0]!]} is the default account already: a target has at most one.`,
    })),
    ...protocolOf(target.protocol).target.check(target),
    ...checkOwnDatabase(target),
  ]
}

function checkHost({ host, protocol }: Target): Complaint[] {
  const isOfProtocol = protocolOf(protocol).target.isHost?.(host) ?? false
  if (isIP(host) !== 0 || isOfProtocol || /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?$/.test(host)) return []
  return [{ path: ['host'], message: 'A host is a name or an address alone; a port is written in the field port.' }]
}

function wrongKey(line: string): string {
  if (line.includes('PRIVATE KEY')) return 'This is a private key: take it out, and never write one here.'
  return 'This public key cannot be used: one is written as in "ssh-ed25519 AAAA…", it is what a .pub file holds, without options; RSA from 2048 bits.'
}

/** Who names no database gets the target's own: with a list that leaves it out, they would get a riddle. */
function checkOwnDatabase(target: Target): Complaint[] {
  const own = ownDatabaseClosed(target)
  if (own === undefined) return []
  const cure =
    'database' in target && target.database !== undefined ? 'add it' : 'say another in the field database, or add it'
  return [{ path: ['databases'], message: `databases lacks ${own}, the target's own database: ${cure}.` }]
}
