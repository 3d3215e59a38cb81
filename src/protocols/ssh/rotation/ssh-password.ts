/**
 * The password of a Linux account, verified by a login and changed over SSH. The new one is given to `chpasswd` or `passwd` on standard
 * input, once the target has said that one of them reads it: it is in no argument, environment or history.
 */

import type { AccountLogin, ChangeResult, Connector, CredentialChange } from '../../../session/connector.ts'
import { messageOf } from '../../../shared/errors.ts'
import type { Secret } from '../../../shared/secret.ts'
import { withoutSecrets } from '../../../shared/text/without-secrets.ts'
import { loginOf } from '../../../targets/target.ts'
import { type CredentialMaterial, secretsOf } from '../../../vault/lease.ts'
import type { OwnChannels } from '../target-side/own-channels.ts'
import { Conversation, type End, endInWords } from './conversation.ts'
import { logIn, verifyLogin } from './log-in.ts'
import { answerPasswd, withoutQuestions } from './passwd.ts'
import { chpasswdLine, passwordLine, whyUnfit } from './password-lines.ts'
import { chpasswdScript, ownPasswordScript, type PasswordWord } from './password-scripts.ts'
import type { Script as AnyScript } from './scripts.ts'

/** A directory far away answers slowly; a program that waits for something else never does. */
const CHANGE_MS = 60_000
/** Of what a program said, so much is looked at for its words. */
const LOOKED_AT = 8192
/** What PAM modules and programs say of a password that they do not take. */
const POLICY =
  /bad password|weak password|already (?:been )?used|previously used|too (?:short|simple|similar|weak|long|many|few)|(?:longer|shorter|different|stronger) password|not (?:contain )?enough|dictionary|palindrome|rotated|case changes only|must (?:contain|have|include)|complexity|password history|is not allowed to contain|contains the user ?name/i

export const sshPassword: Connector = {
  name: 'ssh-password',
  kinds: ['password'],
  verify: verifyLogin,
  change,
}

async function change(change: CredentialChange, signal: AbortSignal): Promise<ChangeResult> {
  const { target, account, dial, current, candidate, as, opened } = change
  if (candidate.kind !== 'password') return notChanged('ssh-password changes passwords; this is a private key')
  const unfit = whyUnfit(candidate.password.revealBytes())
  if (unfit !== undefined) return { result: 'candidate-refused', words: unfit }
  if (loginOf(account).includes(':'))
    return notChanged(
      'the login of the account holds a colon: no Linux account has one, and chpasswd would change another',
    )
  const by = as ?? (current === undefined ? undefined : { account, material: current })
  if (by === undefined)
    return notChanged('no password of the account is known to work, and no other account may change it (reconcile)')
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CHANGE_MS)])
  const host = await logIn({ target, ...by, dialer: dial(), opened }, bounded)
  if ('result' in host) {
    // Once more after it was done.
    const works =
      as === undefined &&
      host.result === 'refused' &&
      (await verifyLogin({ target, account, material: candidate, dialer: dial(), opened }, bounded)).result === 'works'
    return works ? { result: 'changed' } : notChanged(`${loginOf(by.account)} cannot log in: ${host.words}`)
  }
  try {
    return await new PasswordChange(host, change, by, candidate.password.revealBytes(), bounded).run()
  } finally {
    host.close()
  }
}

/** What sshd says of a password that has expired, to who brings no terminal. */
const EXPIRED = /password change required but no tty available/i

type Script = AnyScript<PasswordWord>

class PasswordChange {
  readonly #host: OwnChannels
  readonly #login: string
  readonly #itself: boolean
  /** Of who is logged in, where that is how they log in. */
  readonly #own: Buffer | undefined
  readonly #candidate: Buffer
  readonly #signal: AbortSignal
  readonly #secrets: readonly Secret[]

  constructor(
    host: OwnChannels,
    { account, current, candidate: material, as, opened = [] }: CredentialChange,
    by: AccountLogin,
    candidate: Buffer,
    signal: AbortSignal,
  ) {
    this.#host = host
    this.#login = loginOf(account)
    this.#itself = as === undefined || loginOf(as.account) === this.#login
    this.#own = passwordOf(by.material)
    this.#candidate = candidate
    this.#signal = signal
    this.#secrets = [material, current, by.material].flatMap(given => (given ? secretsOf(given) : [])).concat(opened)
  }

  async run(): Promise<ChangeResult> {
    const own = this.#itself && this.#own !== undefined ? await this.#asOneself(this.#own) : undefined
    if (own !== undefined && own.result !== 'not-changed') return own
    const result = await this.#withChpasswd()
    if (own === undefined || result.result !== 'not-changed') return result
    return own.words === result.words ? result : notChanged(`${own.words}. ${result.words}`)
  }

  async #asOneself(current: Buffer): Promise<ChangeResult> {
    const script = ownPasswordScript()
    const talk = await this.#start(script)
    if (!(talk instanceof Conversation)) return talk
    const heard = await talk.until(script.told)
    if ('over' in heard && EXPIRED.test(talk.said)) return this.#asTheHostDemands(current)
    if ('over' in heard) return notChanged(this.#words(talk, script, heard.over))
    if (heard.found === 'ready') return this.#giveLine(talk, script)
    if (heard.found !== 'passwd') return notChanged(WORDS[heard.found] ?? UNEXPECTED)
    return this.#answer(talk, script, current)
  }

  /** Of an account whose password has expired, sshd runs `passwd` in place of everything else, and on a terminal alone. */
  async #asTheHostDemands(current: Buffer): Promise<ChangeResult> {
    const script = ownPasswordScript()
    const talk = await this.#start(script, true)
    return talk instanceof Conversation ? this.#answer(talk, script, current) : talk
  }

  async #answer(talk: Conversation, script: Script, current: Buffer): Promise<ChangeResult> {
    const outcome = await answerPasswd(talk, { current, candidate: this.#candidate }, text => POLICY.test(text))
    talk.close()
    switch (outcome.kind) {
      case 'changed':
        return { result: 'changed' }
      case 'refused':
        return { result: 'candidate-refused', words: this.#words(talk, script) }
      case 'declined':
        return notChanged(`passwd does not change it: ${this.#words(talk, script, outcome.end)}`)
      case 'uncertain':
        return { result: 'uncertain', words: this.#words(talk, script, outcome.end) }
    }
  }

  async #withChpasswd(): Promise<ChangeResult> {
    const script = chpasswdScript()
    const talk = await this.#start(script)
    if (!(talk instanceof Conversation)) return talk
    let heard = await talk.until(script.told)
    if ('found' in heard && heard.found === 'proof-asked') {
      if (this.#own === undefined) {
        talk.close()
        return notChanged(
          'sudo asks for a password, and the account logs in with a key: let it run chpasswd without one (NOPASSWD)',
        )
      }
      talk.say(passwordLine(this.#own))
      heard = await talk.until(script.told)
    }
    if ('over' in heard) return notChanged(this.#words(talk, script, heard.over))
    switch (heard.found) {
      case 'ready':
        return this.#giveLine(talk, script)
      case 'ready-when-proven':
        // It was proven before: so what follows is read by chpasswd.
        talk.say(passwordLine(this.#own!))
        return this.#giveLine(talk, script)
      default: {
        talk.close()
        const said = this.#words(talk, script)
        return notChanged(`${WORDS[heard.found] ?? UNEXPECTED}${said === '' ? '' : `: ${said}`}`)
      }
    }
  }

  async #giveLine(talk: Conversation, script: Script): Promise<ChangeResult> {
    talk.say(chpasswdLine(this.#login, this.#candidate))
    talk.endInput()
    const end = await talk.ended()
    if (end.kind === 'exited' && end.status === 0) return { result: 'changed' }
    const words = this.#words(talk, script, end)
    if (end.kind === 'exited' && POLICY.test(talk.said)) return { result: 'candidate-refused', words }
    return { result: 'uncertain', words }
  }

  async #start(script: Script, terminal = false): Promise<Conversation | (ChangeResult & { result: 'not-changed' })> {
    try {
      return await Conversation.start(this.#host, script.command, this.#signal, { terminal })
    } catch (error) {
      if (this.#signal.aborted) return notChanged('it took too long, or was given up')
      return notChanged(`the target opens no session: ${withoutSecrets(messageOf(error), this.#secrets)}`)
    }
  }

  #words(talk: Conversation, script: Script, end?: End): string {
    const said = withoutSecrets(withoutQuestions(script.withoutTold(talk.said.slice(-LOOKED_AT))), this.#secrets)
    if (end === undefined) return said
    return said === '' ? endInWords(end) : `${said} (${endInWords(end)})`
  }
}

const UNEXPECTED = 'the target answers out of order'

const WORDS: Partial<Record<PasswordWord, string>> = {
  'no-chpasswd': 'the target has no chpasswd',
  'no-passwd': 'the target has no passwd',
  'no-sudo': 'the account is not the superuser, and the target has no sudo',
  'no-right': 'sudo does not let the account run chpasswd',
  'proof-asked': 'sudo does not take the password of the account',
}

function passwordOf(material: CredentialMaterial | undefined): Buffer | undefined {
  return material?.kind === 'password' ? material.password.revealBytes() : undefined
}

function notChanged(words: string) {
  return { result: 'not-changed', words } as const
}
