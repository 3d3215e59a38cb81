import t from 'tap'
import { createSelfService } from '../../../src/self-service/converse.ts'

t.test(
  'of one user so many commands run at once, some wait, and more are refused; another user is not held up',
  async t => {
    const answers: (() => void)[] = []
    const refused: string[] = []
    const parts = { metrics: { selfService: { inc: () => undefined } }, log: { error: () => undefined } }
    const converse = createSelfService(() => parts as never)
    const ask = (user: string) => {
      const said: string[] = []
      const ended = converse(
        { command: 'help', complain: async (text: string) => void said.push(text) } as never,
        {
          who: { principal: { user } },
          refused: (what: string) => refused.push(what),
          person: () => new Promise(resolve => answers.push(() => resolve(undefined))),
        } as never,
      )
      return { ended, said }
    }
    const many = Array.from({ length: 73 }, () => ask('alice'))
    t.equal(await many.at(-1)!.ended, 1)
    t.match(many.at(-1)!.said.join(''), /Too many of your commands/)
    t.same(refused, ['self-service'])
    t.equal(answers.length, 8)
    const bob = ask('bob')
    t.equal(answers.length, 9)
    while (answers.length > 0) {
      answers.shift()!()
      await new Promise(setImmediate)
    }
    t.same(
      await Promise.all([...many.slice(0, 72), bob].map(({ ended }) => ended)),
      Array(73).fill(4),
      'each had its turn',
    )
  },
)
