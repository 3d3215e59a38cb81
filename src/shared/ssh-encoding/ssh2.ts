/** Loads files of ssh2 beneath its public face, with its bound of a packet changed. The one way to ssh2. */

import { createRequire, registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)

/** As OpenSSH takes them. ssh2 takes 35,000 bytes, what RFC 4253 §6.1 asks for at least: too few for a script as an argument. */
const MAX_PACKET_BYTES = 256 * 1024

/** ssh2 has the bound as a constant of its file: it is changed as the file is loaded. So nobody else may load ssh2. */
function takeLongPackets(): void {
  const path = require.resolve('ssh2/lib/protocol/crypto.js')
  if (require.cache[path] !== undefined)
    throw new Error('ssh2 was loaded before shared/ssh-encoding/ssh2.ts: load it from there')
  const url = pathToFileURL(path).href
  const hooks = registerHooks({
    load(asked, context, next) {
      const loaded = next(asked, context)
      if (asked !== url) return loaded
      const source = String(loaded.source)
      const changed = source.replace('const MAX_PACKET_SIZE = 35000;', `const MAX_PACKET_SIZE = ${MAX_PACKET_BYTES};`)
      if (changed === source) throw new Error('ssh2 has its bound of a packet elsewhere')
      return { ...loaded, source: changed }
    },
  })
  require(path)
  hooks.deregister()
}
takeLongPackets()

/** What the package exports, or one of its files: `lib/protocol/utils.js`. */
export function loadSsh2(file?: string): unknown {
  return require(file === undefined ? 'ssh2' : `ssh2/${file}`)
}
