import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseConfig } from '../../../src/config/load-config.ts'
import { openChannels } from '../../../src/notifications/channels/open-channels.ts'
import { WEBHOOK_SECRET } from '../../support/notification-parts.ts'

const folder = t.testdir()
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return name
}
file('secret', WEBHOOK_SECRET)
file('password', 'a password that is secret\n')
file('url', 'https://hooks.example.org/services/a-secret-path\n')

const configOf = (channel: string) =>
  parseConfig(join(folder, 'sallyport.yaml'), `notifications: { channels: { one: ${channel} } }`)
const open = async (channel: string) => openChannels(configOf(channel).notifications, { now: () => 0 })

t.test('what a channel cannot be is refused at the start, with what to do and without a secret', async t => {
  file('no-secret', 'whsec_c2hvcnQ=')
  file('two-lines', 'one\ntwo')
  file('http-url', 'http://hooks.example.org/services/a-secret-path')
  const mail = 'kind: email, host: mail.example.org, from: g@example.org'
  for (const [channel, words] of [
    [`{ ${mail}, tls: none, user: u, passwordFile: password }`, /a password is only sent by TLS/],
    [`{ ${mail}, user: u }`, /user and passwordFile are given together/],
    [`{ ${mail}, user: u, passwordFile: gone }`, /one\.passwordFile cannot be read/],
    [`{ ${mail}, user: u, passwordFile: two-lines }`, /one\.passwordFile is to hold one line/],
    [`{ ${mail}, password: x }`, /key .*password is not known/],
    ['{ kind: email, host: mail.example.org, from: "a@b.org, c@d.org" }', /name@example\.com/],
    ['{ kind: email, host: mail.example.org, from: "a@b.org\\r\\nBcc: c@d.org" }', /name@example\.com/],
    ['{ kind: webhook, url: "http://example.org/", secretFile: secret }', /use https, or say allowLocal/],
    ['{ kind: webhook, url: "https://u:p@example.org/", secretFile: secret }', /a URL here has no user/],
    ['{ kind: webhook, url: "https://example.org/" }', /secretFile is missing/],
    ['{ kind: webhook, url: "https://example.org/", secretFile: no-secret }', /one\.secretFile is not whsec_/],
    ['{ kind: webhook, secretFile: secret }', /give one of url and urlFile/],
    ['{ kind: slack, urlFile: http-url }', /one\.urlFile does not hold one URL with https/],
    ['{ kind: slack, url: "https://hooks.example.org/" }', /url is not known/],
    ['{ kind: teams, urlFile: url, events: [alert.nothing] }', /there is no alert\.nothing/],
    ['{ kind: pager, urlFile: url }', /kind/],
    ['{ kind: teams, urlFile: url, timeout: 2m }', /at most 60s/],
  ] as const) {
    const error = await open(channel).then(
      () => 'opened',
      error => error,
    )
    t.match(error, { code: 'CONFIG_INVALID', message: words }, channel)
    t.notMatch(String(error.message), /a-secret-path|a password that is secret|c2hvcnQ/)
  }
})

t.test('files lie beside the configuration, and what is in them is in no output of it', async t => {
  const channels = [
    '{ kind: slack, urlFile: url }',
    '{ kind: webhook, urlFile: url, secretFile: secret }',
    '{ kind: email, host: mail.example.org, from: g@example.org, user: u, passwordFile: password }',
  ]
  for (const channel of channels) {
    const [opened] = await open(channel)
    t.notMatch(JSON.stringify([configOf(channel), opened]), /a-secret-path|a password that is secret/)
    t.notMatch(JSON.stringify([configOf(channel), opened]), new RegExp(WEBHOOK_SECRET.slice(6)))
  }
})
