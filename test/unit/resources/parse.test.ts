import fc from 'fast-check'
import t from 'tap'
import { formatProblem } from '../../../src/config/yaml-source.ts'
import { parseResources, readResources } from '../../../src/resources/parse.ts'

const read = (...texts: string[]) => parseResources(texts.map((text, index) => ({ name: `f${index + 1}.yaml`, text })))
const complaints = (...texts: string[]) => read(...texts).problems.map(formatProblem)

const ROLE = 'kind: role\nname: r\ntargets: {}\naccounts: {}\n'
const TARGET = 'kind: target\nname: t\nprotocol: ssh\nhost: h\n'
const DATABASE = 'kind: target\nname: t\nprotocol: postgres\nhost: h\n'

const POLICY = 'kind: rotation-policy\nname: p\ntargets: { names: [web-*] }\n'

t.test('what a role offers on request makes sense, or is told what is wrong with it, and where', async t => {
  const offer = (fields: string) => complaints(`${ROLE}onRequest:\n  - { accounts: { names: [root] }, ${fields} }\n`)
  const cases: [string, string][] = [
    ['reason: optional', 'an offer has approvers (any one of them), or stages, and one of the two'],
    ['approvers: [leads]', 'an approver is role:NAME, user:NAME or manager'],
    ['approvers: [manager], maxTime: 3600', 'onRequest.0.maxTime lacks its unit: write 3600s, m, h or d.'],
    [
      'approvers: [manager], permanent: { stages: [{ groups: [{ of: [manager] }], within: 60, escalateTo: [manager] }] }',
      'onRequest.0.permanent.stages.0.within lacks its unit: write 60s, m, h or d.',
    ],
    ['approvers: [manager], maxTime: 0s', 'maxTime must be more than 0s.'],
    ['approvers: [manager], channels: [agent]', 'The role does not give agent:'],
    ['approvers: [manager], ticket: "("', 'the pattern of tickets: '],
    ['approvers: [manager], stages: [{ groups: [{ of: [manager] }] }]', 'and one of the two'],
    ['stages: [{ groups: [{ of: [manager] }], within: 1h }]', 'within and escalateTo stand together'],
  ]
  for (const [fields, expected] of cases) {
    const found = offer(fields)
    t.equal(found.length, 1, fields)
    t.ok(found[0]?.includes(expected), `${fields}: ${found[0]}`)
    t.match(found[0], /^f1\.yaml:\d+:\d+: /)
  }
  t.match(complaints(`${ROLE}onRequest: [{ accounts: {}, approvers: [manager] }]`), [/It offers no account/])
  const twice = '{ accounts: { names: [root] }, approvers: [manager] }'
  t.match(complaints(`${ROLE}onRequest: [${twice}, ${twice}]`), [/There is an offer root already/])
  t.strictSame(offer('stages: [{ groups: [{ of: [role:leads], count: 2 }], within: 1h, escalateTo: [manager] }]'), [])
})

t.test('a user has a manager, a person, attributes and working hours, of a form that can be used', async t => {
  const user = (fields: string) => complaints(`kind: user\nname: u\n${fields}\n`)
  t.strictSame(
    user('manager: bob\nperson: a@example.com\nattributes: { team: payments }\nworkingHours: { to: "18:00" }'),
    [],
  )
  t.match(user('person: "a b"'), [/a person is said in letters/])
  t.match(user('attributes: { team: "a\\u0007" }'), [/no control characters/])
  t.match(user('workingHours: { zone: Berlin }'), [/a time zone is named as in/])
})

t.test('a rotation policy that makes no sense is told what is wrong with it, and where', async t => {
  const cases: [string, string][] = [
    ['every: 86400000', 'f1.yaml:4:8: every lacks its unit: write 86400000s, m, h or d.'],
    ['every: 30s', 'f1.yaml:4:8: every is at least 1m.'],
    ['verifyEvery: 4000d', 'f1.yaml:4:14: verifyEvery is at most 3660d.'],
    ['jitter: 2h', 'f1.yaml:4:9: A jitter belongs to every or at: there is neither.'],
    ['every: 1h\njitter: 2h', 'f1.yaml:5:9: A jitter is no longer than every.'],
    ['at: { cron: "0 3 * *" }', 'f1.yaml:4:13: at.cron: "0 3 * *": a cron expression has five fields'],
    ['at: { cron: "0 25 * * *" }', 'f1.yaml:4:13: at.cron: "0 25 * * *": Invalid value for hour: 25; a cron'],
    ['at: { cron: "0 0 31 2 *" }', 'f1.yaml:4:13: at.cron: "0 0 31 2 *": it never comes.'],
    ['at: { cron: "0 3 * * *", zone: Berlin }', 'f1.yaml:4:32: at.zone: "Berlin": a time zone is named as in'],
    ['after: [checkin]', 'f1.yaml:4:9: after[0]: "checkin" is not one of the values; did you mean check-in?'],
    ['after: [session, session]', 'f1.yaml:4:18: session is there twice.'],
    ['accounts: {}', 'f1.yaml:4:11: It selects no account: give names or levels, or leave accounts out'],
    ['password: { length: 8 }', 'f1.yaml:4:21: password.length: '],
    [
      'password: { classes: [digit], forbidden: "0123456789" }',
      'f1.yaml:4:11: No password fits the rule: it asks for a character of the class digit, and forbids them all',
    ],
    ['password: { classes: [digit], length: 16 }', 'f1.yaml:4:11: No password fits the rule: 16 times one of 10'],
    ['password: { classes: [digit, digit, upper] }', 'f1.yaml:4:30: The class digit is there twice.'],
    ['accounts: { names: [root] }\nreconcile: root', 'f1.yaml:5:12: root cannot mend itself: give it a policy of'],
    ['retention: { keep: 0 }', 'f1.yaml:4:20: retention.keep: '],
    ['retention: { for: 90 }', 'f1.yaml:4:19: retention.for lacks its unit: write 90s, m, h or d.'],
    ['openSessions: kill', 'f1.yaml:4:15: openSessions: "kill" is not one of the values'],
    ['cron: "0 3 * * *"', 'f1.yaml:4:1: The key cron is not known'],
  ]
  for (const [text, words] of cases) {
    const [first, ...more] = complaints(POLICY + text)
    t.ok(first?.startsWith(words), `${text}: ${first}`)
    t.same(more, [], text)
  }
  t.match(complaints('kind: rotation-policy\nname: p\ntargets: {}'), [
    /3:10: It selects no target: give names or labels/,
  ])
  const rich = `${POLICY}every: 30d\njitter: 2d\nat: { cron: "0 3 * * sun", zone: Europe/Berlin }\nafter: [check-in, session]\nverifyEvery: 1d
password: { length: 40, classes: [lower, upper], forbidden: lIoO }\nreconcile: admin\nretention: { keep: 5, for: 90d }\nopenSessions: cut`
  t.same(complaints(rich), [])
})

t.test('a request template that cannot be used is refused, where it is written', async t => {
  const cases: [string, string][] = [
    ['ask: {}', 'f1.yaml:3:6: ask: "{}": it fills nothing in'],
    ['', 'f1.yaml:1:1: ask is missing'],
    [
      'ask: { target: web-01, targets: { names: [web-*] } }',
      'f1.yaml:3:6: ask: "{"target":"web-01","targets":{"names":["web-*"]}}": it is for one target, or for',
    ],
    ['ask: { targets: {} }', 'f1.yaml:3:17: ask.targets: "{}": it chooses nothing: say names or labels'],
    [
      'ask: { account: root, level: admin }',
      'f1.yaml:3:6: ask: "{"account":"root","level":"admin"}": it is for an account, or for a level',
    ],
    ['ask: { level: god }', 'f1.yaml:3:15: ask.level: "god" is not one of the values'],
    ['ask: { for: 0s }', 'f1.yaml:3:13: for must be more than 0s'],
    ['ask: { for: 400d }', 'f1.yaml:3:13: for is at most 366d'],
    ['ask: { for: 7200 }', 'f1.yaml:3:13: ask.for lacks its unit: write 7200s, m, h or d.'],
    [
      'ask: { reason: "INC {number}" }',
      'f1.yaml:3:16: ask.reason: "INC {number}": in a reason {reason} and {ticket} stand for',
    ],
    ['ask: { reason: "a\\u202eb" }', 'f1.yaml:3:16: ask.reason: "a\u202eb": it has characters that are not seen'],
    ['ask: { ticket: "(" }', 'f1.yaml:3:16: ask.ticket: '],
    ['ask: { channels: [telnet] }', 'f1.yaml:3:19: ask.channels[0]: "telnet" is not one of the values'],
    ['ask: { level: admin }\nroles: [ops]', 'f1.yaml:4:1: The key roles is not known'],
    [
      'ask: { level: admin }\ndescription: "a\\u0007b"',
      'f1.yaml:4:14: description: "a\u0007b": it has characters that are not',
    ],
  ]
  for (const [text, words] of cases) {
    const [first, ...more] = complaints(`kind: request-template\nname: incident\n${text}`)
    t.ok(first?.startsWith(words), `${text}: ${first}`)
    t.same(more, [], text)
  }
})

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
    [
      'kind: usr\nname: a',
      'f1.yaml:1:7: kind: "usr" is not known; did you mean user? (role, target, rotation-policy, review-rule, request-template, user).',
    ],
    ['name: a', 'f1.yaml:1:1: kind is missing (role, target, rotation-policy, review-rule, request-template, user).'],
    [
      'kind: [user]',
      'f1.yaml:1:7: kind: "user" is not known; did you mean user? (role, target, rotation-policy, review-rule, request-template, user).',
    ],
    [
      '- x',
      'f1.yaml:1:3: A resource is a map with a kind (role, target, rotation-policy, review-rule, request-template, user) and its fields.',
    ],
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
    [
      `${ROLE}session: { moderator: { of: [manager], waitFor: 60 } }`,
      'f1.yaml:5:49: session.moderator.waitFor lacks its unit: write 60s, m, h or d.',
    ],
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
      `${TARGET}hostKeys: ["@cert-authority * ssh-ed25519 AAAA"]`,
      'f1.yaml:5:12: Certificates of hosts are not taken: ',
    ],
    [
      `${TARGET}hostKeys: [ssh-ed25519-cert-v01@openssh.com AAAA]`,
      'f1.yaml:5:12: Certificates of hosts are not taken: ',
    ],
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

t.test(
  'what is read again says the same, with its places under the name of this time, and only where nothing of it is new',
  async t => {
    const text = `${ROLE}---\n# nothing\n---\n[{ ${TARGET.trim().replaceAll('\n', ', ')} }]\n---\nkind: user\nname: u\nroles: [r]\n`
    const more = POLICY
    const bare = ({ at: _, ...one }: Awaited<ReturnType<typeof readResources>>[number]) => one
    const read = async (...files: [name: string, text: string][]) =>
      readResources(files.map(([name, text]) => ({ name, text })))
    const first = await read(['a.yaml', text], ['b.yaml', more])
    t.strictSame(first.map(bare), parseResources([{ name: 'a.yaml', text: `${text}---\n${more}` }]).resources.map(bare))
    const again = await read(['of another name.yaml', text], ['b.yaml', `${more}description: other\n`])
    t.strictSame(again.slice(0, 3).map(bare), first.slice(0, 3).map(bare))
    t.equal(
      again.some((one, index) => one.value === first[index]?.value),
      false,
      'nobody has the objects of others',
    )
    t.match(again[3]!.value, { description: 'other' })
    t.same(again[1]!.at(['host'], 'here'), { file: 'of another name.yaml', line: 8, column: 48, message: 'here' })
    // The same resource is still one too many.
    await t.rejects(
      read(['a.yaml', text], ['c.yaml', TARGET]),
      /c\.yaml:2:7: The target t is described already at a\.yaml:8:/,
    )
    for (let tries = 0; tries < 2; tries++)
      await t.rejects(read(['d.yaml', 'kind: rule\n']), /d\.yaml:1:7: kind: "rule"/)
    // Halves of a surrogate pair, and what stands for what is none, are different texts.
    const described = async (character: string) =>
      (await read(['e.yaml', `${ROLE}description: "x${character}"\n`]))[0]!.value
    t.match(await described('\ud800'), { description: 'x\ud800' })
    t.match(await described('\ufffd'), { description: 'x\ufffd' })
  },
)
