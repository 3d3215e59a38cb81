/** What the server does with the messages that come from the client, as far as that decides what they mean (protocol-flow; postgres.c). */

export type ServerMode =
  /** It runs what it is asked. */
  | { readonly is: 'running' }
  /** It takes COPY data. Syncs are ignored meanwhile: so many came. */
  | { readonly is: 'copying-in'; readonly syncs: number }
  /** The same, and the client has sent the end of its data: a Sync behind that counts. */
  | { readonly is: 'copied-in'; readonly syncs: number }
  | { readonly is: 'copying-out' }
  /** After an error in the extended protocol it reads and runs nothing, up to the next Sync (`ignore_till_sync`). */
  | { readonly is: 'skipping' }
  /**
   * One of the two. A COPY failed in which there were Syncs: those that the server read while it copied were ignored, one that it read
   * after the failure has ended its skipping. Which it was shows when it is ready, or at the next Sync.
   */
  | { readonly is: 'skipping-or-running' }

export type ModeEvent =
  /** The client has sent Sync. */
  | { readonly is: 'sync' }
  /** The client has sent CopyDone or CopyFail. */
  | { readonly is: 'copy-end' }
  /** CopyInResponse; `syncs` and `ended`: what the client had sent of the COPY by then. */
  | { readonly is: 'copy-in'; readonly syncs: number; readonly ended: boolean }
  /** CopyOutResponse or CopyBothResponse. */
  | { readonly is: 'copy-out' }
  /** The answer to a command has come, its error too: a COPY is over. */
  | { readonly is: 'answer' }
  /** It was an error in the extended protocol, and no Sync behind it has been sent yet; `doubt`: of what is ignored. */
  | { readonly is: 'skip'; readonly doubt: boolean }
  /** ReadyForQuery, which one of the Syncs in doubt must have brought. */
  | { readonly is: 'ready-by-doubtful-sync' }

export const RUNNING: ServerMode = { is: 'running' }

/** Throws for an answer that a server in this mode cannot give. */
export function nextMode(mode: ServerMode, event: ModeEvent, unexpected: () => Error): ServerMode {
  switch (event.is) {
    case 'sync':
      if (mode.is === 'copying-in') return { is: 'copying-in', syncs: mode.syncs + 1 }
      return isSkipping(mode) ? RUNNING : mode
    case 'copy-end':
      return mode.is === 'copying-in' ? { is: 'copied-in', syncs: mode.syncs } : mode
    case 'copy-in':
      if (isSkipping(mode)) throw unexpected()
      return { is: event.ended ? 'copied-in' : 'copying-in', syncs: event.syncs }
    case 'copy-out':
      if (isSkipping(mode)) throw unexpected()
      return { is: 'copying-out' }
    case 'answer':
      return isSkipping(mode) ? mode : RUNNING
    case 'skip':
      return { is: event.doubt ? 'skipping-or-running' : 'skipping' }
    case 'ready-by-doubtful-sync':
      return mode.is === 'skipping-or-running' ? RUNNING : mode
  }
}

export function isSkipping({ is }: ServerMode): boolean {
  return is === 'skipping' || is === 'skipping-or-running'
}

/** Which way a COPY goes on. */
export function copyDirection({ is }: ServerMode): 'in' | 'out' | undefined {
  if (is === 'copying-out') return 'out'
  return is === 'copying-in' || is === 'copied-in' ? 'in' : undefined
}

/** So many Syncs in the present COPY are ignored if the server read them while it copied. */
export function syncsInCopy(mode: ServerMode): number {
  return mode.is === 'copying-in' || mode.is === 'copied-in' ? mode.syncs : 0
}
