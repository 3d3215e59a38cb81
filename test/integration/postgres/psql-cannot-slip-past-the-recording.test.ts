/** Whoever writes their own PostgreSQL client still cannot run what the recording does not show. */

import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import {
  bind,
  execute,
  frame,
  int16,
  int32,
  parse,
  query,
  RawClient,
  sslRequest,
  sync,
} from '../../support/postgres-bytes.ts'
import { logIn, startPostgresFront } from '../../support/postgres-front.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const target = await startPostgres()
t.teardown(() => target.stop())

async function begin() {
  const front = await startPostgresFront({
    target: { port: target.port },
    account: target.superuser,
    password: target.superPassword,
  })
  t.teardown(() => front.close())
  const raw = await RawClient.to(front.port)
  raw.socket.write(sslRequest)
  await raw.sees('S')
  raw.socket.removeAllListeners('data')
  const secured = connectTls({ socket: raw.socket, rejectUnauthorized: false })
  await once(secured, 'secureConnect')
  const client = new RawClient(secured)
  const send = (...messages: Buffer[]) => secured.write(Buffer.concat(messages))
  await logIn(client)
  return {
    client,
    send,
    async texts() {
      const ended = front.sessionEnded()
      secured.destroy()
      if (front.ended.length === 0) await ended
      return front.statements().map(({ text }) => text)
    },
    front,
  }
}

const copying = Buffer.concat([parse('', 'copy numbers from stdin'), bind('', ''), execute('')])

t.test('a Sync inside of a COPY that fails does not hide what comes behind it', async t => {
  const { client, send, texts, front } = await begin()
  send(query('create temp table numbers (n int)'))
  await client.sees('CREATE TABLE')
  send(copying, frame('H'))
  await client.sees(/G\0\0\0/)
  send(frame('d', Buffer.from('not a number\n')), sync, query("select 'hid' || 'den'"))
  await client.sees('hidden').catch(() => undefined)
  t.same((await texts()).at(-1), "select 'hid' || 'den'")
  t.equal(front.ended[0]?.reason, 'protocol-violation')
})

t.test('nor does one before it, where a trigger fails before the data is read', async t => {
  const { client, send, texts } = await begin()
  send(
    query(`create table numbers (n int); create function no() returns trigger language plpgsql as 'begin raise ''no''; end';
      create trigger no before insert on numbers for each statement execute function no()`),
  )
  await client.sees('CREATE TRIGGER')
  send(copying, sync)
  await client.sees(/ERROR/)
  send(query("select 'hid' || 'den'"))
  const ran = await client.sees('hidden').then(
    () => true,
    () => false,
  )
  t.equal((await texts()).includes("select 'hid' || 'den'"), ran)
})

t.test('a function call is recorded with its number and its arguments', async t => {
  const { client, send, texts, front } = await begin()
  const argument = (text: string) => Buffer.concat([int32(text.length), Buffer.from(text)])
  const values = ['select 42 as answer', 't', 'f', '']
  // query_to_xml(text, boolean, boolean, text)
  send(frame('F', int32(2924), int16(0), int16(4), ...values.map(argument), int16(0)))
  await client.sees(/answer|ERROR/)
  t.match(await texts(), [/function 2924/])
  t.match(front.statements()[0]?.parameters, values)
})
