/** The PostgreSQL target `orders`, and a role `dba` for its superuser, on a test gateway. */

import type { RoleInput } from '../../src/policy/role.ts'
import { Secret } from '../../src/shared/secret.ts'
import type { TestGateway } from './start-gateway.ts'
import type { TestPostgres } from './start-postgres.ts'

/** Describes both (the role with `terms` of its own); gives what a user's login name ends with. */
export async function addOrders(
  gateway: TestGateway,
  { superuser, superPassword, host, port }: TestPostgres,
  terms: Partial<RoleInput> = {},
): Promise<string> {
  const scope = { targets: { names: ['orders'] }, accounts: { names: [superuser] } }
  await gateway.addRole({ name: 'dba', ...scope, ...terms })
  await gateway.addTarget(
    { name: 'orders', protocol: 'postgres', host, port, tls: 'disable', accounts: [{ name: superuser }] },
    { [superuser]: { kind: 'password', password: new Secret(superPassword) } },
  )
  return `${superuser}+orders`
}

/** Gives a user one more role. */
export async function addToRole(gateway: TestGateway, name: string, role: string): Promise<void> {
  const user = (await gateway.parts.users.get(name))!
  await gateway.parts.users.put({ ...user, roles: [...user.roles, role] })
}
