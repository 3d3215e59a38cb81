/** What others typed stands in messages as text, whatever it is. */

import fc from 'fast-check'
import { createTransport } from 'nodemailer'
import t from 'tap'
import type { Message } from '../../../src/notifications/channels/channel.ts'
import { mailOf } from '../../../src/notifications/channels/email.ts'
import { slackBody } from '../../../src/notifications/channels/slack.ts'
import { teamsBody } from '../../../src/notifications/channels/teams.ts'
import { bounded } from '../../../src/notifications/notification.ts'

const messageOf = (subject: string, lines: string[] = []): Message => ({
  ...bounded({ kind: 'request.asked', subject, lines, to: [] }),
  ...{ id: 'dlv_00000000000000000000000001', at: 0, to: undefined },
  link: { command: 'sallyport request show req_1', url: 'https://gate.example/v1/requests/req_1' },
})

const HOSTILE = [
  'x\r\nBcc: mallory@example.org',
  'x\nSubject: another',
  'x\r\n\r\n<html>',
  '\u202egnp.exe',
  '=?utf-8?q?=0d=0aBcc:_m@example.org?=',
  '<!channel> <@U123> <http://evil.example|click here>',
  '[click here](http://evil.example) <at>all</at> <script>alert(1)</script>',
  '\u001b]0;title\u0007',
  '\ud800',
  'x'.repeat(10_240),
  '\u2028line\u2029paragraph\u0085next',
]
const anything = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 400 }))

t.test('it is one bounded line without what steers a terminal or turns text round', async t => {
  fc.assert(
    fc.property(anything, fc.array(anything, { maxLength: 40 }), (subject, lines) => {
      const made = bounded({ kind: 'request.asked', subject, lines, to: [] })
      return (
        [...made.lines, made.subject].every(
          text => !/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069\u2028\u2029]/u.test(text),
        ) &&
        made.subject.length <= 160 &&
        made.lines.every(text => text.length <= 500) &&
        made.lines.length <= 30
      )
    }),
  )
  t.equal(bounded({ kind: 'request.asked', subject: 'x'.repeat(10_240), to: [] }).subject.length, 160)
})

t.test('a mail has the header that it should have, whatever its subject is', async t => {
  const compose = createTransport({ streamTransport: true, buffer: true })
  const header = async (message: Message) => {
    const { message: raw } = await compose.sendMail(mailOf(message, 'gate@example.org', ['alice@example.org']))
    const [head = ''] = String(raw).split('\r\n\r\n')
    return head
      .replaceAll(/\r\n[ \t]+/g, ' ')
      .split('\r\n')
      .map(line => line.split(':')[0])
  }
  const names = await header(messageOf('x'))
  t.same(names.toSorted(), [
    ...['Auto-Submitted', 'Content-Transfer-Encoding', 'Content-Type', 'Date', 'From', 'MIME-Version', 'Message-ID'],
    ...['Subject', 'To', 'X-Auto-Response-Suppress'],
  ])
  const must = fc.asyncProperty(anything, async subject => {
    const found = await header(messageOf(subject, [subject]))
    return (
      found.filter(name => name !== 'Content-Transfer-Encoding').join() ===
      names.filter(name => name !== 'Content-Transfer-Encoding').join()
    )
  })
  await fc.assert(must)
})

t.test('in a chat it mentions nobody, and links to nothing but our link', async t => {
  fc.assert(
    fc.property(anything, anything, (subject, line) => {
      const slack = JSON.stringify(slackBody(messageOf(subject, [line])))
      const marks = slack.match(/<[^>]*>?/g) ?? []
      const teams = teamsBody(messageOf(subject, [line]))
      const inlines = teams.attachments[0]!.content.body.map(({ type, inlines }) => [type, inlines[0]!.type])
      return (
        marks.join() === '<https://gate.example/v1/requests/req_1|sallyport request show req_1>' &&
        inlines.every(([block, run]) => block === 'RichTextBlock' && run === 'TextRun') &&
        teams.attachments[0]!.content.actions.every(({ url }) => url === 'https://gate.example/v1/requests/req_1')
      )
    }),
  )
  const body = slackBody(messageOf('<!channel>'))
  t.match(body, { text: '&lt;!channel&gt;', link_names: false, unfurl_links: false })
  t.ok(body.blocks.every(({ text }) => text.verbatim && text.text.length <= 3000))
})
