/** Reads resource files: YAML with one resource a document, or a list of them, each with its `kind`. */

import type { z } from 'zod'
import { reviewRuleSchema } from '../access-requests/review/review-rule.ts'
import { requestTemplateSchema } from '../access-requests/templates/request-template.ts'
import { nearest } from '../config/nearest.ts'
import { validate } from '../config/validate.ts'
import { readYamlFiles } from '../config/yaml-files.ts'
import {
  type Path,
  type Problem,
  placed,
  readYaml,
  throwProblems,
  type YamlDocument,
  type YamlFile,
} from '../config/yaml-source.ts'
import { writtenUserSchema } from '../identity/user.ts'
import { roleSchema } from '../policy/role.ts'
import { rotationPolicySchema } from '../rotation/policies/rotation-policy.ts'
import { givingWay, toEnd } from '../shared/concurrency/give-way.ts'
import { targetSchema } from '../targets/target.ts'
import { checkResource, checkWritten } from './check.ts'
import { rememberTexts } from './remember-texts.ts'
import { nameOf, RESOURCE_KINDS, type Resource, type ResourceKind } from './resource.ts'

export interface ResourceFile {
  /** As people know it: it stands in front of complaints. */
  readonly name: string
  readonly text: string
}

/** A resource, where it stands, and which of its fields the file says something of (the others have their defaults). */
export type PlacedResource = Resource & {
  readonly at: (path: Path, message: string) => Problem
  readonly written: ReadonlySet<string>
}

/** Where a problem is said that no resource of the files is at fault for. */
export function somewhere(resources: readonly PlacedResource[]): PlacedResource['at'] {
  return resources[0]?.at ?? ((_path, message) => ({ file: 'the resources', line: 1, column: 1, message }))
}

const SCHEMAS: Record<ResourceKind, z.ZodType> = {
  role: roleSchema,
  target: targetSchema,
  'rotation-policy': rotationPolicySchema,
  'review-rule': reviewRuleSchema,
  'request-template': requestTemplateSchema,
  user: writtenUserSchema,
}

export interface ParsedFiles {
  readonly resources: PlacedResource[]
  readonly problems: Problem[]
}

/** What one entry of a file says, and where it stands there: in which of its documents, and at which path. */
interface FileEntry {
  readonly resource: Resource
  readonly document: number
  readonly path: Path
  readonly written: ReadonlySet<string>
}

interface FileEntries {
  readonly entries: readonly FileEntry[]
  readonly problems: readonly Problem[]
}

/** Of this process: what a text says depends on nothing but the text. */
const remembered = rememberTexts<readonly FileEntry[]>()

/** Never throws for what people wrote: every problem of every file comes back, each with its place. */
export function parseResources(files: readonly ResourceFile[]): ParsedFiles {
  const read = files.map(({ name, text }) => readYaml(name, text))
  return together(read.map(file => ({ file, ...toEnd(parsing(file)) })))
}

/**
 * The same, while others have their turn. Files that were read before, and had no problem, are not read again. Throws `RESOURCE_INVALID`, with
 * every problem as `file:line:column`.
 */
export async function readResources(files: readonly ResourceFile[]): Promise<PlacedResource[]> {
  const known = await givingWay(looking(files))
  const read = (await readYamlFiles(files.filter((_, index) => known[index] === undefined))).values()
  const parsed: ({ file: YamlFile } & FileEntries)[] = []
  for (const [index, { name, text }] of files.entries()) {
    const entries = known[index]
    if (entries !== undefined) {
      parsed.push({ file: placedAgain(name, text, entries), entries, problems: [] })
      continue
    }
    const file = read.next().value!
    const found = await givingWay(parsing(file))
    if (found.problems.length === 0) remembered.set(text, found.entries)
    parsed.push({ file, ...found })
  }
  const { resources, problems } = together(parsed)
  if (problems.length > 0) throwProblems('RESOURCE_INVALID', problems)
  return resources
}

function* looking(files: readonly ResourceFile[]): Generator<void, (readonly FileEntry[] | undefined)[]> {
  const found: (readonly FileEntry[] | undefined)[] = []
  for (const { text } of files) {
    found.push(remembered.get(text))
    yield
  }
  return found
}

/** Its places are looked up in the text, as always. */
function placedAgain(name: string, text: string, entries: readonly FileEntry[]): YamlFile {
  const documents = (entries.at(-1)?.document ?? -1) + 1
  return placed(name, text, { values: Array.from({ length: documents }), problems: [] })
}

function together(files: readonly ({ file: YamlFile } & FileEntries)[]): ParsedFiles {
  const resources = files.flatMap(({ file, entries }) =>
    entries.map(({ resource, document, path, written }) => ({
      ...{ ...resource, written },
      at: placing(file.documents[document]!, path),
    })),
  )
  return { resources, problems: [...files.flatMap(({ problems }) => problems), ...findTwins(resources)] }
}

function placing(document: YamlDocument, path: Path): PlacedResource['at'] {
  return (inside, message) => document.problemAt([...path, ...inside], message)
}

function* parsing(file: YamlFile): Generator<void, FileEntries> {
  const entries: FileEntry[] = []
  const problems = [...file.problems]
  for (const [index, document] of file.documents.entries()) {
    for (const { entry, path } of entriesOf(document)) {
      const parsed = parseEntry(document, entry, path)
      if ('problems' in parsed) problems.push(...parsed.problems)
      else entries.push({ ...parsed, document: index, path })
      yield
    }
  }
  return { entries, problems }
}

function entriesOf({ value }: YamlDocument): { entry: unknown; path: Path }[] {
  if (value === null || value === undefined) return []
  return Array.isArray(value) ? value.map((entry, index) => ({ entry, path: [index] })) : [{ entry: value, path: [] }]
}

function parseEntry(
  document: YamlDocument,
  entry: unknown,
  path: Path,
): Omit<FileEntry, 'document' | 'path'> | { problems: Problem[] } {
  const at = placing(document, path)
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return { problems: [at([], `A resource is a map with a kind (${RESOURCE_KINDS.join(', ')}) and its fields.`)] }
  }
  const { kind, ...fields } = entry as Record<string, unknown>
  if (!isKind(kind)) {
    const guess = nearest(String(kind), RESOURCE_KINDS)
    const meant = guess === undefined ? '' : `; did you mean ${guess}?`
    const text = kind === undefined ? 'kind is missing' : `kind: "${String(kind)}" is not known${meant}`
    return { problems: [at(['kind'], `${text} (${RESOURCE_KINDS.join(', ')}).`)] }
  }
  const checked = validate(document, SCHEMAS[kind], fields, path)
  if (!checked.ok) return { problems: checked.problems }
  const resource = { kind, value: checked.value } as Resource
  const problems = [...checkWritten(kind, fields), ...checkResource(resource)].map(({ path: inside, message }) =>
    at(inside, message),
  )
  return problems.length > 0 ? { problems } : { resource, written: new Set(Object.keys(fields)) }
}

function isKind(kind: unknown): kind is ResourceKind {
  return RESOURCE_KINDS.includes(kind as ResourceKind)
}

/** The same resource twice would make the result depend on the order of the files. */
function findTwins(resources: readonly PlacedResource[]): Problem[] {
  const seen = new Map<string, PlacedResource>()
  const problems: Problem[] = []
  for (const resource of resources) {
    const { at } = resource
    const name = nameOf(resource.kind, resource.value.name)
    const twin = seen.get(name)
    if (twin === undefined) seen.set(name, resource)
    else {
      const first = twin.at(['name'], name)
      problems.push(at(['name'], `The ${name} is described already at ${first.file}:${first.line}: keep one of them.`))
    }
  }
  return problems
}
