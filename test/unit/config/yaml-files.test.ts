/** Many files, read on threads, are what each is when it is read alone. */

import t from 'tap'
import { readYamlFiles } from '../../../src/config/yaml-files.ts'
import { readYaml } from '../../../src/config/yaml-source.ts'

/** One is worth a thread. */
const LONG = 'x'.repeat(100 * 1024)

t.test('values, problems and places are the same on threads, in the order of the files', async t => {
  const files = [
    { name: 'a.yaml', text: `a: 1\nlong: ${LONG}\n---\n- b\n- { c: 2026-11-27, d: null }\n` },
    { name: 'broken.yaml', text: `a:\n\tb: 1\nlong: ${LONG}\n` },
    { name: 'proto.yaml', text: `__proto__: 1\nlong: ${LONG}\n` },
    { name: 'empty.yaml', text: '' },
    { name: 'z.yaml', text: `long: ${LONG}\nlast:\n  - deep: [1, 2]\n` },
  ]
  const read = await readYamlFiles(files)
  const alone = files.map(({ name, text }) => readYaml(name, text))
  for (const [index, { documents, problems }] of read.entries()) {
    t.same(problems, alone[index]!.problems, files[index]!.name)
    t.same(
      documents.map(({ file, value }) => ({ file, value })),
      alone[index]!.documents.map(({ file, value }) => ({ file, value })),
    )
  }
  t.equal(read[1]!.problems.length > 0 && read[2]!.problems.length > 0, true)
  t.same(read[4]!.documents[0]!.problemAt(['last', 0, 'deep', 1], 'here'), {
    ...{ file: 'z.yaml', line: 3, column: 15, message: 'here' },
  })
  t.same(read[0]!.documents[1]!.problemAtKey([1, 'd'], 'there'), {
    ...{ file: 'a.yaml', line: 5, column: 20, message: 'there' },
  })
})
