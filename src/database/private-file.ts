/** Files that only their owner may read. */

import { chmodSync, closeSync, openSync } from 'node:fs'

/** Makes the file where it is missing, and gives it the mode 0600. */
export function makePrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}
