/** A throw-away HAProxy on free loopback ports: TCP in front of servers, to which it sends the PROXY protocol from an address of its own. */

import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onFreePort, removeFolder, startChild } from './child.ts'

export interface Haproxy {
  readonly port: number
  stop(): Promise<void>
}

/** `sends`: `send-proxy` or `send-proxy-v2`, with options. `from`: the address that it connects from. */
export async function startHaproxy(options: {
  readonly to: { readonly host: string; readonly port: number }
  readonly from: string
  readonly sends: string
}): Promise<Haproxy> {
  const { to, from, sends } = options
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-haproxy-'))
  const file = join(folder, 'haproxy.cfg')
  try {
    return await onFreePort(async port => {
      writeFileSync(
        file,
        `global
  stats socket ${join(folder, 'admin.sock')}
defaults
  mode tcp
  timeout connect 10s
  timeout client 10m
  timeout server 10m
listen gateway
  bind 127.0.0.1:${port}
  server one ${to.host}:${to.port} ${sends} source ${from}
`,
      )
      const child = startChild('haproxy', ['-db', '-V', '-f', file], { logFile: join(folder, 'haproxy.log'), folder })
      await child.printed(/Using epoll/)
      return {
        port,
        async stop() {
          await child.end('SIGKILL')
          removeFolder(folder)
        },
      }
    })
  } catch (error) {
    removeFolder(folder)
    throw error
  }
}
