/** Bind values in binary stand in the recording as PostgreSQL itself writes them as text. */

import t from 'tap'
import { showBinary } from '../../../src/protocols/postgres/capture/values/binary-values.ts'
import { clientEncodingOf } from '../../../src/protocols/postgres/capture/values/client-encoding.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const server = await startPostgres()
t.teardown(() => server.stop())

const encoding = clientEncodingOf('UTF8')

/** Of each type: its function for the binary form, and a query of one column. */
const VALUES: Record<string, readonly [send: string, query: string]> = {
  bool: ['boolsend', 'values (true), (false)'],
  int2: ['int2send', `values ('-32768'::int2), ('0'), ('32767')`],
  int4: ['int4send', 'values (-2147483648), (0), (2147483647)'],
  int8: ['int8send', 'values (-9223372036854775808), (0), (9223372036854775807)'],
  oid: ['oidsend', 'values (0::oid), (4294967295::oid)'],
  float4: ['float4send', `values ('NaN'::float4), ('-Infinity'), (0.1), (-0), (16777216), (1.5)`],
  float8: ['float8send', `values ('NaN'::float8), ('Infinity'), (0.1), (-0), (1e15), (-2.5)`],
  text: ['textsend', `values (''), ('ä€😀'), (E'a\\nb')`],
  uuid: ['uuid_send', 'select gen_random_uuid() from generate_series(1, 20)'],
  jsonb: ['jsonb_send', `values ('{"a": [1, null, "ä"]}'::jsonb)`],
  date: [
    'date_send',
    `select date '2000-01-01' + (random() * 3e6 - 1.5e6)::int from generate_series(1, 300)
      union all values ('infinity'::date), ('-infinity'), ('0044-03-15 BC'), ('0001-01-01'), ('12026-11-22')`,
  ],
  time: [
    'time_send',
    `select time '00:00' + random() * interval '24 hours' from generate_series(1, 100) union all values ('24:00'::time)`,
  ],
  timetz: [
    'timetz_send',
    `values ('12:34:56.7+02'::timetz), ('00:00-03:30'), ('23:59:59.999999+00'), ('01:00+01:02:03')`,
  ],
  timestamp: [
    'timestamp_send',
    `select timestamp '2000-01-01' + (random() - 0.5) * interval '8000 years' from generate_series(1, 300)
      union all values ('infinity'::timestamp), ('-infinity'), ('1999-12-31 23:59:59.999999'), ('4713-01-01 BC')`,
  ],
  timestamptz: ['timestamptz_send', `values ('2026-11-22 07:00:00.5+00'::timestamptz), ('0001-01-01 00:00 BC')`],
  interval: [
    'interval_send',
    `select make_interval(months => (random() * 60 - 30)::int, days => (random() * 60 - 30)::int,
        secs => round((random() * 200000 - 100000)::numeric, 3)::float8) from generate_series(1, 300)
      union all values (interval '0'), ('1 day'), ('-1 mon'), ('1 year -1 day'), ('-00:00:01'), ('1 mon 00:00:00.000001')`,
  ],
  numeric: [
    'numeric_send',
    `select round(((random() - 0.5) * 10 ^ (random() * 40 - 10))::numeric, (random() * 20)::int) from generate_series(1, 500)
      union all values (0), (0.000), (1e100), (-1e-50), (10000), (0.0001), (99999999.9999), ('NaN'::numeric), ('Infinity'), ('-Infinity')`,
  ],
  'int4[]': ['array_send', `values ('{}'::int4[]), ('{1,NULL,-3}'), ('{{1,2},{3,4}}'), ('[0:1]={5,6}')`],
  'text[]': ['array_send', `values (array['a', '', null, 'NULL', 'b,c', '{d}', 'e"f\\g', 'h i']::text[])`],
  'numeric[]': ['array_send', `values ('{1.50,NULL}'::numeric[])`],
  'timestamptz[]': ['array_send', `values ('{"2026-11-22 07:00+00"}'::timestamptz[])`],
}

for (const [type, [send, query]] of Object.entries(VALUES)) {
  t.test(type, async t => {
    const rows = await server.psql(
      `set timezone = 'UTC'; set bytea_output = 'hex';
       select json_agg(json_build_array(x::text, encode(${send}(x), 'hex'), '${type}'::regtype::oid::int)) from (${query}) as v(x)`,
    )
    const line = rows.trim().split('\n').at(-1)!
    const values = JSON.parse(line) as [string, string, number][]
    t.ok(values.length > 0)
    // JavaScript writes exponents otherwise; the number is the same.
    const same = (a: string, b: string) => a === b || (type.startsWith('float') && Number(a) === Number(b))
    const wrong = values
      .map(([text, hex, oid]): [string, string] => [text, showBinary(Buffer.from(hex, 'hex'), oid, encoding)])
      .filter(([text, shown]) => !same(text, shown))
    t.same(wrong.slice(0, 5), [])
  })
}

t.test('what is not of the type that it is said to be is shown as hex', async t => {
  for (const type of [16, 23, 1082, 1184, 1186, 1700, 3802, 1007, 9_999_999]) {
    for (const bytes of [Buffer.alloc(0), Buffer.from('00', 'hex'), Buffer.alloc(13, 0xff)]) {
      const shown = showBinary(bytes, type, encoding)
      t.ok(
        shown === `\\x${bytes.toString('hex')}` || (type === 16 && shown === 'false'),
        `${type} ${bytes.toString('hex')}`,
      )
    }
  }
})
