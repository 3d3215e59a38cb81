/** The command with which an scp client asks for the old protocol, and the places that its files have on the target. */

import { posix } from 'node:path'
import type { ShellWord } from './shell-words.ts'

export interface ScpCommand {
  readonly direction: 'upload' | 'download'
  /** What the person named on the target, as its shell reads it. An upload has one, or scp refuses it. */
  readonly paths: readonly ShellWord[]
  /** An upload goes into a folder of this path, or scp refuses it. Otherwise the path may also be the file's own. */
  readonly intoFolder: boolean
}

export interface ScpLocation {
  readonly path: string
  /** What the sending side called it, where that and `path` do not say for sure which file it is. */
  readonly name?: string
  /** The target's shell puts something else in place of a part of it: a variable, a home, a pattern. */
  readonly unexpanded?: true
}

/** No path is longer (PATH_MAX). A command can be, and each file is recorded with its own. */
export const MAX_PATH = 4_096
/** Each is looked at for each file that comes: which of more it is, is not looked for. */
const MOST_PATHS = 1_000

/** Options of scp whose value is the rest of the word, or the next one. */
const WITH_VALUE = 'DFJMPSXcilo'

/** Reads the words of a command; undefined for anything else. */
export function scpCommandOf(words: readonly ShellWord[]): ScpCommand | undefined {
  if (posix.basename(words[0]?.text ?? '') !== 'scp') return undefined
  let flags = ''
  let index = 1
  for (; /^-./.test(words[index]?.text ?? '') && words[index]!.text !== '--'; index++) {
    const letters = [...words[index]!.text.slice(1)]
    const valueAt = letters.findIndex(letter => WITH_VALUE.includes(letter))
    flags += letters.slice(0, valueAt === -1 ? undefined : valueAt).join('')
    if (valueAt === letters.length - 1) index++
  }
  if (words[index]?.text === '--') index++
  const paths = words.slice(index).filter(word => word.text !== '')
  // With both, scp sends.
  const direction = flags.includes('f') ? 'download' : flags.includes('t') ? 'upload' : undefined
  if (direction === undefined || paths.length === 0) return undefined
  return { direction, paths, intoFolder: direction === 'upload' && isFolder(paths[0]!.text, flags) }
}

/** What -r brings may make a folder of the very path, also with a slash behind it; everything else that has one must be there. */
function isFolder(path: string, flags: string): boolean {
  return flags.includes('d') || /(?:^|\/)\.\.?\/*$/.test(path) || (path.endsWith('/') && !flags.includes('r'))
}

/** What was named, where nothing better is known: of a long list the beginning. */
export function askedFor({ paths }: ScpCommand): ScpLocation {
  const shown: ShellWord[] = []
  for (let i = 0, length = 0; i < paths.length && length < MAX_PATH; i++) {
    shown.push(paths[i]!)
    length += paths[i]!.text.length + 1
  }
  const path = shown
    .map(({ text }) => text)
    .join(' ')
    .slice(0, MAX_PATH)
  return shown.some(word => word.expands) ? { path, unexpanded: true } : { path }
}

/** Where `name` is, which the sending side says, in `folders` that it said before; '' is the last of them itself. */
export function locationOf(command: ScpCommand, folders: readonly string[], name: string): ScpLocation {
  const names = name === '' ? folders : [...folders, name]
  const asked = askedFor(command)
  const location = command.direction === 'upload' ? uploadedTo(command, names) : downloadedFrom(command, names)
  return location ?? { ...asked, name: names.join('/') }
}

function uploadedTo(command: ScpCommand, names: readonly string[]): ScpLocation | undefined {
  if (!command.intoFolder || !names.every(isFileName)) return undefined
  const asked = askedFor(command)
  return { ...asked, path: inFolder(asked.path, names) }
}

function downloadedFrom({ paths }: ScpCommand, names: readonly string[]): ScpLocation | undefined {
  if (paths.length > MOST_PATHS) return undefined
  const [first = '', ...below] = names
  const meant = paths.filter(word => mayMean(word, first))
  if (meant.length !== 1 || foldersExpand(meant[0]!) || !below.every(isFileName)) return undefined
  const { text, expands } = meant[0]!
  if (!expands) return { path: inFolder(text.replace(/(?<=.)\/+$/, ''), below) }
  return isFileName(first) ? { path: inFolder(posix.dirname(text), names) } : undefined
}

/** Whether the sender may have this of several in mind, where it says `name`. */
function mayMean({ text, expands }: ShellWord, name: string): boolean {
  if (!expands) return posix.basename(text) === name
  // A variable can be several words, and a brace hold a slash.
  return /[$`{]/.test(text) || name.startsWith(/^[^*?[~]*/.exec(posix.basename(text))![0])
}

/** A pattern in the last part of a path names files of a folder that is known; all else may lead elsewhere. */
function foldersExpand({ text, expands }: ShellWord): boolean {
  return expands && (/[*?[~]/.test(posix.dirname(text)) || /[$`{~]/.test(text))
}

/** One that a folder can hold, and no way out of it. */
function isFileName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/')
}

/** Not made shorter: behind a link `..` leads elsewhere. */
function inFolder(folder: string, names: readonly string[]): string {
  if (names.length === 0) return folder
  if (folder === '.') return names.join('/')
  return `${folder}${folder.endsWith('/') ? '' : '/'}${names.join('/')}`
}
