/** A program in a terminal of its own, typed into line by line by a person who waits for what each should bring. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SshProcess } from './ssh-client.ts'
import type { SshGateway } from './ssh-gateway.ts'

/** It holds the terminal, and prints at the end all that was shown. */
const TERMINAL = `
import fcntl, os, pty, select, struct, sys, termios, json
steps = json.loads(sys.argv[1])
os.environ['TERM'] = sys.argv[2]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[3], sys.argv[3:])
shown = b''
seen = b''
def read():
    global shown, seen
    some = os.read(fd, 65536)
    shown += some
    seen += some
    return some
def wait_for(text):
    global seen
    while text.encode() not in seen:
        if not select.select([fd], [], [], 60)[0]: sys.exit('no ' + text + ' in ' + repr(seen))
        read()
    seen = seen[seen.index(text.encode()) + len(text):]
for step in steps:
    if 'size' in step: fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', *step['size'], 0, 0))
    typed = (step.get('type', '') * step.get('times', 1)).encode()
    while typed:
        ready = select.select([fd], [fd], [], 60)
        if ready[0]: read()
        if ready[1]: typed = typed[os.write(fd, typed[:4096]):]
    if 'expect' in step: wait_for(step['expect'])
try:
    while read(): pass
except OSError: pass
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

export interface Step {
  readonly type?: string
  /** How often; once unless told. */
  readonly times?: number
  readonly expect?: string
  readonly size?: readonly [rows: number, columns: number]
}

export interface InTerminalOptions {
  /** The login name; that of the gateway's one target unless told. */
  readonly login?: string
  readonly term?: string
}

export function inTerminal(
  { run, options, login, gateway, sshd }: Pick<SshGateway, 'run' | 'options' | 'login' | 'gateway' | 'sshd'>,
  steps: readonly Step[],
  { login: as = login, term = 'xterm-256color' }: InTerminalOptions = {},
  ...command: string[]
): SshProcess {
  const program = join(sshd.folder, 'terminal.py')
  writeFileSync(program, TERMINAL)
  const { host, port } = gateway.ssh!
  const ssh = ['ssh', ...options, '-t', '-p', String(port), '-l', as, host, ...command]
  return run('python3', program, JSON.stringify(steps), term, ...ssh)
}
