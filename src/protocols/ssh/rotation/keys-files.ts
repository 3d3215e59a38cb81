/** The authorized_keys files of an account at a target: which they are, what is in them, and how one is put in the place of another. */

/** What is at a path. */
export type KeysFile =
  /** `seen` is given back when it is written, so that nobody's change is lost. */
  | { readonly kind: 'file'; readonly bytes: Buffer; readonly seen: string }
  | { readonly kind: 'none' }
  /** It is there and not to be changed, or not to be read. */
  | { readonly kind: 'unfit'; readonly words: string }

export type Written =
  | { readonly kind: 'written' }
  | { readonly kind: 'not-written'; readonly words: string }
  /** It may have been. */
  | { readonly kind: 'uncertain'; readonly words: string }

export interface KeysFiles {
  /** Where sshd looks, in its order. */
  readonly paths: readonly string[]
  /** The kinds of keys that it takes, as its configuration lists them, where that is known. */
  readonly accepted: string | undefined
  read(path: string): Promise<KeysFile>
  /** `seen` undefined: there is none. */
  write(path: string, seen: string | undefined, bytes: Buffer): Promise<Written>
}

/** More than this is no list of keys. */
export const MOST_FILE_BYTES = 256 * 1024
export const TOO_LARGE = `has more than ${MOST_FILE_BYTES} bytes`
export const IS_LINK = 'is a link: what it leads to belongs to something else; put a file in its place'

const MOST_PATHS = 50

/** What sshd reads in a home where it is not told otherwise. */
export const USUAL: readonly string[] = ['.ssh/authorized_keys', '.ssh/authorized_keys2']

/** From lines of sshd's configuration, of which several may hold for others: what is not there is not read. */
export function pathsIn(config: string, login: string, home: string): string[] {
  const listed = [...config.matchAll(/^[ \t]*authorizedkeysfile[ \t=]+(.*)$/gim)].flatMap(([, list = '']) =>
    [...list.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? ''),
  )
  const tokens: Record<string, string> = { '%': '%', h: home, u: login }
  const paths = [...listed, ...USUAL]
    .filter(path => path !== '' && path.toLowerCase() !== 'none')
    .map(path => path.replace(/%(.)/g, (all, token: string) => tokens[token] ?? all))
    .map(path => (path.startsWith('/') ? path : `${home}/${path}`))
  return [...new Set(paths)].slice(0, MOST_PATHS)
}

/** Where sshd itself said what holds for the account. */
export function acceptedIn(config: string): string | undefined {
  if (!/^effective$/m.test(config)) return undefined
  return /^pubkeyaccepted(?:algorithms|keytypes) (\S+)$/im.exec(config)?.[1]
}
