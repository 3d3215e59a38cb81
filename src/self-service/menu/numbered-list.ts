/** The menu for a terminal that cannot place its cursor: a numbered list, and a line to answer with. */

import type { Conversation } from '../../session/conversation.ts'
import type { Login } from '../../session/run-login.ts'
import { EXIT, type ExitCode } from '../../shared/exit-codes.ts'
import { parseAccountAddress } from '../../shared/names.ts'
import { Secret } from '../../shared/secret.ts'
import { printable } from '../../shared/text/printable.ts'
import { cut } from '../../shared/text/width.ts'
import { askLine } from '../ask-line.ts'
import type { CommandParts } from '../command.ts'
import { type Entry, reachableFirst } from '../reachable-first.ts'
import { createKeyReader } from './keys.ts'
import { leaveByKey } from './leave-by-key.ts'
import { outcomeText } from './outcome-text.ts'
import { requestEntry } from './request-entry.ts'

const PROMPT = 'Number, text to search, *N for a favourite, q to leave: '
const MOST_READ = 200

/** Resolves to the exit status, when the person leaves or is gone. */
export async function runNumberedList(
  parts: CommandParts,
  conversation: Conversation,
  login: Login,
): Promise<ExitCode> {
  let search: string[] = []
  for (;;) {
    const person = await login.person()
    if (person === undefined) {
      await conversation.complain('Your access was withdrawn.\n')
      return EXIT.notPermitted
    }
    const found = (await reachableFirst(parts, person, { withOffered: true })).filter(entry => entry.matches(search))
    await conversation.write(listOf(found, conversation.terminal!.size))
    const line = await askLine(conversation, PROMPT, true)
    if (line === undefined || line === 'q') return EXIT.ok
    const [, star, number] = /^(\*?)\s*(\d{1,6})$/.exec(line) ?? []
    const entry = number === undefined ? undefined : found[Number(number) - 1]
    if (number === undefined) search = line.split(/\s+/).filter(word => word !== '')
    else if (entry === undefined) await conversation.write(`There is no number ${number} in this list.\n`)
    else if (star === '*') await parts.favourites.toggle(person.user, parseAccountAddress(entry.address)!)
    else if (entry.reachable.onRequest !== undefined && entry.reachable.protocol !== conversation.protocol) {
      const ask = (question: string) => askLine(conversation, question, true)
      await conversation.write(`${await requestEntry(parts.requestsOf(login), entry, ask)}\n`)
    } else await connect(conversation, login, entry)
  }
}

function listOf(found: readonly Entry[], { columns, rows }: { columns: number; rows: number }): string {
  if (found.length === 0) return 'There is no account like that which you may use now.\n'
  const room = Math.max(1, rows - 3)
  const width = String(Math.min(found.length, room)).length
  const lines = found.slice(0, room).map(({ address, favourite, reachable }, index) => {
    const state = reachable.onRequest === undefined ? '' : '[on request] '
    const about = state + printable((reachable.description ?? '').slice(0, MOST_READ))
    return cut(
      `${String(index + 1).padStart(width)}${favourite ? ' * ' : '   '}${printable(address)}  ${about}`,
      columns,
    ).trimEnd()
  })
  const more = found.length - lines.length
  if (more > 0) lines.push(`${' '.repeat(width)}   and ${more.toLocaleString('en')} more: type a part of the name`)
  return lines.map(line => `${line}\n`).join('')
}

async function connect(conversation: Conversation, login: Login, { address, reachable }: Entry): Promise<void> {
  const { account, target, protocol } = reachable
  if (protocol !== conversation.protocol) {
    const name = `${login.who.principal.user}+${account}+${target}`
    await conversation.write(`${address} is reached by a client of ${protocol}, as ${name}\n`)
    return
  }
  await conversation.write(`Connecting to ${address}...\n`)
  const leave = new AbortController()
  const outcome = await conversation.connect(
    { account, target },
    {
      async answer(wanted, again) {
        const typed = await askLine(conversation, `${again ? 'That was not right. ' : ''}${wanted}: `, false)
        return typed === undefined || typed === '' ? undefined : new Secret(typed)
      },
      ask: question => askLine(conversation, question, true),
      told(instruction) {
        void conversation.write(`${instruction}\n`)
        listenForLeaving(conversation, leave)
      },
      givesUp: leave.signal,
      begun: async () => undefined,
    },
  )
  await conversation.write(`\n${outcomeText(address, outcome)}\n`)
}

/** Until the session, or a question, takes what is typed. */
function listenForLeaving(conversation: Conversation, leave: AbortController): void {
  const keys = createKeyReader()
  conversation.listen({
    typed(bytes) {
      leaveByKey(keys.push(bytes), leave)
      // An ESC that comes alone is the key.
      if (keys.waiting) leaveByKey(keys.flush(), leave)
    },
  })
}
