/** `sallyport user totp`: enrols or removes one-time codes. */

import type { AddCommands, Context } from '../../context.ts'
import { pathOf } from './path.ts'

export const addTotp: AddCommands = (user, context) => {
  const { terminal } = context
  user
    .command('totp')
    .description('enrol one-time codes: a new secret, shown this one time')
    .argument('<name>')
    .option('--remove', 'remove it instead')
    .action(async (name: string, { remove = false }: { remove?: boolean }) => {
      const client = await context.client()
      if (remove) {
        await client.send('DELETE', `${pathOf(name)}/factors/totp`)
        if (context.json) terminal.json({ user: name, totp: 'removed' })
        else terminal.line(`${name} has no one-time codes now.`)
        return
      }
      const { secret, url } = await client.send<{ secret: string; url: string }>('POST', `${pathOf(name)}/totp`)
      if (context.json) return terminal.json({ user: name, secret, url })
      if (terminal.width !== undefined) terminal.line(await drawQr(url, terminal.colours))
      terminal.facts([
        ['url', url],
        ['secret', secret],
      ])
      terminal.note(terminal.style('dim', 'Scan it with an authenticator now: it cannot be shown again.'))
      if (terminal.interactive) await confirmCode(context, secret)
    })
}

/** In its own colours, where there are any: a code drawn light on dark is not read by every app. */
async function drawQr(url: string, colours: boolean): Promise<string> {
  const { default: qrcode } = await import('qrcode')
  return qrcode.toString(url, { type: colours ? 'terminal' : 'utf8', small: true, errorCorrectionLevel: 'L' })
}

/** A try with the authenticator while the secret can still be seen. It is made here, so the code stays good for a login. */
async function confirmCode({ terminal, now }: Context, secret: string): Promise<void> {
  const { matchingStep } = await import('../../../identity/factors/totp.ts')
  for (;;) {
    const code = await terminal.ask('The code that it shows now (Return skips this): ')
    if (code === '') return
    if (matchingStep(secret, code, now()) !== undefined) return terminal.line(terminal.style('green', 'It is right.'))
    terminal.note('That is not it. Was this QR code scanned, and are both clocks right?')
  }
}
