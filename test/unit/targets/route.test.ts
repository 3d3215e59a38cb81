import t from 'tap'
import { findRoute, hopName } from '../../../src/targets/route.ts'
import { type TargetInput, targetSchema } from '../../../src/targets/target.ts'

const entry = (name: string, via?: string, accounts: TargetInput['accounts'] = [{ name: 'svc' }]) =>
  targetSchema.parse({
    name,
    protocol: 'ssh',
    host: `${name}.example`,
    accounts,
    ...(via === undefined ? {} : { via }),
  })

async function routeOf(name: string, ...targets: ReturnType<typeof entry>[]): Promise<string> {
  const known = new Map(targets.map(target => [target.name, target]))
  const route = await findRoute(known.get(name)!, wanted => known.get(wanted))
  return route.kind === 'open' ? route.hops.map(hopName).join(' ') : `${route.at}: ${route.why}`
}

t.test('the hops come in the order in which they are connected to, with the account that is meant', async t => {
  const two = [{ name: 'a' }, { name: 'b', default: true }]
  t.equal(await routeOf('x', entry('x')), '')
  t.equal(await routeOf('x', entry('x', 'y'), entry('y')), 'svc@y')
  t.equal(await routeOf('x', entry('x', 'a@y'), entry('y', 'z', two), entry('z', undefined, two)), 'b@z a@y')
  t.equal(
    await routeOf('x', entry('x', 'h3'), entry('h3', 'h2'), entry('h2', 'h1'), entry('h1')),
    'svc@h1 svc@h2 svc@h3',
  )
})

t.test('a way that is none says where and why', async t => {
  t.equal(await routeOf('x', entry('x', 'y')), 'x: There is no target y to go via.')
  t.match(await routeOf('x', entry('x', 'x')), /^x: .*circle: x via x/)
  t.match(await routeOf('x', entry('x', 'y'), entry('y', 'z'), entry('z', 'y')), /^z: .*circle: x via y via z via y/)
  t.match(
    await routeOf('x', entry('x', 'a'), entry('a', 'b'), entry('b', 'c'), entry('c', 'd'), entry('d')),
    /^c: .*more than 3/,
  )
  t.match(await routeOf('x', entry('x', 'root@y'), entry('y')), /^x: y has no account root/)
  t.match(await routeOf('x', entry('x', 'y'), entry('y', undefined, [])), /^x: y has no account to go via/)
  t.match(await routeOf('x', entry('x', 'y'), entry('y', undefined, [{ name: 'a' }, { name: 'b' }])), /via: a@y/)
  const database = targetSchema.parse({ name: 'db', protocol: 'postgres', host: 'db' })
  t.match(await routeOf('x', entry('x', 'db'), database), /^x: db is a postgres target/)
})

t.test('via is a name, or account@name, and nothing else', async t => {
  for (const via of ['', '@y', 'a@', 'a@b@c', 'a b', 'y\n', '-y', 'é']) {
    t.notOk(targetSchema.safeParse({ name: 'x', protocol: 'ssh', host: 'h', via }).success, JSON.stringify(via))
  }
})
