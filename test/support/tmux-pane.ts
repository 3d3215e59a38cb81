/** A program in a real terminal of 100 by 24: what stands on its screen, and its title, are asked of tmux. */

import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { LONGEST_WAIT_MS, removeFolder } from './child.ts'

const run = promisify(execFile)

export async function startPane(command: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tmux-'))
  const env = { PATH: process.env.PATH, HOME: folder, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color', SHELL: '/bin/sh' }
  const tmux = async (...argv: string[]) =>
    (await run('tmux', ['-S', join(folder, 'socket'), '-f', '/dev/null', ...argv], { env })).stdout
  await tmux('new-session', '-d', '-x', '100', '-y', '24', ...command)
  await tmux('set-option', '-g', 'remain-on-exit', 'on')
  const screen = () => tmux('capture-pane', '-p')
  const title = async () => (await tmux('display-message', '-p', '#{pane_title}')).trim()
  /** tmux has no event for what a pane shows. Rejects with what it shows after {@link LONGEST_WAIT_MS}. */
  async function until(look: () => Promise<string>, pattern: RegExp): Promise<string> {
    const last = Date.now() + LONGEST_WAIT_MS
    for (;;) {
      const seen = await look()
      if (pattern.test(seen)) return seen
      if (Date.now() > last) throw new Error(`the terminal does not show ${pattern}:\n${seen}`)
      await setTimeout(50)
    }
  }
  return {
    type: (...keys: string[]) => tmux('send-keys', ...keys),
    screen,
    title,
    shows: (pattern: RegExp) => until(screen, pattern),
    titled: (pattern: RegExp) => until(title, pattern),
    async close() {
      await tmux('kill-server').catch(() => undefined)
      await removeFolder(folder)
    },
  }
}
