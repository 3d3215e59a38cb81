/** Whatever a stranger put into a recording, a name or a statement: no reader's terminal, and no reader, is led by what is not seen. */

import fc from 'fast-check'
import t from 'tap'
import { plain, terminalLines } from '../../../src/protocols/ssh/transport/texts.ts'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { exportCast, exportJsonLines, exportText } from '../../../src/recording/rendering/export.ts'
import { createNeutraliser } from '../../../src/recording/rendering/neutralise.ts'
import { createScreen } from '../../../src/recording/rendering/screen.ts'
import { formatPlan } from '../../../src/resources/format-plan.ts'
import { printable } from '../../../src/shared/text/printable.ts'
import { formatTable } from '../../../src/shared/text/table.ts'
import { terminalSafeJson } from '../../../src/shared/text/terminal-safe-json.ts'
import { createUnseenMarker } from '../../../src/shared/text/unseen.ts'
import { collect, testSubject } from '../../support/recording-parts.ts'

const UNSEEN = /[\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
/** Line ends and tabs are layout everywhere; what else steers a terminal's picture stays in a replay of it. */
const CONTROL = /[\p{Cc}]/u

const unseen: string[] = []
const controls: string[] = []
for (let code = 0; code <= 0x10ffff; code++) {
  const character = String.fromCodePoint(code)
  if (UNSEEN.test(character)) unseen.push(character)
  else if (CONTROL.test(character)) controls.push(character)
}

const subject = testSubject()

const joined = async (parts: AsyncIterable<string>) => (await collect(parts)).join('')

async function* eventsOf(text: string): AsyncGenerator<RecordedEvent> {
  const bytes = Buffer.from(text)
  yield { type: 'exec', channel: 0, command: text, at: 0 }
  yield { type: 'environment', channel: 0, name: text, value: text, at: 0 }
  yield { type: 'file', channel: 0, via: 'sftp', operation: 'rename', path: text, to: text, error: text, at: 1 }
  yield { type: 'statement', text, protocol: 'simple', parameters: [text], durationUs: 1, at: 2 }
  yield { type: 'refused', what: text, reason: text, at: 3 }
  yield { type: 'notice', text, at: 3 }
  for (const type of ['input', 'output', 'stderr'] as const) yield { type, channel: 0, bytes, at: 4 }
}

async function shownOnScreen(text: string): Promise<string> {
  const screen = createScreen({ startedAt: 0, width: 200 })
  let shown = ''
  for await (const event of eventsOf(text)) shown += screen.show(event)
  return shown + screen.restore()
}

/** Every way to a reader that is text, not the picture of a terminal. */
const TEXTS: Record<string, (text: string) => string | Promise<string>> = {
  'a line of a listing': text =>
    formatTable([{ title: 'X', value: () => text }], [{}], { width: undefined }).join('\n'),
  'a printed name': printable,
  'a prompt or banner': plain,
  'words in a terminal': text => terminalLines(text).slice(0, -2),
  'JSON that is looked at': text => terminalSafeJson(JSON.stringify(text)),
  'a difference of apply': text =>
    formatPlan({
      changes: [{ kind: 'role', name: 'x', action: 'update', differences: [{ path: 'a', before: text, after: text }] }],
      unchanged: 0,
      unmanaged: [],
      sameLogins: [],
    } as unknown as Parameters<typeof formatPlan>[0]).join('\n'),
  'a text export': text => joined(exportText(subject, eventsOf(text))),
  'a JSON export': text => joined(exportJsonLines(subject, eventsOf(text))),
}
/** Those that show the picture of a terminal: controls that belong to it stay, unseen characters do not. */
const PICTURES: Record<string, (text: string) => string | Promise<string>> = {
  'a replay': text => createNeutraliser().push(Buffer.from(text)),
  'a followed session': shownOnScreen,
  'an asciicast, as its players read it': async text =>
    (await joined(exportCast(subject, eventsOf(text))))
      .trim()
      .split('\n')
      .slice(1)
      .map(line => JSON.parse(line)[2])
      .join(''),
}

t.test('every unseen character is marked, wherever a reader meets it', async t => {
  for (const [way, show] of Object.entries({ ...TEXTS, ...PICTURES })) {
    const passed: string[] = []
    // A hundred at a time, each between letters: what stands alone is not in need of its neighbours.
    for (let i = 0; i < unseen.length; i += 100) {
      const some = unseen.slice(i, i + 100)
      const shown = await show(some.map(character => `a${character}b`).join(' '))
      if (UNSEEN.test(shown)) passed.push(...some.filter(character => shown.includes(character)))
    }
    t.same(
      passed.map(character => character.codePointAt(0)!.toString(16)),
      [],
      way,
    )
  }
})

t.test('no control character but line ends and tabs stands in a text', async t => {
  for (const [way, show] of Object.entries(TEXTS)) {
    const passed = []
    for (const character of controls) {
      if (character === '\n' || character === '\r' || character === '\t') continue
      if ((await show(`a${character}b`)).includes(character)) passed.push(character.charCodeAt(0).toString(16))
    }
    t.same(passed, [], way)
  }
})

t.test('a mark says what it stands for', async t => {
  const marked = createNeutraliser().push(Buffer.from('rm \u202etxt.exe\u202c'))
  t.equal(marked, 'rm ⟨U+202E⟩txt.exe⟨U+202C⟩')
  t.match(await joined(exportText(subject, eventsOf('\u{e0041}'))), '⟨U+E0041⟩')
  t.equal(printable('a\u202eb'), 'a\\u{202e}b')
  t.equal(createNeutraliser().push(Buffer.from('\x1b😀')), '😀', 'both halves of a character, also behind a sequence')
})

const READABLE = [
  '👩‍💻 👨‍👩‍👧‍👦 👩🏽‍🚀 ❤️ ❤️‍🔥 ☎︎ 🏳️‍🌈',
  'שלום עולם',
  'مرحبا بالعالم',
  'می‌خواهم',
  'क्‍ष',
  '葛󠄀城',
  'Zürich größe ş € “ ”',
]

t.test('emoji, and scripts that run from right to left or need joiners, stay as they are', async t => {
  for (const text of READABLE) {
    t.equal(createNeutraliser().push(Buffer.from(text)), text)
    t.equal(printable(text), text)
    t.ok((await joined(exportText(subject, eventsOf(text)))).includes(text))
  }
})

t.test('an emoji or a joined letter is no hiding place for more', async t => {
  for (const hidden of ['\u200d\u200d', '\ufe0f\ufe0f', '\ufe0f\ufe01', '\u200d\u200b', '\u{e0101}', '\u202e']) {
    for (const before of ['👩', 'م', '葛\u{e0100}']) {
      t.not(createUnseenMarker()(before + hidden), before + hidden, JSON.stringify(before + hidden))
    }
  }
})

t.test('it is marked the same however the stream is cut', async t => {
  const character = fc.oneof(
    fc.constantFrom(...READABLE.join(''), ...unseen.slice(0, 200)),
    fc.string({ unit: 'grapheme', maxLength: 1 }),
  )
  const texts = fc.array(character, { maxLength: 20 }).map(all => all.join(''))
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 5 }), (text, size) => {
        const whole = createNeutraliser()
        const cut = createNeutraliser()
        const bytes = Buffer.from(text)
        let pieces = ''
        for (let at = 0; at < bytes.length; at += size) pieces += cut.push(bytes.subarray(at, at + size))
        return pieces + cut.end() === whole.push(bytes) + whole.end()
      }),
    ),
  )
})
