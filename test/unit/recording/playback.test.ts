import t from 'tap'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { type PlaybackOptions, play, type Timing } from '../../../src/recording/rendering/playback.ts'

const OPTIONS: PlaybackOptions = { startedAt: 0, width: 80, utc: true }

function output(at: number, text: string, channel = 0): RecordedEvent {
  return { type: 'output', channel, bytes: Buffer.from(text), at }
}
const PTY: RecordedEvent = { type: 'pty', channel: 0, term: 'xterm', columns: 80, rows: 24, at: 0 }

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

/** A stage: time that jumps over every sleep, what was written with the time of it, and keys pressed when a text appears. */
function createStage(presses: [whenSeen: string, key: string][] = []) {
  let now = 0
  const written: { at: number; text: string }[] = []
  const waiting = [...presses]
  let typed = Promise.withResolvers<string>()
  const timing: Timing = {
    now: () => now,
    async sleep(milliseconds, signal) {
      // Keys that were pressed come first, as the person is quicker than the pause is long.
      for (let i = 0; i < 10; i++) await Promise.resolve()
      signal.throwIfAborted()
      now += milliseconds
    },
  }
  async function* keys() {
    for (;;) {
      yield await typed.promise
      typed = Promise.withResolvers<string>()
    }
  }
  const terminal = {
    async write(text: string) {
      written.push({ at: now, text })
      if (waiting.length > 0 && text.includes(waiting[0]![0])) typed.resolve(waiting.shift()![1])
    },
    keys: keys(),
  }
  const timeOf = (text: string) => written.findLast(entry => entry.text.includes(text))?.at
  const press = (key: string) => typed.resolve(key)
  return { terminal, timing, written, timeOf, press, all: () => written.map(({ text }) => text).join('') }
}

t.test('a recording plays in its own time, or faster', async t => {
  const events = [PTY, output(0, 'a'), output(1000, 'b'), output(5000, 'c')]
  for (const speed of [1, 4]) {
    const stage = createStage()
    t.equal(await play(() => each(events), stage.terminal, { ...OPTIONS, speed }, stage.timing), 'end')
    t.same([stage.timeOf('a'), stage.timeOf('b'), stage.timeOf('c')], [0, 1000 / speed, 5000 / speed])
  }
})

t.test('what the gateway said while a program had the screen is shown once it has left', async t => {
  const notice: RecordedEvent = { type: 'notice', text: 'ends in 5 minutes', at: 10 }
  const stage = createStage()
  await play(
    () =>
      each([
        PTY,
        output(0, '\x1b[?1049hpicture'),
        notice,
        output(20, ' goes on'),
        output(30, '\x1b[?1049lshell'),
        output(40, '!'),
      ]),
    stage.terminal,
    OPTIONS,
    stage.timing,
  )
  t.match(stage.all(), /picture goes on\x1b\[\?1049lshell\r\n.*ends in 5 minutes\r\n.*!/s)
  const never = createStage()
  await play(() => each([PTY, output(0, '\x1b[?1049hpicture'), notice]), never.terminal, OPTIONS, never.timing)
  t.match(never.all(), /\x1b\[\?1049l.*ends in 5 minutes/s, 'also where it never leaves')
})

t.test('idle time is cut', async t => {
  const stage = createStage()
  const events = [PTY, output(0, 'a'), output(3_600_000, 'b'), output(3_600_500, 'c')]
  await play(() => each(events), stage.terminal, { ...OPTIONS, idleLimitMs: 2000 }, stage.timing)
  t.same([stage.timeOf('b'), stage.timeOf('c')], [2000, 2500])
})

t.test('playing from a time shows at once what was before', async t => {
  const stage = createStage()
  await play(
    () => each([PTY, output(1000, 'a'), output(5000, 'b'), output(9000, 'c')]),
    stage.terminal,
    { ...OPTIONS, from: 6000 },
    stage.timing,
  )
  t.same([stage.timeOf('a'), stage.timeOf('b')], [0, 0])
  t.equal(stage.timeOf('c'), 4000)
})

t.test('keys change the speed, skip a pause, go on, go back and quit', async t => {
  const events = [
    PTY,
    output(0, 'a'),
    output(8000, 'b'),
    output(108_000, 'c'),
    output(109_000, 'd'),
    output(119_000, 'e'),
    output(200_000, 'f'),
  ]
  const faster = createStage([['a', '>>']])
  await play(() => each(events.slice(0, 3)), faster.terminal, OPTIONS, faster.timing)
  t.equal(faster.timeOf('b'), 2000, 'four times as fast')

  const skip = createStage([['b', '.']])
  await play(() => each(events.slice(0, 5)), skip.terminal, OPTIONS, skip.timing)
  t.same([skip.timeOf('c'), skip.timeOf('d')], [8000, 9000])

  const on = createStage([['d', '\x1b[C']])
  await play(() => each(events.slice(3)), on.terminal, { ...OPTIONS, from: 108_500 }, on.timing)
  t.equal(on.timeOf('e'), on.timeOf('d'), 'ten seconds on')

  let opened = 0
  const back = createStage([['c', '\x1b[D']])
  const open = () => {
    opened += 1
    return each(events.slice(0, 5))
  }
  await play(open, back.terminal, { ...OPTIONS, idleLimitMs: 5000 }, back.timing)
  t.equal(opened, 2, 'read again from the beginning')
  t.equal(back.written.filter(({ text }) => text === 'a').length, 2)

  const quit = createStage([['b', 'q']])
  t.equal(await play(() => each(events), quit.terminal, OPTIONS, quit.timing), 'quit')
  t.notOk(quit.all().includes('c'))
})

t.test('a pause stops the time until it ends', async t => {
  const stage = createStage([['a', ' ']])
  const begun = stage.timing.now()
  let sleeps = 0
  const timing: Timing = {
    now: stage.timing.now,
    async sleep(milliseconds, signal) {
      if (++sleeps === 5) stage.press(' ')
      await stage.timing.sleep(milliseconds, signal)
    },
  }
  await play(() => each([PTY, output(0, 'a'), output(1000, 'b')]), stage.terminal, OPTIONS, timing)
  t.ok(stage.timeOf('b')! - begun > 60_000, `the second output came after the pause, at ${stage.timeOf('b')}`)
})

t.test('the terminal is clean afterwards, also after an error, and hostile sequences never reach it', async t => {
  async function* broken() {
    yield PTY
    yield output(0, '\x1b[?1049h\x1b]52;c;ZXZpbA==\x07\x1b[6n\x1b[?1000hhi')
    throw new Error('the recording is damaged')
  }
  const stage = createStage()
  await t.rejects(
    play(() => broken(), stage.terminal, OPTIONS, stage.timing),
    /damaged/,
  )
  t.ok(stage.all().startsWith('\x1b[?1049hhi'), JSON.stringify(stage.all()))
  t.ok(stage.all().includes('\x1b[?1049l'))
  t.ok(stage.all().endsWith('\x1b[?25h\r\n'))
})

t.test('of several channels the chosen one plays, otherwise the first terminal', async t => {
  const events = [PTY, output(0, 'one'), output(0, 'two', 1), { type: 'exit', channel: 1, status: 7, at: 0 } as const]
  const first = createStage()
  await play(() => each(events), first.terminal, OPTIONS, first.timing)
  t.match(first.all(), /^one/)
  t.notMatch(first.all(), /two|exit/)
  t.match(first.all(), '\r\nNot shown here: channel 1 (--channel shows one', 'who watches is told of the rest')
  const second = createStage()
  await play(() => each(events), second.terminal, { ...OPTIONS, channel: 1 }, second.timing)
  t.match(second.all(), /^two\r\n00:00:00.000 {2}exit 7\r\n/)
  t.notMatch(second.all(), 'Not shown')
})

t.test('statements play as a transcript', async t => {
  const stage = createStage()
  const statement = {
    type: 'statement',
    text: 'select 1',
    protocol: 'simple',
    rows: 1,
    durationUs: 900,
    at: 2000,
  } as const
  await play(() => each([statement]), stage.terminal, OPTIONS, stage.timing)
  t.match(stage.all(), /^00:00:02.000 {2}select 1 {2}→ 1 row, 900 µs\r\n/)
  t.equal(stage.timeOf('select'), 2000)
})
