/** A terminal on the target: sizes, keys, signals, and a recording that keeps what was shown but no password that was typed. */

import t from 'tap'
import { isStream, type RecordedEvent } from '../../../src/recording/format/events.ts'
import { inTerminal } from '../../support/in-terminal.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

function textOf(events: RecordedEvent[], type: 'output' | 'input'): string {
  const streams = events.filter(isStream).filter(event => event.type === type)
  return Buffer.concat(streams.map(event => event.bytes)).toString()
}

const PLAIN_SHELL = 'exec env -i PS1="ready> " TERM=dumb PATH=$PATH sh -i'

t.test('a shell with a terminal: size, a new size, Ctrl-C, exit code', async t => {
  const gateway = await startSshGateway(t)
  const result = await inTerminal(
    gateway,
    [
      { size: [24, 80], expect: 'ready> ' },
      { type: 'stty size\n', expect: '24 80' },
      { size: [50, 132], expect: 'ready> ' },
      { type: 'stty size; stty -a | grep -o " iutf8"\n', expect: '50 132' },
      // It says so itself once the terminal is its own: Ctrl-C before that would be the shell's.
      { type: "sh -c 'printf run%s ning; exec sleep 60'\n", expect: 'running' },
      { type: '\x03', expect: 'ready> ' },
      { type: 'exit 9\n' },
    ],
    {},
    PLAIN_SHELL,
  ).ended
  t.equal(result.status, 9, result.stderr)
  const { events } = await gateway.recorded()
  t.match(
    events.find(event => event.type === 'pty'),
    { term: 'xterm-256color' },
  )
  t.match(events.filter(event => event.type === 'resize').at(-1), { rows: 50, columns: 132 })
  const shown = textOf(events, 'output')
  t.match(shown, /24 80\r\n[\s\S]*50 132\r\n/)
  t.same(
    events.filter(event => event.type === 'input'),
    [],
    'what is typed is not recorded unless the role says so',
  )
})

t.test('with recorded input, what is typed is kept, but not at a prompt that does not echo', async t => {
  const gateway = await startSshGateway(t, { role: { recordInput: true } })
  const result = await inTerminal(
    gateway,
    [
      { expect: 'ready> ' },
      { type: 'echo visible\n', expect: 'ready> ' },
      { type: 'stty -echo; printf "Password:"; read x; stty echo\n', expect: '\r\nPassword:' },
      { type: 'open sesame\n', expect: 'ready> ' },
      { type: 'exit\n' },
    ],
    {},
    PLAIN_SHELL,
  ).ended
  t.equal(result.status, 0, result.stderr)
  const { events } = await gateway.recorded()
  const typed = textOf(events, 'input')
  t.match(typed, /echo visible/)
  t.match(typed, /\[not echoed\]/)
  t.notMatch(typed, /sesame/)
})
