/** Loads sallyport.yaml. */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { type Config, configSchema, resolveConfig } from './config.ts'
import { validate } from './validate.ts'
import { readYaml, throwProblems } from './yaml-source.ts'

type Environment = Readonly<Record<string, string | undefined>>

const NAME_IT = 'Name a file with --config.'
/** Where the configuration is looked for when no file is named. */
const PLACES = ['config/sallyport.yaml', '/etc/sallyport/sallyport.yaml']

/**
 * The configuration of a file, by default the first there is of `config/sallyport.yaml` and `/etc/sallyport/sallyport.yaml`;
 * relative paths in it start at the file's folder. `SALLYPORT_DATABASE_URL` and `SALLYPORT_REDIS_URL` stand above the file, so
 * that passwords need not be in it. Throws `CONFIG_INVALID` with every problem as `file:line:column`.
 */
export async function loadConfig(path?: string, environment: Environment = process.env): Promise<Config> {
  const chosen = path ?? PLACES.find(place => existsSync(place))
  if (chosen === undefined) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `There is no configuration: looked for ${PLACES.join(' and ')}. ${NAME_IT}`,
    )
  }
  let text: string
  try {
    text = await readFile(chosen, 'utf8')
  } catch (error) {
    const message = `The configuration cannot be read: ${messageOf(error)}. ${NAME_IT}`
    throw new GatewayError('CONFIG_INVALID', message, { cause: error })
  }
  return parseConfig(chosen, text, environment)
}

/** The same for a text that is at hand; `path` is named in complaints and is where relative paths start. */
export function parseConfig(path: string, text: string, environment: Environment = {}): Config {
  const { documents, problems } = readYaml(path, text)
  if (problems.length > 0) throwProblems('CONFIG_INVALID', problems)
  const [document, second] = documents
  if (second !== undefined) {
    throwProblems('CONFIG_INVALID', [second.problemAt([], 'A configuration is one document: take out the "---".')])
  }
  const schema = configSchema()
  // A file with nothing but comments is a configuration too: all defaults.
  const written = document?.value ?? {}
  const checked = document === undefined ? undefined : validate(document, schema, written)
  if (checked?.ok === false) throwProblems('CONFIG_INVALID', checked.problems)
  return resolveConfig(schema.parse(override(written, environment)), dirname(resolve(path)))
}

/** Puts the environment's URLs in place of the file's. Their text is never repeated: it holds passwords. */
function override(written: { cluster?: object }, environment: Environment): object {
  const { SALLYPORT_DATABASE_URL: database, SALLYPORT_REDIS_URL: redis } = environment
  const changed = {
    ...written,
    ...(database === undefined ? {} : { database }),
    ...(redis === undefined ? {} : { cluster: { ...written.cluster, redis } }),
  }
  const { error } = configSchema().safeParse(changed)
  if (error === undefined) return changed
  const [issue] = error.issues
  const name = issue?.path[0] === 'database' ? 'SALLYPORT_DATABASE_URL' : 'SALLYPORT_REDIS_URL'
  throw new GatewayError('CONFIG_INVALID', `The environment variable ${name} cannot be used: ${issue?.message}.`)
}
