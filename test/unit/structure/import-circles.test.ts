/** The linter finds every circle of imports: `biome check` fails on one in src. */

import t from 'tap'
import { refused } from '../../support/planted-files.ts'

t.test('a circle is refused, of types alone too', async t => {
  const circles = {
    'src/policy/a.ts': "import { b } from './b.ts'\nexport const a = () => b()\n",
    'src/policy/b.ts': "export { c as b } from './c.ts'\n",
    'src/policy/c.ts': "import { a } from './a.ts'\nexport const c = () => a()\n",
    'src/vault/a.ts': "import type { B } from './b.ts'\nexport type A = { b: B }\n",
    'src/vault/b.ts': "import type { A } from './a.ts'\nexport type B = { a: A }\n",
    'src/audit/a.ts': "export const b = () => import('./b.ts')\n",
    'src/audit/b.ts': "import { b } from './a.ts'\nexport const a = b\n",
  }
  const none = { 'src/shared/a.ts': "import '../policy/a.ts'\n" }
  const files = { ...circles, ...none }
  t.same(refused(t, 'suspicious/noImportCycles', files), Object.keys(circles).sort())
})
