import { type CheckOutDocument, notYetShown } from '../../check-out/check-out.ts'
import type { OwnCheckOuts, TakeAnswer } from '../../check-out/own-check-outs.ts'
import { durationText } from '../../shared/durations.ts'
import { EXIT, type ExitCode } from '../../shared/exit-codes.ts'
import { type AccountAddress, formatAccountAddress, parseAccountAddress } from '../../shared/names.ts'
import { isoMinute } from '../../shared/text/iso-time.ts'
import { printable } from '../../shared/text/printable.ts'
import { askCode } from '../ask-code.ts'
import { type Call, type Command, CommandError } from '../command.ts'
import { showCredential } from '../show-credential.ts'
import { toPerson } from '../to-person.ts'
import { waitForTurn } from '../wait-for-turn.ts'
import { listCheckOuts } from './checkouts.ts'

export const checkout: Command = {
  name: 'checkout',
  summary: 'have an account for a time; --wait until it is free; --reveal: see it',
  usage:
    '<account@target> [--for 2h] [--reason TEXT] [--ticket ID] [--shared] [--wait] [--reveal | --to-age KEY] | list',
  words: { least: 1, most: 1 },
  options: {
    for: { type: 'string' },
    reason: { type: 'string' },
    ticket: { type: 'string' },
    shared: { type: 'boolean' },
    wait: { type: 'boolean' },
    reveal: { type: 'boolean' },
    'to-age': { type: 'string' },
  },
  async run(call) {
    const { options, words, conversation, out } = call
    if (words[0] === 'list') return listCheckOuts(call)
    const address = addressOf(words[0]!)
    const toAge = options['to-age'] as string | undefined
    const reveals = options.reveal === true || toAge !== undefined
    if (reveals && toAge === undefined && (conversation.terminal === undefined || out.json))
      throw new CommandError(
        EXIT.usage,
        '--reveal shows the credential to a terminal alone, and not as JSON.',
        'Give ssh the option -t, or have it encrypted for yourself: --to-age age1...',
      )
    const own = call.parts.checkOutsOf(call.login)
    const checkOut =
      (reveals && notYetShown((await own.list()).checkOuts, address)) || (await take(call, own, address, reveals))
    if (!reveals) {
      const sentence = await sentenceOf(call, checkOut)
      await out.show(checkOut, () => [sentence])
      return EXIT.ok
    }
    if (!out.json) await out.note(await sentenceOf(call, checkOut))
    return reveal(call, own, checkOut, toAge)
  },
}

export function addressOf(text: string): AccountAddress {
  const address = parseAccountAddress(text)
  if (address === undefined) throw new CommandError(EXIT.usage, 'An account is named as in root@web-01.')
  return address
}

export function forMsOf(text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined
  const parsed = durationText.safeParse(text)
  if (parsed.success) return parsed.data
  throw new CommandError(EXIT.usage, '--for is a number and s, m, h or d, for example 2h.')
}

/** With what they do next. */
async function sentenceOf({ parts, person }: Call, checkOut: CheckOutDocument): Promise<string> {
  const { user, account, target, mode, until } = checkOut
  const look = await parts.access.look(person, { account, target })
  const name = `${user}+${account}+${target}`
  const next =
    look.granted && look.target.protocol !== 'ssh'
      ? `by a client of ${look.target.protocol}, as ${name}`
      : `ssh ${name}@gateway`
  return `${formatAccountAddress(checkOut)} is yours${mode === 'shared' ? ', shared,' : ''} until ${isoMinute(Date.parse(until))}: ${next}`
}

async function take(
  call: Call,
  own: OwnCheckOuts,
  address: AccountAddress,
  reveals: boolean,
): Promise<CheckOutDocument> {
  const { options } = call
  const wish = {
    forMs: forMsOf(options.for),
    ...{ reason: options.reason as string | undefined, ticket: options.ticket as string | undefined },
    ...{ shared: options.shared === true, wait: options.wait === true },
    toAge: options['to-age'] as string | undefined,
    way: reveals ? ('reveal' as const) : ('inject' as const),
  }
  const once = () => own.take(address, wish).catch(toPerson)
  let answer: TakeAnswer = await once()
  if (answer.is === 'needs-code') {
    if (!(await own.proveCode(await askCode(call, 'nothing was shown')))) throw wrongCode()
    answer = await once()
  }
  if (answer.is === 'not-now' && wish.wait) answer = await waitForTurn(call, own, address, answer, once)
  if (answer.is === 'taken') return answer.checkOut
  if (answer.is === 'needs-code') throw wrongCode()
  throw new CommandError(EXIT.no, answer.words, 'With --wait you join the queue and have it when it is free.')
}

async function reveal(
  call: Call,
  own: OwnCheckOuts,
  { id }: CheckOutDocument,
  toAge: string | undefined,
): Promise<ExitCode> {
  const code = await askCode(call, 'nothing was shown')
  const { kind, version, login, shown } = await own.reveal({ checkOut: id, toAge }, code).catch(toPerson)
  const { out, conversation } = call
  if (shown.as === 'text') {
    await showCredential(conversation, `${kind} of ${printable(login)}`, shown.text)
    return EXIT.ok
  }
  await out.show({ checkOut: id, kind, version, login, age: shown.text }, () => shown.text.trimEnd().split('\n'))
  return EXIT.ok
}

function wrongCode(): CommandError {
  return new CommandError(EXIT.notPermitted, 'The one-time code is not right, or has counted already.')
}
