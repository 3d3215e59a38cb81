/** Names and texts for SQL, read alike under every setting of the server and of the role. */

import { MOST_NAME_BYTES } from '../wire/message-body.ts'

export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** In the form whose backslashes do not depend on `standard_conforming_strings`. */
export function quotedText(text: string): string {
  return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

/** The server cuts what is longer, and would then mean another role. */
export function isWholeName(name: string): boolean {
  return Buffer.byteLength(name) <= MOST_NAME_BYTES
}
