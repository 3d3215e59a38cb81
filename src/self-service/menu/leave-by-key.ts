/** The two keys that leave a session which waits to begin. */

import { KEEPS_REQUEST } from '../../session/protocol.ts'
import type { Key } from './keys.ts'

/** Ctrl-C gives up; after Esc, what was asked for stays asked for. */
export function leaveByKey(keys: readonly Key[], leave: AbortController): void {
  const key = keys.find(({ kind }) => kind === 'interrupt' || kind === 'escape')
  if (key !== undefined) leave.abort(key.kind === 'escape' ? KEEPS_REQUEST : undefined)
}
