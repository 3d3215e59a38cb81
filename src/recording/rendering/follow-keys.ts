/** The keys of whoever watches a live session, and what is said of them. A key comes alone: of what comes in one piece with more, as pasted text does, only Ctrl-C counts. */

export type FollowWish = 'leave' | 'ask-end' | 'keep' | 'end'

export const SURE = 'End this session? y ends it, any other key does not.'
export const GOES_ON = 'It goes on.'
export const MODERATES = 'You are its moderator: e, then y, ends the session; it is paused when you leave (q).'

/** To whoever has left it. */
export function afterLeaving(moderated: boolean): string {
  return moderated ? 'The session is paused, where nobody else watches it.' : 'The session goes on.'
}

/** Each piece that is typed in, what is wanted out. `mayEnd`: `e`, and `y` after it, end the session. */
export function createFollowKeys(mayEnd: boolean): (typed: string) => FollowWish | undefined {
  let asked = false
  return typed => {
    const sure = asked
    asked = false
    if (typed.includes('\x03')) return 'leave'
    if (sure) return typed === 'y' || typed === 'Y' ? 'end' : 'keep'
    if (typed === 'q') return 'leave'
    if (typed !== 'e' || !mayEnd) return undefined
    asked = true
    return 'ask-end'
  }
}
