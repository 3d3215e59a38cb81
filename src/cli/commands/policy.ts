/** `sallyport policy test`: whether rules decide what their tests expect, by files alone or by what a gateway has. */

import { dirname, resolve } from 'node:path'
import { defaultConfig } from '../../config/config.ts'
import { validate } from '../../config/validate.ts'
import { formatProblem, readYaml } from '../../config/yaml-source.ts'
import type { User } from '../../identity/user.ts'
import { type CaseResult, type PolicyCase, policyTestSchema, runCase } from '../../policy/policy-test.ts'
import type { Role } from '../../policy/role.ts'
import type { PolicyWorld } from '../../policy/simulate.ts'
import { parseResources } from '../../resources/parse.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { printable } from '../../shared/text/printable.ts'
import type { Target } from '../../targets/target.ts'
import type { AddCommands, Context } from '../context.ts'
import { CliError } from '../exit.ts'
import { type NamedText, readFiles } from '../files/resources.ts'
import { allPages } from '../pages.ts'
import type { Terminal } from '../terminal/terminal.ts'

interface Options {
  file?: string[]
  tap?: true
}

interface RunCase extends CaseResult {
  readonly name: string
}

export const addPolicy: AddCommands = (program, context) => {
  const { terminal } = context
  const policy = program.command('policy').helpCommand(false).description('tests of the rules, for CI')
  policy
    .command('test')
    .description('whether each case is decided as it expects')
    .argument('<file...>', 'YAML: given and expect (docs/access.md)')
    .option('-f, --file <path...>', 'resource files or folders, in place of those that the tests name')
    .option('--tap', 'the answer in the Test Anything Protocol')
    .addHelpText('after', '\nThe exit code is 1 where a case fails, and 2 where a file is wrong.')
    .action(async (paths: string[], { file, tap }: Options) => {
      const run: RunCase[] = []
      for (const test of await readFiles(paths, terminal, '')) run.push(...(await runFile(test, file, context)))
      const failed = run.filter(({ problems }) => problems.length > 0).length
      if (context.json) terminal.json({ passed: run.length - failed, failed, cases: run.map(jsonOf) })
      else terminal.lines(tap ? tapOf(run) : linesOf(run, failed, terminal))
      if (failed > 0) throw new CliError(EXIT.no, '')
    })
}

async function runFile(test: NamedText, chosen: string[] | undefined, context: Context): Promise<RunCase[]> {
  const { documents, problems } = readYaml(test.name, test.text)
  const [document, second] = documents
  if (problems.length > 0 || document === undefined)
    throw wrong(problems.map(formatProblem), `${test.name}: there is nothing in it.`)
  if (second !== undefined)
    throw wrong([formatProblem(second.problemAt([], 'Tests are one document: take out the "---".'))])
  const checked = validate(document, policyTestSchema, document.value)
  if (!checked.ok) throw wrong(checked.problems.map(formatProblem))
  const { resources, factors = defaultConfig('.').authentication.factors, cases } = checked.value
  const named = chosen ?? resources?.map(path => resolve(dirname(test.name), path))
  const world =
    named === undefined
      ? await worldOfGateway(context)
      : await worldOfFiles(named, chosen === undefined ? `${test.name}: resources: ` : '-f: ', context.terminal)
  return cases.map((one, index) => ({ name: one.name ?? nameOf(one, index), ...runCase(one, world, factors) }))
}

async function worldOfFiles(paths: readonly string[], named: string, terminal: Terminal): Promise<PolicyWorld> {
  const { resources, problems } = parseResources(await readFiles(paths, terminal, named))
  if (problems.length > 0) throw wrong(problems.map(formatProblem))
  const of = <T>(kind: string) =>
    new Map(resources.flatMap(one => (one.kind === kind ? [[one.value.name, one.value as T] as const] : [])))
  return worldOf(of<User>('user'), of<Role>('role'), of<Target>('target'))
}

async function worldOfGateway({ client: connect }: Context): Promise<PolicyWorld> {
  const client = await connect()
  const byName = <T extends { readonly name: string }>(all: readonly T[]) => new Map(all.map(one => [one.name, one]))
  const { users } = await allPages<'users', User>(client, '/v1/users', 'users')
  const { targets } = await allPages<'targets', Target>(client, '/v1/targets', 'targets')
  const { roles } = await client.get<{ roles: Role[] }>('/v1/roles')
  return worldOf(byName(users), byName(roles), byName(targets))
}

function worldOf(users: Map<string, User>, roles: Map<string, Role>, targets: Map<string, Target>): PolicyWorld {
  return { user: name => users.get(name), role: name => roles.get(name), target: name => targets.get(name) }
}

function wrong(complaints: readonly string[], otherwise = ''): CliError {
  return new CliError(EXIT.usage, complaints.length > 0 ? complaints.slice(0, 20).join('\n') : otherwise)
}

function nameOf({ given: { user, roles = [], account, target } }: PolicyCase, index: number): string {
  return `case ${index + 1}: ${user ?? (roles.join(', ') || 'somebody without roles')} to ${account === undefined ? target : `${account}@${target}`}`
}

function jsonOf({ name, problems, decided }: RunCase) {
  return { name, passed: problems.length === 0, problems, decided: decided ?? null }
}

function linesOf(run: readonly RunCase[], failed: number, { style }: Terminal): string[] {
  const lines = run.flatMap(({ name, problems, decided }) =>
    problems.length === 0
      ? [`${style('green', 'pass')}  ${printable(name)}`]
      : [
          `${style('red', 'FAIL')}  ${printable(name)}`,
          ...problems.map(problem => `        ${printable(problem)}`),
          ...(decided === undefined ? [] : [style('dim', `        decided: ${printable(decided)}`)]),
        ],
  )
  return [...lines, '', style(failed === 0 ? 'green' : 'red', `${run.length - failed} passed, ${failed} failed.`)]
}

/** Version 14: https://testanything.org/tap-version-14-specification.html */
function tapOf(run: readonly RunCase[]): string[] {
  return [
    'TAP version 14',
    `1..${run.length}`,
    ...run.flatMap(({ name, problems, decided }, index) => {
      const said = printable(name).replace(/[\\#]/g, '\\$&')
      if (problems.length === 0) return [`ok ${index + 1} - ${said}`]
      // JSON is YAML.
      const details = { problems, ...(decided === undefined ? {} : { decided }) }
      const diagnostics = Object.entries(details).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`)
      return [`not ok ${index + 1} - ${said}`, '  ---', ...diagnostics, '  ...']
    }),
  ]
}
