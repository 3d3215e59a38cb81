/** The command with which an scp client asks for the old protocol, and the places that its files have on the target. */

import { posix } from 'node:path'
import type { ShellWord } from './shell-words.ts'

export interface ScpCommand {
  readonly direction: 'upload' | 'download'
  /** What the person named on the target, as its shell reads it. An upload has one, or scp refuses it. */
  readonly paths: readonly ShellWord[]
  /** The path is a folder that names go into (-r, -d, or a trailing slash). */
  readonly intoFolder: boolean
}

export interface ScpPlace {
  readonly path: string
  /** The target's shell puts something else in place of a part of it: a variable, a home, a pattern. */
  readonly unexpanded?: true
}

/** Reads the words of a command; undefined for anything else. */
export function scpCommandOf(words: readonly ShellWord[]): ScpCommand | undefined {
  if (posix.basename(words[0]?.text ?? '') !== 'scp') return undefined
  let flags = ''
  let index = 1
  for (; words[index]?.text.startsWith('-') && words[index]!.text !== '--'; index++)
    flags += words[index]!.text.slice(1)
  if (words[index]?.text === '--') index++
  const paths = words.slice(index).filter(word => word.text !== '')
  const direction = flags.includes('t') ? 'upload' : flags.includes('f') ? 'download' : undefined
  if (direction === undefined || paths.length === 0) return undefined
  return { direction, paths, intoFolder: /[rd]/.test(flags) || paths[0]!.text.endsWith('/') }
}

/** What was named, where nothing better is known. */
export function askedFor({ paths }: ScpCommand): ScpPlace {
  const path = paths.map(({ text }) => text).join(' ')
  return paths.some(word => word.expands) ? { path, unexpanded: true } : { path }
}

/** Where `name` is, which the sending side says, in `folders` that it said before. */
export function placeOf(command: ScpCommand, folders: readonly string[], name: string): ScpPlace {
  const asked = askedFor(command)
  if (command.direction === 'upload') {
    return command.intoFolder ? { ...asked, path: posix.join(asked.path, ...folders, name) } : asked
  }
  const word = wordFor(command.paths, folders[0] ?? name)
  if (word === undefined) return { path: posix.join(...folders, name), unexpanded: true }
  const path = posix.join(posix.dirname(word.text), ...folders, name)
  return foldersExpand(word) ? { path, unexpanded: true } : { path }
}

/** Of several that were asked for, the one that the sender means by this name. */
function wordFor(paths: readonly ShellWord[], name: string): ShellWord | undefined {
  if (paths.length === 1) return paths[0]
  const exact = paths.filter(({ text }) => posix.basename(text) === name)
  const patterns = paths.filter(word => word.expands)
  return exact.length === 1 ? exact[0] : exact.length === 0 && patterns.length === 1 ? patterns[0] : undefined
}

/** A pattern in the last part of a path names files of a folder that is known; all else may lead elsewhere. */
function foldersExpand({ text, expands }: ShellWord): boolean {
  return expands && (/[*?[~]/.test(posix.dirname(text)) || /[$`{~]/.test(text))
}
