/** A protocol of the tests, in one folder and one `addProtocol(lines)`: a login of one line, then lines from one side to the other. */

import { z } from 'zod'
import type { AnyTarget, ProtocolFacts } from '../../../src/protocols/facts.ts'
import { count, port, proxyProtocol } from '../../../src/shared/setting-types.ts'

const fields = { greeting: z.string().default('HELLO') }

export type LineEntry = AnyTarget & z.output<z.ZodObject<typeof fields>>

export const lines: ProtocolFacts = {
  name: 'lines',
  title: 'Lines',
  served: new URL('./served.ts', import.meta.url),
  channels: ['line'],
  usualChannels: ['line'],
  settings: z.strictObject({
    enabled: z.boolean().default(true),
    host: z.string().default('127.0.0.1'),
    port: port.default(0),
    maxUnauthenticated: count.default(10),
    maxPerSource: count.default(10),
    proxyProtocol,
  }),
  showsCertificate: false,
  selfService: false,
  target: {
    defaultPort: 4000,
    fields,
    check: ({ greeting }: LineEntry) =>
      greeting === '' ? [{ path: ['greeting'], message: 'greeting is empty.' }] : [],
    showsUserIn: () => [],
    describeIdentity: ({ greeting }: LineEntry) => ({ text: `greets with ${greeting}`, known: true }),
    asks: 'nothing',
  },
  identity: {
    fields: { greeting: z.string() },
    of: ({ greeting }: LineEntry) => ({ greeting }),
    within: (now: LineEntry, confirmed: LineEntry) => now.greeting === confirmed.greeting,
    kept: target => target,
  },
  words: { loginRefused: 'The line was refused.', knownBy: 'it is known by its greeting' },
}
