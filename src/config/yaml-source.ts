/** Reads YAML so that every complaint can name its line and column. Used for the configuration and for resource files. */

import { Composer, type Document, isAlias, isCollection, isMap, isScalar, LineCounter, Parser, visit } from 'yaml'
import { type ErrorCode, GatewayError, messageOf } from '../shared/errors.ts'

/** Something wrong at a place in a file. `line` and `column` count from 1. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
}

/** Where in a document: keys and indexes from its root. */
export type Path = readonly PropertyKey[]

export interface YamlDocument {
  readonly file: string
  readonly value: unknown
  /** The problem, placed at the value of a path, or at the nearest thing around it that the document has. */
  problemAt(path: Path, message: string): Problem
  /** The same, placed at the key and not at its value. */
  problemAtKey(path: Path, message: string): Problem
}

const MAX_BYTES = 4 * 1024 * 1024
const MAX_ALIASES = 100
const MAX_DEPTH = 50

export interface YamlFile {
  readonly documents: YamlDocument[]
  readonly problems: Problem[]
}

/** What a text says, by document, as plain values; none where there is a problem. */
export interface YamlValues {
  readonly values: readonly unknown[]
  readonly problems: Problem[]
}

/** Reads all documents of a text (`---` separates them). Never throws: what cannot be read is among the problems. */
export function readYaml(file: string, text: string): YamlFile {
  return placed(file, text, readValues(file, text))
}

/** The first half of {@link readYaml}: it can be done in another thread. */
export function readValues(file: string, text: string): YamlValues {
  const early = refusal(text)
  if (early !== undefined) return { values: [], problems: [{ file, line: 1, column: 1, message: early }] }
  const lines = new LineCounter()
  const problem = placing(file, lines)
  try {
    const values: unknown[] = []
    const syntax: Problem[] = []
    const unfit: Problem[] = []
    for (const document of parse(text, lines)) {
      for (const error of [...document.errors, ...document.warnings])
        syntax.push(problem(error.pos[0], describeYamlError(error.code, error.message)))
      // A document that cannot be read says nothing for certain, of those behind it neither.
      if (syntax.length === 0) unfit.push(...nodeProblems(document, problem))
      if (syntax.length + unfit.length === 0) values.push(document.toJS({ maxAliasCount: MAX_ALIASES }))
    }
    const problems = syntax.length > 0 ? syntax : unfit
    return { values: problems.length > 0 ? [] : values, problems }
  } catch (error) {
    return { values: [], problems: [problem(0, `This YAML cannot be read: ${messageOf(error)}.`)] }
  }
}

/** The other half: the values know their places. These are looked up in the text, once one is asked for: the nodes of many documents are far more than what they say. */
export function placed(file: string, text: string, { values, problems }: YamlValues): YamlFile {
  let nodes: { readonly documents: readonly Document.Parsed[]; readonly problem: ProblemAt } | undefined
  const read = () => {
    const lines = new LineCounter()
    return { documents: Array.from(parse(text, lines)), problem: placing(file, lines) }
  }
  const at = (index: number, path: Path, message: string, wantKey: boolean) => {
    nodes ??= read()
    return nodes.problem(offsetOf(nodes.documents[index]!, path, wantKey), message)
  }
  const documents = values.map((value, index) => ({
    ...{ file, value },
    problemAt: (path: Path, message: string) => at(index, path, message, false),
    problemAtKey: (path: Path, message: string) => at(index, path, message, true),
  }))
  return { documents, problems }
}

function placing(file: string, lines: LineCounter): ProblemAt {
  return (offset, message) => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), message }
  }
}

function parse(text: string, lines: LineCounter): Generator<Document.Parsed, void> {
  const composer = new Composer({ stringKeys: true, merge: false })
  return composer.compose(new Parser(lines.addNewLine).parse(text))
}

/** Throws a GatewayError that names every problem with its place, in their order; at most 20 of them are written out. */
export function throwProblems(code: ErrorCode, problems: readonly Problem[]): never {
  const files = [...new Set(problems.map(({ file }) => file))]
  const inOrder = problems.toSorted(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  )
  const shown = inOrder.slice(0, 20).map(formatProblem)
  if (problems.length > 20) shown.push(`… and ${problems.length - 20} more`)
  throw new GatewayError(code, shown.join('\n'))
}

/** `config/sallyport.yaml:12:3: …` */
export function formatProblem({ file, line, column, message }: Problem): string {
  return `${file}:${line}:${column}: ${message}`
}

/** What must not even reach the parser, whose work grows with it. */
function refusal(text: string): string | undefined {
  if (Buffer.byteLength(text) > MAX_BYTES) return `The file is larger than ${MAX_BYTES / 1024 / 1024} MiB.`
  let depth = 0
  for (const character of text) {
    if (character === '[' || character === '{') depth++
    else if (character === ']' || character === '}') depth--
    if (depth > MAX_DEPTH) return `Brackets are nested more than ${MAX_DEPTH} deep.`
  }
  return undefined
}

type ProblemAt = (offset: number, message: string) => Problem

/**
 * Aliases may repeat a piece of the document, but neither stand for nothing, nor for themselves, nor be a flood. The key
 * `__proto__` would vanish on the way into an object: a role that lost a label so would speak of more targets than it says.
 */
function nodeProblems(document: Document.Parsed, problem: ProblemAt): Problem[] {
  const problems: Problem[] = []
  let count = 0
  visit(document, {
    Alias(_, alias, ancestors) {
      const meant = alias.resolve(document)
      const at = startOf(alias) ?? 0
      if (meant === undefined) problems.push(problem(at, `There is no &${alias.source} before this alias.`))
      else if (ancestors.includes(meant)) problems.push(problem(at, `The alias *${alias.source} stands inside itself.`))
      count++
      if (count > MAX_ALIASES) problems.push(problem(at, `There are more than ${MAX_ALIASES} aliases.`))
      return problems.length > 0 ? visit.BREAK : undefined
    },
    Pair(_, { key }) {
      if (isScalar(key) && key.value === '__proto__')
        problems.push(problem(startOf(key) ?? 0, 'No key can be __proto__.'))
    },
  })
  return problems
}

function offsetOf(document: Document.Parsed, path: Path, wantKey: boolean): number {
  let node: unknown = document.contents
  let found = startOf(node) ?? 0
  for (const [index, key] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    if (!isCollection(node)) return found
    const pair = isMap(node) ? node.items.find(item => isScalar(item.key) && item.key.value === key) : undefined
    if (wantKey && index === path.length - 1) return startOf(pair?.key) ?? found
    node = pair === undefined ? node.get(key, true) : pair.value
    found = startOf(node) ?? startOf(pair?.key) ?? found
  }
  return found
}

function startOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null | undefined)?.range?.[0]
}

function describeYamlError(code: string, message: string): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'There is a tab in the indentation: YAML wants spaces.'
    case 'DUPLICATE_KEY':
      return 'This key is there twice: keep one of them.'
    case 'NON_STRING_KEY':
      return 'A key must be a plain text.'
    case 'MULTIPLE_DOCS':
      return 'There is a second document (---) where one is expected.'
    case 'BAD_ALIAS':
      return `This is not valid YAML: a text that begins with * or & stands in quotes, for example '*'.`
    default:
      return `This is not valid YAML: ${message.split('\n')[0]!.replace(/[.:]$/, '')}.`
  }
}
