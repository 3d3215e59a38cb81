/** Opens many SSH sessions that do nothing: idle-clients.ts PORT LOGIN KEYFILE COUNT. Says so, says when all were closed by the other side, and closes when stdin ends. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import ssh2 from 'ssh2'

const [port, username, keyFile, count] = process.argv.slice(2) as [string, string, string, string]
const privateKey = readFileSync(keyFile)
const AT_ONCE = 10

const clients: ssh2.Client[] = []
const closed: Promise<unknown>[] = []
let left = Number(count)

async function openSome(): Promise<void> {
  while (left-- > 0) clients.push(await openOne())
}

function openOne(): Promise<ssh2.Client> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client()
    closed.push(once(client, 'close'))
    // Also what it is told when it is closed.
    client.on('error', reject)
    client.once('ready', () =>
      client.exec('cat', (error, channel) => {
        if (error) return reject(error)
        channel.resume()
        resolve(client)
      }),
    )
    client.connect({ host: '127.0.0.1', port: Number(port), username, privateKey, hostVerifier: () => true })
  })
}

await Promise.all(Array.from({ length: AT_ONCE }, openSome))
process.stdout.write('ready\n')
void Promise.all(closed).then(() => process.stdout.write('closed\n'))
process.stdin.resume().once('end', () => {
  for (const client of clients) client.end()
})
