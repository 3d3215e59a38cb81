/** Which program a word of a command starts, as far as the system has it: somebody's own file may have any name, and be a shell. */

import type { ShellWord } from './shell-words.ts'

const SYSTEM_FOLDER = /^\/(?:usr\/|usr\/local\/|opt\/homebrew\/|run\/current-system\/sw\/)?s?bin\/$/

/** Its name, where it is given by name alone or in a folder of the system; undefined for any other file. */
export function systemProgramOf(word: ShellWord | undefined): string | undefined {
  if (word === undefined || word.expands) return undefined
  const name = word.text.slice(word.text.lastIndexOf('/') + 1)
  const folder = word.text.slice(0, -name.length)
  return name !== '' && (folder === '' || SYSTEM_FOLDER.test(folder)) ? name : undefined
}
