/** Reads and writes authorized_keys by a shell at the target. */

import { withoutSecrets } from '../../../shared/text/without-secrets.ts'
import type { OwnChannels } from '../target-side/own-channels.ts'
import { Conversation, type End, endInWords } from './conversation.ts'
import {
  acceptedIn,
  IS_LINK,
  type KeysFile,
  type KeysFiles,
  MOST_FILE_BYTES,
  pathsIn,
  TOO_LARGE,
  type Written,
} from './keys-files.ts'
import { KEYS_WORDS, type KeysWord, keysScript } from './keys-script.ts'

/** Each byte of a file in hex, and some words. */
const MOST_SAID = 16 * MOST_FILE_BYTES

const BEGIN_MS = 10_000

type Answer =
  | { readonly kind: 'over'; readonly end: End }
  | { readonly kind: 'said'; readonly word: KeysWord | undefined; readonly text: string }

export class KeysByShell implements KeysFiles {
  readonly #talk: Conversation
  readonly #script: ReturnType<typeof keysScript>
  #taken = 0
  paths: readonly string[] = []
  accepted: string | undefined

  private constructor(talk: Conversation, script: ReturnType<typeof keysScript>) {
    this.#talk = talk
    this.#script = script
  }

  /**
   * Of the account that is logged in, or of `other`. Resolves to words where the target runs no shell for it, or knows no such account. Throws
   * as Conversation.start.
   */
  static async open(
    host: OwnChannels,
    other: string | undefined,
    signal: AbortSignal,
  ): Promise<KeysByShell | { readonly words: string }> {
    const script = keysScript()
    const talk = await Conversation.start(host, script.command, signal, { mostBytes: MOST_SAID })
    const files = new KeysByShell(talk, script)
    // What runs in its place may wait for something else.
    const late = setTimeout(() => talk.close(), BEGIN_MS)
    const heard = await talk.until(script.told)
    clearTimeout(late)
    if ('over' in heard) return { words: files.#ended(heard.over) }
    const answer = await files.#ask(`${other ?? ''}\n`)
    if (answer.kind === 'over') return { words: files.#ended(answer.end) }
    const [login = '', home = '', ...config] = answer.text.split('\n')
    files.paths = pathsIn(config.join('\n'), login, home)
    files.accepted = acceptedIn(config.join('\n'))
    return files
  }

  async read(path: string): Promise<KeysFile> {
    const answer = await this.#ask(`read\n${path}\n`)
    if (answer.kind === 'over') return { kind: 'unfit', words: this.#ended(answer.end) }
    const { word, text } = answer
    if (word === 'none') return { kind: 'none' }
    if (word !== 'file') return { kind: 'unfit', words: `${path} ${whyUnfit(word, text)}` }
    const [seen = '', ...hex] = text.split('\n')
    const bytes = Buffer.from(hex.join('').replace(/\s/g, ''), 'hex')
    // The second word of what cksum says.
    if (String(bytes.length) !== seen.split(' ')[1]) return { kind: 'unfit', words: `${path} was not read to its end` }
    return { kind: 'file', bytes, seen }
  }

  async write(path: string, seen: string | undefined, bytes: Buffer): Promise<Written> {
    const request = Buffer.from(`write\n${path}\n${seen ?? 'none'}\n${bytes.length}\n`)
    const answer = await this.#ask(Buffer.concat([request, bytes]))
    if (answer.kind === 'over') return { kind: 'uncertain', words: this.#ended(answer.end) }
    const { word, text } = answer
    return word === 'written' ? { kind: 'written' } : { kind: 'not-written', words: `${path} ${whyUnfit(word, text)}` }
  }

  async #ask(request: string | Buffer): Promise<Answer> {
    this.#talk.say(Buffer.from(request))
    const asks = this.#script.as('asks')
    const heard = await this.#talk.until(text => {
      const at = text.indexOf(asks)
      return at < 0 ? undefined : { found: 'asks', end: at + asks.length }
    })
    const text = this.#talk.said.slice(this.#taken)
    this.#taken += text.length
    if ('over' in heard) return { kind: 'over', end: heard.over }
    const told = KEYS_WORDS.map(word => ({ word, at: text.indexOf(this.#script.as(word)) }))
    const first = told.filter(({ word, at }) => at >= 0 && word !== 'asks' && word !== 'ready').at(0)
    const from = first === undefined ? 0 : first.at + this.#script.as(first.word).length
    return { kind: 'said', word: first?.word, text: text.slice(from, text.lastIndexOf(asks)) }
  }

  #ended(end: End): string {
    const said = withoutSecrets(this.#script.withoutTold(this.#talk.said).slice(-8192), [])
    return said === '' ? endInWords(end) : `${said} (${endInWords(end)})`
  }
}

function whyUnfit(word: KeysWord | undefined, text: string): string {
  switch (word) {
    case 'link':
      return IS_LINK
    case 'no-file':
      return 'is no file'
    case 'large':
      return TOO_LARGE
    case 'none':
      return 'is not there any more'
    default:
      return `cannot be changed: ${withoutSecrets(text, [])}`
  }
}
