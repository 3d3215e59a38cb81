/** What a person sees of the demo: four lines to paste, the QR code, and a code that renews itself. */

import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import { toString as drawQr } from 'qrcode'
import { codeOfStep, stepAt } from '../identity/factors/totp.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { shellWord } from '../shared/text/shell-word.ts'
import { type Demo, SQL } from './start-demo.ts'

const STEP_MS = 30_000
const SALLYPORT = fileURLToPath(new URL('../../bin/sallyport', import.meta.url))

const SQL_ACCOUNT = formatAccountAddress(SQL)

type Output = NodeJS.WriteStream

/** Prints everything; on a terminal the code's line renews itself until the returned function is called. */
export async function showDemo({ facts, totpUrl }: Demo, output: Output): Promise<() => void> {
  const { ssh, postgres, api } = facts
  const style = (format: 'bold' | 'dim' | 'cyan', text: string) => styleText(format, text, { stream: output })
  const step = (title: string, command: string, note: string) =>
    `  ${style('bold', title)}\n\n    ${style('cyan', command)}\n\n    ${style('dim', note)}\n`
  const sshAs = (login: string) =>
    `ssh -p ${ssh.port} -i ${shellWord(ssh.identityFile)} -o IdentitiesOnly=yes -o ${shellWord(`UserKnownHostsFile=${ssh.knownHostsFile}`)} ${login}@${ssh.host}`
  // With whole paths: it is pasted in another terminal, in whatever folder that is.
  const sallyport = `${shellWord(SALLYPORT)} --socket ${shellWord(api.socket)}`
  // The terminal form sets its own colours: a QR code drawn light on dark is not read by every app.
  const qr = await drawQr(totpUrl, { type: output.isTTY ? 'terminal' : 'utf8', small: true, errorCorrectionLevel: 'L' })

  output.write(
    [
      '',
      `  ${style('bold', 'Sallyport')}: the demo is ready. ${style('dim', 'Ctrl-C stops it and removes everything it made.')}`,
      '',
      `  ${style('bold', "alice's second factor")}${style('dim', ': scan this with an authenticator app, or read the code below.')}`,
      '',
      qr
        .trimEnd()
        .split('\n')
        .map(line => `    ${line}`)
        .join('\n'),
      '',
      step(
        '1. Be root on web-01, without its password',
        sshAs(ssh.login),
        'It asks for the one-time code. scp, sftp and rsync work the same way.',
      ),
      step(
        '2. Be dba on orders',
        `psql "host=localhost port=${postgres.port} user=${postgres.login} dbname=${postgres.database} sslmode=verify-full sslrootcert=${postgres.caFile}"`,
        `As the password, type ${postgres.password} and a new code right behind it, as one word.`,
      ),
      step(
        '3. Watch what happened',
        `${sallyport} session replay last`,
        'Also: session list and audit list in its place.',
      ),
      step(
        '4. Have dba on orders to yourself for an hour',
        `${sshAs('alice')} checkout ${SQL_ACCOUNT} --for 1h`,
        `Others are refused meanwhile. With checkin ${SQL_ACCOUNT} in the place of checkout it is returned, and gets another password.`,
      ),
      '',
    ].join('\n'),
  )
  return showCode(ssh.totpSecret, output, style)
}

function showCode(secret: string, output: Output, style: (format: 'bold' | 'dim', text: string) => string): () => void {
  const line = () => {
    const now = Date.now()
    const code = codeOfStep(secret, stepAt(now))
    const seconds = Math.ceil((STEP_MS - (now % STEP_MS)) / 1000)
    return `    code  ${style('bold', `${code.slice(0, 3)} ${code.slice(3)}`)}  ${style('dim', `for ${seconds} more seconds; each code works once`)}`
  }
  if (!output.isTTY) {
    output.write(`${line()}\n`)
    return () => undefined
  }
  const draw = () => output.write(`\r${line()}\x1b[K`)
  draw()
  const timer = setInterval(draw, 1000)
  return () => {
    clearInterval(timer)
    output.write('\n')
  }
}
