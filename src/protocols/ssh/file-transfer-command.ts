/** Which commands are one side of a file transfer, whose standard input is a file and no script. */

import { type ScpCommand, scpCommandOf } from './scp-command.ts'
import { readShellCommand } from './shell-words.ts'

export interface FileTransferCommand {
  readonly scp: ScpCommand | undefined
  /** Nothing else runs: what is sent goes to the transfer. */
  readonly alone: boolean
}

const GIT = /^git-(?:receive-pack|upload-pack|upload-archive)$/

/** scp (`-t`, `-f`), `rsync --server`, and git's programs; undefined for anything else. */
export function fileTransferOf(command: string): FileTransferCommand | undefined {
  const { words, alone } = readShellCommand(command)
  const scp = scpCommandOf(words)
  if (scp !== undefined) return { scp, alone }
  const [program, argument] = words.map(word => word.text)
  if (words[0]?.expands !== false) return undefined
  const name = program!.split('/').at(-1)!
  const transfers = (name === 'rsync' && argument === '--server') || GIT.test(name) || GIT.test(`${name}-${argument}`)
  return transfers ? { scp: undefined, alone } : undefined
}
