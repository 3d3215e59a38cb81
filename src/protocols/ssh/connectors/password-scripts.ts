/**
 * What runs at a target to change a password. Each script is one word for whatever shell the account has, and tells on standard error how
 * far it is; nothing secret is in it. A word that it tells does not stand in it: a program that shows its own command says nothing.
 */

import { randomBytes } from 'node:crypto'
import type { Finding } from './conversation.ts'

/** Where programs of administrators are, before what the account has. */
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin'

const TOLD = [
  /** `chpasswd` reads now. */
  'ready',
  /** `passwd` asks now. */
  'passwd',
  'no-chpasswd',
  'no-passwd',
  'no-sudo',
  /** sudo does not take the password of the account, or the account may not run chpasswd. */
  'no-right',
] as const

/** Besides: sudo asks for the password of the account, in order to prove it, or right before chpasswd reads. */
export type Told = (typeof TOLD)[number] | 'proof-asked' | 'ready-when-proven'

const ASKED = { proof: 'proof-asked', again: 'ready-when-proven' } as const

export interface Script {
  readonly command: string
  /** What it tells first in this text. */
  told(text: string): Finding<Told> | undefined
  /** Without what the script itself says. */
  withoutTold(text: string): string
}

/** As the account itself: `chpasswd` for the superuser, `passwd` for anybody else, which needs no right. */
export function ownPasswordScript(): Script {
  return script(
    () =>
      'if [ "$(id -u)" = 0 ]; then command -v chpasswd >/dev/null || { say no-chpasswd; exit 1; }; say ready; exec chpasswd; fi; ' +
      'command -v passwd >/dev/null || { say no-passwd; exit 1; }; say passwd; exec passwd',
  )
}

/**
 * `chpasswd`, by `sudo` where the account is not the superuser. With nothing to read it changes nothing: so it is seen whether sudo asks
 * for a password, and the new one is sent once chpasswd is what reads it.
 */
export function chpasswdScript(): Script {
  return script(
    ask =>
      'command -v chpasswd >/dev/null || { say no-chpasswd; exit 1; }; ' +
      'if [ "$(id -u)" = 0 ]; then say ready; exec chpasswd; fi; ' +
      'command -v sudo >/dev/null || { say no-sudo; exit 1; }; ' +
      'if sudo -n chpasswd </dev/null; then say ready; exec sudo -n chpasswd; fi; ' +
      `sudo -S -p ${ask('proof')} -v || { say no-right; exit 1; }; ` +
      'if sudo -n chpasswd </dev/null; then say ready; sudo -n chpasswd; status=$?; sudo -k; exit $status; fi; ' +
      `exec sudo -S -p ${ask('again')} chpasswd`,
  )
}

function script(body: (ask: (what: string) => string) => string): Script {
  const [one, two] = [randomBytes(8).toString('hex'), randomBytes(8).toString('hex')]
  const mark = `${one}${two}`
  const program =
    `LC_ALL=C; PATH=${PATH}:$PATH; export LC_ALL PATH; ` +
    `say() { printf "%s%s:%s:\\n" ${one} ${two} "$1" >&2; }; ${body(what => `"${one}""${two}${what}?"`)}`
  const telling = new RegExp(`${mark}(?:(proof|again)\\?|:([a-z-]+):\\r?\\n)`, 'g')
  return {
    command: `exec /bin/sh -c '${program}'`,
    told(text) {
      for (const { 0: whole, 1: asked, 2: word, index } of text.matchAll(telling)) {
        const found = asked === undefined ? TOLD.find(told => told === word) : ASKED[asked as keyof typeof ASKED]
        if (found !== undefined) return { found, end: index + whole.length }
      }
      return undefined
    },
    withoutTold: text => text.replace(telling, ''),
  }
}
