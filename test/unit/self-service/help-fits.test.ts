import t from 'tap'
import { createOutput } from '../../../src/self-service/output.ts'
import { COMMANDS } from '../../../src/self-service/registry.ts'
import { usageOf } from '../../../src/self-service/usage.ts'

t.test('help fits a terminal of 80 columns, and stands side by side where there is room', async t => {
  const help = async (width: number | undefined) => {
    let text = ''
    const write = async (some: string) => {
      text += some
    }
    const out = createOutput({ json: false, width, write, note: write })
    await COMMANDS[0]!.run({ person: { user: 'alice' }, out } as never)
    return text.trimEnd().split('\n')
  }
  // Without a terminal its width is not known.
  for (const narrow of [await help(80), await help(undefined)]) {
    t.same(
      narrow.filter(line => line.length > 80),
      [],
    )
    t.match(narrow.join('\n'), /^targets \[WORD\.\.\.\]\n {4}the accounts/m)
  }
  t.match((await help(400)).join('\n'), /^targets \[WORD\.\.\.\] +the accounts/m)
})

t.test('so does the usage of each command, and no option is lost by it', async t => {
  for (const command of COMMANDS) {
    const lines = usageOf(command).split('\n')
    t.same(
      lines.filter(line => line.length > 80),
      [],
      command.name,
    )
    const words = `usage: ${command.name} ${command.usage} [--json]`.split(' ').filter(word => word !== '')
    t.same(lines.join(' ').split(/ +/), words)
  }
})
