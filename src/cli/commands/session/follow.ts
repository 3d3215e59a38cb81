/** `sallyport session follow`: a session in the terminal, as it is; for whoever may be its moderator, as that. */

import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Command } from 'commander'
import type { ModeratedSessionDocument } from '../../../api/routes/moderated-sessions.ts'
import type { Whoami } from '../../../api/routes/own.ts'
import { decodeEventLines } from '../../../recording/rendering/event-lines.ts'
import { afterLeaving, createFollowKeys, GOES_ON, MODERATES, SURE } from '../../../recording/rendering/follow-keys.ts'
import { play } from '../../../recording/rendering/playback.ts'
import type { Client } from '../../client.ts'
import type { Context } from '../../context.ts'
import { moderatedPathOf } from './moderate.ts'
import { pathOf } from './path.ts'
import { channelOf, sayEnd, screenOf } from './screen.ts'

/** So often a moderator's client says that it is there. */
const BEAT_MS = 2000

/** How the session is watched. */
interface Watching {
  readonly bytes: IncomingMessage
  /** Of a moderator. */
  end?(): Promise<unknown>
  close(): void
}

export function addFollow(session: Command, context: Context): void {
  session
    .command('follow')
    .description('watch a live session, from its beginning on')
    .argument('<session>')
    .option('--channel <number>', 'only this channel')
    .addHelpText(
      'after',
      `
q stops watching; the session goes on.
Where a role demands a moderator and you may be one, you are it: a session that
waits for you begins, it is paused when you stop watching, and e, then y, ends
it.`,
    )
    .action(async (id: string, { channel }: { channel?: string }) => {
      const client = await context.client()
      const watching = (await isModerator(client, id))
        ? await moderate(client, context, id)
        : { bytes: await client.stream(`${pathOf(id)}/follow`), close: () => undefined }
      await follow(context, watching, channelOf(channel))
    })
}

/** Whoever has no personal token is none. */
async function isModerator(client: Client, id: string): Promise<boolean> {
  moderatedPathOf(id)
  // Others are not asked for what they may not: it would stand in the audit log as a refusal.
  const { by, scopes } = await client.get<Whoami>('/v1/whoami')
  if (by !== 'personal-token' || !scopes.includes('own')) return false
  const path = '/v1/own/moderated-sessions'
  const { sessions } = await client.get<{ sessions: ModeratedSessionDocument[] }>(path, { session: id })
  return sessions.some(session => session.id === id)
}

async function moderate(client: Client, { terminal }: Context, id: string): Promise<Watching> {
  const path = moderatedPathOf(id)
  const watch = randomBytes(16).toString('hex')
  terminal.note(terminal.style('dim', MODERATES))
  // One that is not heard is followed by the next; when the gateway hears none, it ends the stream.
  const beat = () => void client.send('POST', `${path}/watching`, { watch }).catch(() => undefined)
  const beating = setInterval(beat, BEAT_MS)
  try {
    return {
      bytes: await client.stream(`${path}/follow`, { watch }),
      end: () => client.send('POST', `${path}/end`),
      close: () => clearInterval(beating),
    }
  } catch (error) {
    clearInterval(beating)
    throw error
  }
}

async function follow(
  { terminal }: Context,
  { bytes, end, close }: Watching,
  options: { channel?: number },
): Promise<void> {
  const stream = await decodeEventLines(bytes)
  const keys = terminal.keys()
  let left = false
  // A quiet session sends nothing for a long time: leaving must not wait for its next event.
  void (async () => {
    const wishOf = createFollowKeys(end !== undefined)
    for await (const typed of keys?.typed ?? []) {
      const wish = wishOf(typed)
      if (wish === 'ask-end') terminal.note(SURE)
      else if (wish === 'keep') terminal.note(GOES_ON)
      else if (wish === 'end') await end!().catch(error => terminal.note(String(error.message)))
      if (wish !== 'leave') continue
      left = true
      bytes.destroy()
    }
  })()
  try {
    await play(() => stream, { write: terminal.write }, screenOf(terminal, stream, { speed: Infinity, ...options }))
    sayEnd(terminal, stream.end)
  } catch (error) {
    if (!left) throw error
    terminal.note(terminal.style('dim', afterLeaving(end !== undefined)))
  } finally {
    close()
    keys?.close()
  }
}
