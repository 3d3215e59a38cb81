import fc from 'fast-check'
import t from 'tap'
import { formatProblem } from '../../../src/config/yaml-source.ts'
import { parseResources } from '../../../src/resources/parse.ts'

const read = (...texts: string[]) => parseResources(texts.map((text, index) => ({ name: `f${index + 1}.yaml`, text })))
const complaints = (...texts: string[]) => read(...texts).problems.map(formatProblem)

const ROLE = 'kind: role\nname: r\ntargets: {}\naccounts: {}\n'
const TARGET = 'kind: target\nname: t\nprotocol: ssh\nhost: h\n'
const DATABASE = 'kind: target\nname: t\nprotocol: postgres\nhost: h\n'

t.test('one resource a document, or a list of them, in any number of files', async t => {
  const { resources, problems } = read(
    `${TARGET}---\n- ${ROLE.trim().replaceAll('\n', '\n  ')}\n- {kind: user, name: a}\n---\n`,
    '# nothing\n',
    '{kind: user, name: b, roles: [r]}',
  )
  t.strictSame(problems, [])
  t.strictSame(
    resources.map(({ kind, value }) => `${kind} ${value.name}`),
    ['target t', 'role r', 'user a', 'user b'],
  )
})

t.test('a complaint names file, line and column, what was meant, and what to do', async t => {
  const cases: [string, string][] = [
    ['kind: usr\nname: a', 'f1.yaml:1:7: kind: "usr" is not known; did you mean user? (role, target, user).'],
    ['name: a', 'f1.yaml:1:1: kind is missing (role, target, user).'],
    ['kind: [user]', 'f1.yaml:1:7: kind: "user" is not known; did you mean user? (role, target, user).'],
    ['- x', 'f1.yaml:1:3: A resource is a map with a kind (role, target, user) and its fields.'],
    ['hello', 'f1.yaml:1:1: A resource is a map with a kind'],
    ['kind: user', 'f1.yaml:1:1: name is missing: a text is expected.'],
    ['kind: user\nname: a+b', 'f1.yaml:2:7: name: "a+b": a name has letters, digits, ".", "_" and "-", at most 64.'],
    ['kind: user\nname: 007', 'f1.yaml:2:7: name: expected a text, and this is a number; write it in quotes: "7".'],
    [
      'kind: user\nname: a\nrole: [r]',
      'f1.yaml:3:1: The key role is not known; did you mean roles? (name, fullName, email, roles, ',
    ],
    [
      `- ${ROLE.trim().replaceAll('\n', '\n  ')}\n  hours: { form: '08:00' }`,
      'f1.yaml:5:12: The key hours.form is not known; did you mean from? (days, from, to, zone)',
    ],
    [
      `${ROLE}hours: { zone: Berlin }`,
      'f1.yaml:5:16: hours.zone: "Berlin": a time zone is named as in Europe/Berlin or UTC.',
    ],
    [`${ROLE}hours: { from: '25:00' }`, 'f1.yaml:5:16: hours.from: "25:00": a time is HH:MM.'],
    [`${ROLE}hours: { from: '08:00', to: '08:00' }`, 'f1.yaml:5:8: hours: '],
    [
      `${ROLE}sources: [10.0.0.0/33]`,
      'f1.yaml:5:11: sources[0]: "10.0.0.0/33": a network is written as in 10.0.0.0/8 or 2001:db8::/32.',
    ],
    [`${ROLE}sources: []`, 'f1.yaml:5:10: sources: the list must not be empty.'],
    [`${ROLE}factors: []`, 'f1.yaml:5:10: factors: the list must not be empty.'],
    [`${ROLE}factors: [[totp], []]`, 'f1.yaml:5:19: factors[1]: the list must not be empty.'],
    [
      `${ROLE}factors: [[otp]]`,
      'f1.yaml:5:12: factors[0][0]: "otp" is not one of the values; did you mean totp? (publickey, password, totp)',
    ],
    [`${ROLE}idle: 30`, 'f1.yaml:5:7: idle lacks its unit: write 30s, m, h or d.'],
    [`${ROLE}idle: 0s`, 'f1.yaml:5:7: idle must be more than 0s.'],
    [`${ROLE}maxSession: 999d`, 'f1.yaml:5:13: maxSession is at most 366d.'],
    [`${ROLE}maxSession: soon`, 'f1.yaml:5:13: maxSession: "soon": a duration is a number and s, m, h or d'],
    [`${ROLE}channels: [shel]`, 'f1.yaml:5:12: channels[0]: "shel" is not one of the values; did you mean shell?'],
    [
      'kind: target\nname: t\nprotocol: shh\nhost: h',
      'f1.yaml:3:11: protocol: "shh" is not one of the values; did you mean ssh? (ssh, postgres)',
    ],
    ['kind: target\nname: t\nhost: h', 'f1.yaml:1:1: protocol is missing: it is one of ssh, postgres.'],
    [
      `${TARGET}tls: require`,
      'f1.yaml:5:1: The key tls is not known (name, description, host, via, allowLocal, labels, accounts, protocol, port, hostKeys, authentication',
    ],
    [
      `${TARGET}labels: { version: 15 }`,
      'f1.yaml:5:20: labels.version: expected a text, and this is a number; write it in quotes: "15".',
    ],
    [
      `${TARGET}accounts: [{ name: root, level: root }]`,
      'f1.yaml:5:33: accounts[0].level: "root" is not one of the values (basic, power, admin, system).',
    ],
    [
      `${TARGET}accounts: [{ name: a, default: true }, { name: b, default: true }]`,
      'f1.yaml:5:60: a is the default account already: a target has at most one.',
    ],
    [`${TARGET}accounts: [{ name: a }, { name: a }]`, 'f1.yaml:5:25: The account a is there twice.'],
    [`${TARGET}authentication: [password, password]`, 'f1.yaml:5:28: password is there twice.'],
    [`${DATABASE}authentication: [md5, md5]`, 'f1.yaml:5:23: md5 is there twice.'],
    [`${TARGET}hostKeys: [ssh-ed25519 AAAA]`, 'f1.yaml:5:12: This host key cannot be used: '],
    [
      'kind: target\nname: t\nprotocol: ssh\nhost: h:22',
      'f1.yaml:4:7: A host is a name or an address alone; a port is written in the field port.',
    ],
    ['kind: target\nname: t\nprotocol: postgres\nhost: h\nca: x', 'f1.yaml:5:5: ca is the text of PEM certificates'],
    [
      `${DATABASE}database: shop\ndatabases: ['report_*']`,
      "f1.yaml:6:12: databases lacks shop, the target's own database",
    ],
    [`${DATABASE}databases: [shop]`, "f1.yaml:5:12: databases lacks postgres, the target's own database: say another"],
    [`${DATABASE}database: ''`, 'f1.yaml:5:11: database is empty'],
    [`${DATABASE}databases: ['']`, 'f1.yaml:5:13: databases[0]: "": the name of a database'],
    ['kind: user\nname: a\npublicKeys: [no-pty ssh-ed25519 AAAA]', 'f1.yaml:3:14: This public key cannot be used: '],
    [
      'kind: user\nname: a\npublicKeys: ["-----BEGIN OPENSSH PRIVATE KEY-----"]',
      'f1.yaml:3:14: This is a private key: take it out',
    ],
    [`${ROLE}databases: [*]`, 'f1.yaml:5:13: This is not valid YAML: a text that begins with * or & stands in quotes'],
    ['kind: user\n\tname: a', 'f1.yaml:2:1: There is a tab in the indentation'],
    ['kind: user\nname: a\nname: b', 'f1.yaml:3:1: This key is there twice'],
  ]
  for (const [text, expected] of cases) {
    const all = complaints(text)
    t.equal(all[0]?.slice(0, expected.length), expected, text)
    t.equal(all.length, 1, `only that: ${all.join('\n')}`)
  }
})

t.test('the same resource twice is refused, and where the first is stands in the complaint', async t => {
  t.strictSame(
    complaints(
      'kind: user\nname: a',
      '- kind: role\n  name: a\n  targets: {}\n  accounts: {}\n- kind: user\n  name: a',
    ),
    ['f2.yaml:6:9: The user a is described already at f1.yaml:2: keep one of them.'],
  )
})

t.test('all problems of all files come back', async t => {
  t.equal(complaints('kind: user', 'kind: role', 'x: [').length, 5)
})

t.test('property: whatever the values, a resource is read or refused with a place, never a throw', async () => {
  const keys = fc.constantFrom(
    'kind',
    'name',
    'roles',
    'targets',
    'accounts',
    'hours',
    'host',
    'protocol',
    'labels',
    'factors',
    'x',
    '__proto__',
    'constructor',
  )
  const value = fc.letrec(tie => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>('user', 'role', 'target', 'ssh', 'a', null, true, 5, ''),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(keys, tie('any'), { maxKeys: 5 }),
    ),
  })).any
  fc.assert(
    fc.property(value, any => {
      const { problems } = read(JSON.stringify(any))
      return problems.every(({ line, column }) => line === 1 && column >= 1)
    }),
    { numRuns: 500 },
  )
})
