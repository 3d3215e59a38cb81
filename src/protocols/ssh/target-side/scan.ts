/** Learns which host keys a target shows, for an administrator who will pin them. It logs in nowhere. */

import type { Dialer } from '../../../session/dialer.ts'
import { systemClock } from '../../../shared/clock.ts'
import { GatewayError } from '../../../shared/errors.ts'
import type { Target } from '../../../targets/target.ts'
import { HOST_KEY_ALGORITHMS } from '../transport/algorithms.ts'
import { formatPublicKeyLine } from '../transport/host-keys.ts'
import { NO_REKEYING, Transport } from '../transport/transport.ts'

/** One algorithm for each type of key: a server has at most one key of a type. */
const ONE_OF_A_TYPE = HOST_KEY_ALGORITHMS.filter(algorithm => algorithm !== 'rsa-sha2-256')

/**
 * All host keys of the target that the gateway could verify, as lines `ssh-ed25519 AAAA…`, best first. Throws
 * `TARGET_UNREACHABLE` when nothing there speaks SSH within `timeoutMs`, or shows no such key.
 */
export async function scanHostKeys(
  { host, port }: Pick<Target, 'host' | 'port'>,
  dialer: Dialer,
  timeoutMs = 10_000,
): Promise<string[]> {
  const answers = await Promise.allSettled(ONE_OF_A_TYPE.map(algorithm => scanOne(dialer, algorithm, timeoutMs)))
  const keys = answers.filter(answer => answer.status === 'fulfilled').map(answer => answer.value)
  if (keys.length > 0) return [...new Set(keys)]
  const failed = answers.find(answer => answer.status === 'rejected')
  if (failed?.reason instanceof GatewayError) throw failed.reason
  throw new GatewayError('TARGET_UNREACHABLE', `No SSH host key could be read from ${host}, port ${port}.`, {
    cause: failed?.reason,
  })
}

async function scanOne(dialer: Dialer, algorithm: string, timeoutMs: number): Promise<string> {
  const deadline = AbortSignal.timeout(timeoutMs)
  const stream = await dialer.dial(deadline)
  const shown = new Promise<string>((resolve, reject) => {
    const transport = new Transport(
      stream,
      {
        side: 'client',
        hostKeyAlgorithms: [algorithm],
        // The key exchange goes on to its end, so that the key is one the server can sign with, not only show.
        verifyHostKey(blob) {
          line = formatPublicKeyLine(blob)
          return true
        },
      },
      {
        ready: () => resolve(line),
        message: () => {},
        ended: error => reject(error ?? new Error('the server closed the connection')),
      },
      NO_REKEYING,
      systemClock,
    )
    let line = ''
    deadline.addEventListener('abort', () => reject(new Error('timed out')), { once: true })
    transport.start()
  })
  return shown.finally(() => stream.on('error', () => undefined).destroy())
}
