/** Which commands are one side of a file transfer, whose standard input is a file and no script. */

import { type ScpCommand, scpCommandOf } from './scp-command.ts'
import { readShellCommand } from './shell-words.ts'
import { systemProgramOf } from './system-program.ts'

export interface FileTransferCommand {
  readonly scp: ScpCommand | undefined
  /** Nothing else runs: what is sent goes to the transfer. */
  readonly alone: boolean
}

const GIT = /^git-(?:receive-pack|upload-pack|upload-archive)$/

/** scp (`-t`, `-f`), `rsync --server`, and git's programs; undefined for anything else. */
export function fileTransferOf(command: string): FileTransferCommand | undefined {
  const { words, alone } = readShellCommand(command)
  const program = systemProgramOf(words[0])
  const scp = scpCommandOf(words)
  // Its files are recorded in any case; what somebody's own file of that name is fed is to be seen.
  if (scp !== undefined) return { scp, alone: alone && program !== undefined }
  const argument = words[1]?.text
  const transfers =
    program !== undefined &&
    ((program === 'rsync' && argument === '--server') || GIT.test(program) || GIT.test(`${program}-${argument}`))
  return transfers ? { scp: undefined, alone } : undefined
}
