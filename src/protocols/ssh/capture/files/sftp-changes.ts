/** SFTP requests that change names or attributes, by their paths: what each does, read from its fields (behind the request's id). */

import type { WireReader } from '../../../../shared/ssh-encoding/wire.ts'
import { SFTP } from '../../sftp-types.ts'
import { recordedText } from '../../transport/texts.ts'
import type { FileEvent } from './file-event.ts'

const MAX_PATH = 4_096

type Read = (fields: WireReader) => FileEvent

const setstat: Read = fields => ({ operation: 'setstat', path: pathOf(fields) })
const rename: Read = fields => ({ operation: 'rename', path: pathOf(fields), to: pathOf(fields) })

/** By the type of the message. */
export const CHANGES: ReadonlyMap<number, Read> = new Map<number, Read>([
  [SFTP.SETSTAT, setstat],
  [SFTP.REMOVE, fields => ({ operation: 'remove', path: pathOf(fields) })],
  [SFTP.MKDIR, fields => ({ operation: 'mkdir', path: pathOf(fields) })],
  [SFTP.RMDIR, fields => ({ operation: 'rmdir', path: pathOf(fields) })],
  [SFTP.RENAME, rename],
  [
    SFTP.SYMLINK,
    fields => {
      // OpenSSH sends what the link points to first, against the draft; everybody follows OpenSSH.
      const to = pathOf(fields)
      return { operation: 'symlink', path: pathOf(fields), to }
    },
  ],
])

/** By the name of the extension (OpenSSH's PROTOCOL §4). */
export const EXTENDED_CHANGES: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['posix-rename@openssh.com', rename],
  ['hardlink@openssh.com', fields => ({ operation: 'link', path: pathOf(fields), to: pathOf(fields) })],
  ['lsetstat@openssh.com', setstat],
  ['copy-file', fields => ({ operation: 'copy', path: pathOf(fields), to: pathOf(fields) })],
])

export function pathOf(fields: WireReader): string {
  return recordedText(fields.string().subarray(0, MAX_PATH))
}
