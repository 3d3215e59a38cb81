/** Where people reach the API, and what their programs are to trust there: told to whoever makes a personal token. */

import type { Config } from '../config/config.ts'
import type { ApiAddress } from '../self-service/command.ts'
import type { GatewayParts } from './parts.ts'
import { gatewayCertificate } from './served-certificates.ts'

export async function apiAddress(
  parts: Pick<GatewayParts, 'vault' | 'clock'>,
  config: Config,
): Promise<ApiAddress | null> {
  const { enabled, url, port, tls } = config.api
  if (!enabled) return null
  return { url: url ?? null, port, certificate: (await gatewayCertificate(parts, config, tls)).trusted }
}
