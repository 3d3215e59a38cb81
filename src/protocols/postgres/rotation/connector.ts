/** The password of a PostgreSQL role: verified by a login, changed by its verifier. */

import type { Connector } from '../../../session/connector.ts'
import { changePassword } from './change-password.ts'
import { verifyLogin } from './verify-login.ts'

export const postgresRole: Connector = {
  name: 'postgres-role',
  kinds: ['password'],
  verify: verifyLogin,
  change: changePassword,
}
