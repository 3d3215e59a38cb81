/** A program of the administrator's as a connector: it changes credentials where no protocol's own connector can. */

import type { ChangeResult, Connector, CredentialChange, Verification } from '../../session/connector.ts'
import type { LoginAtTarget } from '../../session/login-at-target.ts'
import type { Log } from '../../shared/log.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import type { Account, Target } from '../../targets/target.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'
import type { ProgramAnswer } from './answer.ts'
import { askProgram } from './ask-program.ts'
import { isMeantFor } from './meant-for.ts'
import type { Program } from './run-program.ts'

export interface ProgramConnectorParts {
  readonly name: string
  readonly program: Program & {
    readonly kinds: readonly CredentialMaterial['kind'][]
    readonly verify: 'login' | 'program'
    readonly finish: boolean
    /** Undefined: for all. */
    readonly connectorOf?: readonly string[] | undefined
  }
  /** By the protocol's own login. */
  readonly verifyLogin: Connector['verify']
  readonly log: Log
}

export function createProgramConnector({ name, program, verifyLogin, log }: ProgramConnectorParts): Connector {
  const named = { ...program, name }
  const isFor = (address: AccountAddress) =>
    program.connectorOf === undefined || isMeantFor(program.connectorOf, address)
  /** What it must not be given, in words. */
  const foreign = (target: Target, accounts: readonly (Account | undefined)[]): string | undefined => {
    const other = accounts.find(one => one !== undefined && !isFor({ account: one.name, target: target.name }))
    return other && notMeant(name, { account: other.name, target: target.name })
  }
  const change = async (action: 'change' | 'finish', asked: CredentialChange, signal: AbortSignal) => {
    const { target, account, current, candidate, as, attempt, opened } = asked
    const words = foreign(target, [account, as?.account])
    if (words !== undefined) return { result: 'not-changed', words } as const
    const request = { action, target, account, current, candidate, as, attempt, opened }
    return changeOf(await askProgram(named, request, signal, log))
  }
  return {
    name,
    kinds: program.kinds,
    isMeantFor: isFor,
    async verify(login, signal) {
      if (program.verify === 'login') return verifyLogin(login, signal)
      const { target, account, material: credential, dialer, opened } = login
      dialer.close()
      const words = foreign(target, [account])
      if (words !== undefined) return { result: 'unreachable', words }
      return verificationOf(
        await askProgram(named, { action: 'verify', target, account, credential, opened }, signal, log),
      )
    },
    change: (asked, signal) => change('change', asked, signal),
    ...(program.finish && { finish: (asked, signal) => change('finish', asked, signal) }),
  }
}

/** Who may apply a rotation-policy must not choose which program is told a secret. */
export function notMeant(connector: string, address: AccountAddress): string {
  return `${connector} is not meant for ${formatAccountAddress(address)}: rotation.programs.${connector}.connectorOf of the gateway's configuration`
}

function verificationOf(answer: ProgramAnswer<'verify'>): Verification {
  const { words } = answer
  if (answer.kind !== 'answered') return { result: 'unreachable', words }
  return answer.result === 'works' ? { result: 'works' } : { result: answer.result, words }
}

function changeOf(answer: ProgramAnswer<'change' | 'finish'>): ChangeResult {
  const { words } = answer
  switch (answer.kind) {
    case 'answered':
      return answer.result === 'changed' ? { result: 'changed' } : { result: answer.result, words }
    case 'not-started':
      return { result: 'not-changed', words }
    case 'lost':
      return { result: 'uncertain', words }
  }
}

/** A login by the first of a protocol's connectors that knows this kind of credential. */
export function verifyBy(connectorsOf: (protocol: string) => readonly Connector[]): Connector['verify'] {
  return (login: LoginAtTarget, signal) => {
    const { kind } = login.material
    const connector = connectorsOf(login.target.protocol).find(({ kinds }) => kinds.includes(kind))
    if (connector !== undefined) return connector.verify(login, signal)
    login.dialer.close()
    const words = `no connector of ${login.target.protocol} logs in with a ${kind}: the program needs verify: program`
    return Promise.resolve({ result: 'unreachable', words })
  }
}
