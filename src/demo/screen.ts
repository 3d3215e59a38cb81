/** What a person sees of the demo: six lines to paste, the QR code, and codes that renew themselves. */

import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'
import { toString as drawQr } from 'qrcode'
import { codeOfStep, stepAt } from '../identity/factors/totp.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { shellWord } from '../shared/text/shell-word.ts'
import { type Demo, ON_REQUEST, SQL } from './start-demo.ts'

const STEP_MS = 30_000
const SALLYPORT = fileURLToPath(new URL('../../bin/sallyport', import.meta.url))

const SQL_ACCOUNT = formatAccountAddress(SQL)

type Output = NodeJS.WriteStream

/** Prints everything; on a terminal the line of the codes renews itself until the returned function is called. */
export async function showDemo({ facts, totpUrl }: Demo, output: Output): Promise<() => void> {
  const { ssh, approver, postgres, api } = facts
  const style = (format: 'bold' | 'dim' | 'cyan', text: string) => styleText(format, text, { stream: output })
  const step = (title: string, command: string, note: string) =>
    `  ${style('bold', title)}\n\n    ${style('cyan', command)}\n\n    ${style('dim', note)}\n`
  const sshAs = (login: string, identityFile = ssh.identityFile) =>
    `ssh -p ${ssh.port} -i ${shellWord(identityFile)} -o IdentitiesOnly=yes -o ${shellWord(`UserKnownHostsFile=${ssh.knownHostsFile}`)} ${login}@${ssh.host}`
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
      step(
        `5. Be ${ON_REQUEST.account} on ${ON_REQUEST.target}, which somebody must approve`,
        sshAs(ssh.onRequest),
        'It asks why, waits, and goes on as soon as lee has approved it. After an hour it ends by itself.',
      ),
      step(
        '6. Decide on it as lee, who approves',
        `${sshAs(approver.login, approver.identityFile)} requests`,
        'Then with approve ID, or deny ID --reason no, in the place of requests.',
      ),
      '',
    ].join('\n'),
  )
  return showCodes({ alice: ssh.totpSecret, lee: approver.totpSecret }, output, style)
}

/** `secrets`: by the name of whose code it is. */
function showCodes(
  secrets: Readonly<Record<string, string>>,
  output: Output,
  style: (format: 'bold' | 'dim', text: string) => string,
): () => void {
  const line = () => {
    const now = Date.now()
    const codes = Object.entries(secrets).map(([name, secret]) => {
      const code = codeOfStep(secret, stepAt(now))
      return `code of ${name} ${style('bold', `${code.slice(0, 3)} ${code.slice(3)}`)}`
    })
    const seconds = Math.ceil((STEP_MS - (now % STEP_MS)) / 1000)
    return `    ${codes.join('  ')}  ${style('dim', `for ${seconds} more seconds; each works once`)}`
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
