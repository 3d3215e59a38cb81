/** `sallyport key`: public keys of the gateway, for verifying recordings elsewhere and for trusting its certificate. */

import type { AddCommands } from '../context.ts'

export const addKeys: AddCommands = (program, context) => {
  const { terminal } = context
  const key = program.command('key').helpCommand(false).description("the gateway's public key and certificate")

  key
    .command('public')
    .description('the public half of the key that signs recordings and the audit log (PEM)')
    .action(async () => {
      const { publicKey } = await (await context.client()).get<{ publicKey: string }>('/v1/keys/signing')
      if (context.json) terminal.json({ publicKey })
      else terminal.line(publicKey.trimEnd())
    })

  key
    .command('certificate')
    .description("the gateway's TLS certificate (PEM): for --ca, and for sslrootcert of psql")
    .action(async () => {
      const { certificate } = await (await context.client()).get<{ certificate: string }>('/v1/keys/certificate')
      if (context.json) terminal.json({ certificate })
      else terminal.line(certificate.trimEnd())
    })
}
