import fc from 'fast-check'
import t from 'tap'
import { type Answer, answersFor, type Prompt } from '../../../../src/protocols/ssh/target-side/answer-prompts.ts'

const both = new Set<Answer>(['password', 'code'])
const hidden = (text: string): Prompt => ({ text, echo: false })
const shown = (text: string): Prompt => ({ text, echo: true })
const withCodes = { withCodes: true }

t.test('the questions of hosts are answered in the order in which they come', async t => {
  const left = new Set(both)
  const ask = (...prompts: Prompt[]) => {
    const answers = answersFor(prompts, left, withCodes)
    for (const answer of answers ?? []) left.delete(answer)
    return answers
  }
  // pam_unix, then pam_oath, as Debian's sshd asks them.
  t.same(ask(hidden('Password: ')), ['password'])
  t.same(ask(hidden('Password: ')), undefined, 'the password is not for two questions, nor is the code for this one')
  t.same(ask(hidden("One-time password (OATH) for `root': ")), ['code'])
  t.same(ask(hidden("One-time password (OATH) for `root': ")), undefined)
})

t.test('a code may be asked for first, be shown, come in the same message, or under no name that is known', async t => {
  t.same(answersFor([hidden('Verification code: ')], both, withCodes), ['code'])
  t.same(answersFor([shown('Verification code: ')], both, withCodes), ['code'])
  t.same(answersFor([hidden('Password: '), hidden('Verification code: ')], both, withCodes), ['password', 'code'])
  t.same(answersFor([hidden('Verification code: '), hidden('Password: ')], both, withCodes), ['code', 'password'])
  t.same(answersFor([hidden('Password: '), shown('Response: ')], both, withCodes), ['password', 'code'])
  t.same(answersFor([hidden('Antwort: ')], new Set<Answer>(['code']), withCodes), ['code'])
  t.same(answersFor([shown('login: ')], both, withCodes), undefined, 'what is shown is for no password')
  t.same(answersFor([hidden('PASSCODE: ')], new Set<Answer>(['password']), { withCodes: false }), ['password'])
  t.same(answersFor([], both, withCodes), [])
})

t.test('whatever a target asks, it gets the password once at most, where nothing is shown, and one code', async t => {
  const anyPrompt = fc.record({
    text: fc.oneof(fc.string(), fc.constantFrom('Password: ', 'One-time code: ', 'Token', 'passphrase of the code')),
    echo: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.array(fc.array(anyPrompt, { maxLength: 3 }), { maxLength: 8 }),
      fc.boolean(),
      (rounds, withCodes) => {
        const left = new Set<Answer>(withCodes ? both : ['password'])
        const given: Answer[] = []
        for (const prompts of rounds) {
          const answers = answersFor(prompts, left, { withCodes }) ?? []
          for (const [index, answer] of answers.entries()) {
            if (answer === 'password' && prompts[index]!.echo) return false
            given.push(answer)
            left.delete(answer)
          }
        }
        return new Set(given).size === given.length && (withCodes || !given.includes('code'))
      },
    ),
  )
  t.pass()
})
