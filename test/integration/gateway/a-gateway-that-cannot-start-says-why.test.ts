/** A start that fails names what is wrong, and leaves nothing running: the next one, with it put right, works. */

import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Config, defaultConfig } from '../../../src/config/config.ts'
import { startGateway } from '../../../src/gateway/start-gateway.ts'
import { createLog } from '../../../src/shared/log.ts'
import { generateTlsCertificate } from '../../../src/shared/tls/issue-certificate.ts'
import { initKeyFile } from '../../../src/vault/key-provider.ts'
import { removeFolder, run } from '../../support/child.ts'

const trusted = await generateTlsCertificate(['localhost'], Date.now())
const busy = createServer().listen(0, '127.0.0.1')
await once(busy, 'listening')
t.teardown(() => busy.close())
const { port } = busy.address() as AddressInfo

const problems: Record<string, { spoil: (config: Config) => void; message: RegExp }> = {
  'a port for SSH that is taken': {
    spoil: config => Object.assign(config.ssh, { port }),
    message: new RegExp(`ssh cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`),
  },
  'a port for PostgreSQL that is taken': {
    spoil: config => Object.assign(config.postgres, { port }),
    message: new RegExp(`postgres cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`),
  },
  'a port for the API that is taken': {
    spoil: config => Object.assign(config.api, { port }),
    message: /API cannot listen/,
  },
  'a certificate that is none': {
    spoil: config => {
      const file = join(config.dataFolder, 'server.pem')
      writeFileSync(file, 'not a certificate')
      config.postgres.tls = { keyFile: file, certificateFile: file }
    },
    message: /server\.pem and .*server\.pem are no certificate and its key/,
  },
  'trusted certificates that are none': {
    spoil: config => {
      const redisCaFile = join(config.dataFolder, 'ca.pem')
      writeFileSync(redisCaFile, 'not a certificate')
      Object.assign(config.cluster, { redis: 'rediss://127.0.0.1', redisCaFile })
    },
    message: /ca\.pem is not a list of certificates in PEM form/,
  },
  'trusted certificates of which one is broken': {
    spoil: config => {
      const redisCaFile = join(config.dataFolder, 'ca.pem')
      writeFileSync(redisCaFile, trusted.cert + trusted.cert.replace(/\n.{20}/, '\n'))
      Object.assign(config.cluster, { redis: 'rediss://127.0.0.1', redisCaFile })
    },
    message: /Certificate 2 in .*ca\.pem cannot be read/,
  },
  'trusted certificates for a Redis without TLS': {
    spoil: config => {
      const redisCaFile = join(config.dataFolder, 'ca.pem')
      writeFileSync(redisCaFile, trusted.cert)
      Object.assign(config.cluster, { redis: 'redis://127.0.0.1', redisCaFile })
    },
    message: /of use with rediss:/,
  },
  'an audit file that cannot be opened': {
    spoil: config => Object.assign(config.audit, { file: join(config.dataFolder, 'nowhere', 'audit.jsonl') }),
    message: /The audit file cannot be opened/,
  },
}

for (const [name, { spoil, message }] of Object.entries(problems)) {
  t.test(name, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-start-'))
    t.teardown(() => removeFolder(folder))
    await initKeyFile(join(folder, 'vault.key'))
    const configure = () => {
      const config = defaultConfig(folder)
      for (const part of [config.ssh, config.postgres, config.api]) Object.assign(part, { host: '127.0.0.1', port: 0 })
      return config
    }
    const spoilt = configure()
    spoil(spoilt)
    const log = createLog('silent')
    await t.rejects(startGateway({ config: spoilt, log }), { name: 'GatewayError', code: 'CONFIG_INVALID', message })
    // The same socket, the same store: nothing of the first one holds them.
    const gateway = await startGateway({ config: configure(), log })
    await gateway.stop()
  })
}

t.test('a gateway with an open debugger does not start', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-debugger-'))
  t.teardown(() => removeFolder(folder))
  const program = new URL('../../../bin/sallyport', import.meta.url).pathname
  const env = { ...process.env, NODE_OPTIONS: '--inspect=127.0.0.1:0' }
  const failed = await run(program, ['start', '--config', join(folder, 'none.yaml')], { env }).catch(error => error)
  t.equal(failed.code, 2)
  t.match(failed.stderr, /Node's debugger is open.*start without --inspect/)
})
