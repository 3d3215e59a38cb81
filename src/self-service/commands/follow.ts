import { decodeEventLines, endText } from '../../recording/rendering/event-lines.ts'
import { afterLeaving, createFollowKeys, GOES_ON, MODERATES, SURE } from '../../recording/rendering/follow-keys.ts'
import { play } from '../../recording/rendering/playback.ts'
import { onceAborted } from '../../session/session-end.ts'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import { EXIT, type ExitCode } from '../../shared/exit-codes.ts'
import { SESSION_ID_PATTERN } from '../../shared/ids.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { isoMinute } from '../../shared/text/iso-time.ts'
import { printable } from '../../shared/text/printable.ts'
import { type Call, type Command, CommandError } from '../command.ts'
import type { Watched } from '../own-watching.ts'
import { toPerson } from '../to-person.ts'

const USUAL_WIDTH = 120

export const follow: Command = {
  name: 'follow',
  summary: 'watch a live session, as its moderator too; without one, the list of them',
  usage: '[SESSION] [--channel N]',
  words: { least: 0, most: 1 },
  options: { channel: { type: 'string' } },
  run: call => (call.words[0] === undefined ? list(call) : watch(call, call.words[0])),
}

async function list({ parts, login, out }: Call): Promise<ExitCode> {
  const sessions = await parts.watchingOf(login).list().catch(toPerson)
  await out.show({ sessions }, () =>
    out.table(
      [
        { title: 'SESSION', value: one => one.id },
        { title: 'USER', value: one => one.user, shrinkTo: 8 },
        { title: 'ACCOUNT', value: formatAccountAddress, shrinkTo: 12 },
        { title: 'PROTOCOL', value: one => one.protocol, optional: 2 },
        { title: 'SINCE', value: one => isoMinute(Date.parse(one.since)), optional: 1 },
        { title: 'STATE', value: one => (one.state === 'waiting' ? 'waits for a moderator' : one.state) },
        { title: 'AS', value: one => one.as },
      ],
      sessions,
      'There is no live session that you may follow.',
    ),
  )
  return EXIT.ok
}

async function watch(call: Call, id: string): Promise<ExitCode> {
  const { parts, login, options, out, conversation } = call
  if (out.json) throw new CommandError(EXIT.usage, '--json goes with the list alone: follow --json')
  if (!SESSION_ID_PATTERN.test(id)) throw new CommandError(EXIT.usage, 'A session is named by its id, ses_...')
  const channel = channelOf(options.channel as string | undefined)
  const watched = await parts.watchingOf(login).watch(id).catch(toPerson)
  const left = new AbortController()
  onceAborted(conversation.gone, () => left.abort())
  onceAborted(left.signal, () => watched.leave())
  if (conversation.terminal !== undefined) await listen(call, watched, left)
  try {
    await show(call, watched, channel)
    return EXIT.ok
  } catch (error) {
    if (!left.signal.aborted) return toPerson(whyOf(error))
    await out.note(afterLeaving(watched.as === 'moderator'))
    return EXIT.ok
  } finally {
    conversation.listen(undefined)
    left.abort()
  }
}

async function listen({ conversation, out }: Call, watched: Watched, left: AbortController): Promise<void> {
  const moderates = watched.as === 'moderator'
  const keys = createFollowKeys(moderates)
  conversation.listen({
    typed(bytes) {
      const wish = keys(bytes.toString('latin1'))
      if (wish === 'leave') left.abort()
      else if (wish === 'ask-end') void out.note(SURE)
      else if (wish === 'keep') void out.note(GOES_ON)
      else if (wish === 'end') watched.end().catch(error => out.note(printable(messageOf(error))))
    },
  })
  await out.note(moderates ? MODERATES : 'q stops watching; the session goes on.')
}

async function show({ conversation, login, out }: Call, { bytes }: Watched, channel: number | undefined) {
  // Whoever watches is not idle.
  async function* watching() {
    for await (const chunk of bytes) {
      login.activity()
      yield chunk
    }
  }
  const stream = await decodeEventLines(watching())
  const { terminal } = conversation
  const screen = {
    ...{ startedAt: stream.subject.startedAt, width: terminal?.size.columns ?? USUAL_WIDTH },
    ...{ color: terminal !== undefined, speed: Infinity },
    ...(channel === undefined ? {} : { channel }),
  }
  await play(() => stream, { write: text => conversation.write(text) }, screen)
  if (stream.end !== undefined) await out.note(endText(stream.end))
}

/** What ended the lines before their end says more than that they ended. */
function whyOf(error: unknown): unknown {
  return error instanceof GatewayError && error.cause instanceof GatewayError ? error.cause : error
}

function channelOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new CommandError(EXIT.usage, `--channel: "${printable(text.slice(0, 64))}" is not a number.`)
}
