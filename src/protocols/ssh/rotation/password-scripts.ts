/** What runs at a target to change a password. */

import { createScript, MOST_SUBSTITUTED, type Script } from './scripts.ts'

export const PASSWORD_WORDS = [
  /** `chpasswd` reads now. */
  'ready',
  /** sudo asks for the password of the account, in order to prove it. */
  'proof-asked',
  /** It asks once more, and chpasswd reads then. */
  'ready-when-proven',
  /** `passwd` asks now. */
  'passwd',
  'no-chpasswd',
  'no-passwd',
  'no-sudo',
  /** sudo does not take the password of the account, or the account may not run chpasswd. */
  'no-right',
] as const

export type PasswordWord = (typeof PASSWORD_WORDS)[number]

/** BusyBox may be built to hash with what is broken in a moment; its programs take the algorithm as an argument. */
const algorithm = (program: string, option: string) =>
  `hash=; case $(${program} --help 2>&1 </dev/null | head -c ${MOST_SUBSTITUTED}) in *BusyBox*) hash="${option} sha512";; esac; `

const CHPASSWD = `command -v chpasswd >/dev/null || { say no-chpasswd; exit 1; }; ${algorithm('chpasswd', '-c')}`

/** As the account itself: `chpasswd` for the superuser, `passwd` for anybody else, which needs no right. */
export function ownPasswordScript(): Script<PasswordWord> {
  return createScript(
    PASSWORD_WORDS,
    () =>
      `if [ "$(id -u | head -c 20)" = 0 ]; then ${CHPASSWD}say ready; exec chpasswd $hash; fi; ` +
      `command -v passwd >/dev/null || { say no-passwd; exit 1; }; ${algorithm('passwd', '-a')}say passwd; exec passwd $hash`,
  )
}

/**
 * `chpasswd`, by `sudo` where the account is not the superuser. With nothing to read it changes nothing: so it is seen whether sudo asks
 * for a password, and the new one is sent once chpasswd is what reads it.
 */
export function chpasswdScript(): Script<PasswordWord> {
  return createScript(
    PASSWORD_WORDS,
    prompt =>
      `${CHPASSWD}if [ "$(id -u | head -c 20)" = 0 ]; then say ready; exec chpasswd $hash; fi; ` +
      'command -v sudo >/dev/null || { say no-sudo; exit 1; }; ' +
      'if sudo -n chpasswd $hash </dev/null; then say ready; exec sudo -n chpasswd $hash; fi; ' +
      `sudo -S -p ${prompt('proof-asked')} -v || { say no-right; exit 1; }; ` +
      'if sudo -n chpasswd $hash </dev/null; then say ready; sudo -n chpasswd $hash; status=$?; sudo -k; exit $status; fi; ' +
      `exec sudo -S -p ${prompt('ready-when-proven')} chpasswd $hash`,
  )
}
