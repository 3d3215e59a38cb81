/** What of a target's words at login comes into errors, which are logged, audited and shown. */

import t from 'tap'
import { CredentialRefused, TargetLogin } from '../../../../src/protocols/ssh/target-side/target-login.ts'
import { MESSAGE } from '../../../../src/protocols/ssh/transport/messages.ts'
import type { Transport } from '../../../../src/protocols/ssh/transport/transport.ts'
import { GatewayError, messageOf } from '../../../../src/shared/errors.ts'
import { Secret } from '../../../../src/shared/secret.ts'
import { boolean, message, string } from '../../../../src/shared/ssh-encoding/wire.ts'

const PASSWORD = 'Kx7#vQ2!mZp9'

/** A login at a target that says this; what came of it. */
function login(says: (login: TargetLogin) => unknown): GatewayError {
  let refused: GatewayError | undefined
  const transport = { send() {}, sendSecret() {} } as unknown as Transport
  const login = new TargetLogin(
    transport,
    {
      target: { name: 'web-01', authentication: undefined },
      user: 'root',
      credential: { kind: 'password', password: new Secret(PASSWORD) },
      signal: AbortSignal.timeout(60_000),
    },
    {
      accepted: () => undefined,
      refused: error => {
        refused = error
      },
    },
  )
  login.start()
  login.receive(MESSAGE.SERVICE_ACCEPT, message(MESSAGE.SERVICE_ACCEPT, string('ssh-userauth')))
  const said = says(login)
  const after = said instanceof GatewayError ? said : refused
  if (after === undefined) throw new Error('it was not refused')
  return after
}

const offers = (login: TargetLogin, methods: string) =>
  login.receive(MESSAGE.USERAUTH_FAILURE, message(MESSAGE.USERAUTH_FAILURE, string(methods), boolean(false)))
const shows = (login: TargetLogin, banner: string) =>
  login.receive(MESSAGE.USERAUTH_BANNER, message(MESSAGE.USERAUTH_BANNER, string(banner), string('')))

function textsOf(error: GatewayError): string {
  const { cause } = error
  return [error.message, messageOf(cause), cause instanceof CredentialRefused ? cause.said : ''].join('\n')
}

t.test(
  'a target that writes the password among its methods, in its banner or as its goodbye is not quoted',
  async t => {
    for (const form of [PASSWORD, [...PASSWORD].reverse().join(''), Buffer.from(PASSWORD).toString('hex')]) {
      const among = login(login => offers(login, `publickey,${form}`))
      t.equal(among.code, 'TARGET_AUTHENTICATION_REFUSED')
      const refused = login(login => {
        offers(login, 'password')
        shows(login, `it was ${form}`)
        offers(login, `password,${form}`)
      })
      t.ok(refused.cause instanceof CredentialRefused)
      const closed = login(login => {
        offers(login, 'password')
        return login.disconnected(`Too many authentication failures for ${form}`)
      })
      for (const error of [among, refused, closed]) t.notMatch(textsOf(error), form.slice(0, 6), form)
    }
  },
)

t.test('what it says otherwise is', async t => {
  const refused = login(login => {
    offers(login, 'publickey,password')
    shows(login, 'Your password has expired.')
    offers(login, 'publickey,password,keyboard-interactive')
  })
  t.match(textsOf(refused), 'the target refused password and offers publickey, password, keyboard-interactive')
  t.match(textsOf(refused), 'Your password has expired.')
  t.match(textsOf(login(login => offers(login, 'publickey'))), 'The target web-01 offers publickey; what it may ask')
  t.match(textsOf(login(login => login.disconnected('no more sessions'))), 'no more sessions')
})
