/** Checks a YAML document with a zod schema; complaints name the line, what was meant, and what to do. */

import type { z } from 'zod'
import { nearest } from './nearest.ts'
import { knownKeys } from './schema-keys.ts'
import type { Path, Problem, YamlDocument } from './yaml-source.ts'

type Issue = z.core.$ZodIssue

/** `within`: the path of the value in the document, for a document that holds a list of them. */
export function validate<T>(
  document: YamlDocument,
  schema: z.ZodType<T>,
  value: unknown,
  within: Path = [],
): { ok: true; value: T } | { ok: false; problems: Problem[] } {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return { ok: true, value: result.data }
  const problems = result.error.issues.flatMap(issue => explain(issue, document, schema, value, within))
  return { ok: false, problems }
}

function explain(issue: Issue, document: YamlDocument, schema: z.ZodType, value: unknown, within: Path): Problem[] {
  const path = [...within, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path, value)
    return issue.keys.map(key => {
      const name = label([...issue.path, key])
      const text = known.includes(key)
        ? `The key ${name} cannot stand here together with the others: choose one of ${known.join(', ')}.`
        : `The key ${name} is not known${meant(key, known)}`
      return document.problemAtKey([...path, key], text)
    })
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const inner = mostFitting(issue.errors)
    return inner.flatMap(one =>
      explain({ ...one, path: [...issue.path, ...one.path] } as Issue, document, schema, value, within),
    )
  }
  const given = valueAt(value, issue.path)
  if (given === undefined) {
    return [document.problemAt(path, `${label(issue.path)} is missing${wanted(issue)}.`)]
  }
  return [document.problemAt(path, `${label(issue.path)}: ${reason(issue, given)}`)]
}

/** Of a union's branches, the one that got further than the type of the value. */
function mostFitting(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const further = branches.find(
    issues => !issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  )
  return further ?? branches[0]!
}

function reason(issue: Issue, given: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      // A schema that has words of its own says it better.
      if (!issue.message.startsWith('Invalid input')) return `${quote(given)}: ${issue.message}.`
      if (issue.expected === 'string' && (typeof given === 'number' || typeof given === 'boolean')) {
        return `expected a text, and this is ${kindOf(given)}; write it in quotes: "${given}".`
      }
      return `expected ${article(issue.expected)}, and this is ${kindOf(given)}.`
    case 'invalid_value':
      return `${quote(given)} is not one of the values${meant(String(given), issue.values.map(String))}`
    case 'invalid_union': {
      const options = (issue as { options?: unknown[] }).options ?? []
      return `${quote(given)} is not one of the values${meant(String(given), options.map(String))}`
    }
    case 'too_small':
      return issue.origin === 'array' ? 'the list must not be empty.' : `must be at least ${issue.minimum}.`
    case 'too_big':
      return `must be at most ${issue.maximum}.`
    default:
      return `${quote(given)}: ${issue.message}.`
  }
}

function wanted(issue: Issue): string {
  if (issue.code === 'invalid_value') return `: it is one of ${issue.values.join(', ')}`
  if (issue.code === 'invalid_union') {
    const options = (issue as { options?: unknown[] }).options
    return options === undefined ? '' : `: it is one of ${options.join(', ')}`
  }
  return issue.code === 'invalid_type' ? `: ${article(issue.expected)} is expected` : ''
}

function meant(given: string, known: readonly string[]): string {
  const guess = nearest(given, known)
  const list = known.length === 0 ? '' : ` (${known.join(', ')})`
  return guess === undefined ? `${list}.` : `; did you mean ${guess}?${list}`
}

function label(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the document'
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`))
    .join('')
}

function article(expected: string): string {
  const names: Record<string, string> = {
    string: 'a text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
  }
  const collections: Record<string, string> = {
    array: 'a list',
    object: 'a map of keys and values',
    record: 'a map of keys and values',
  }
  return names[expected] ?? collections[expected] ?? expected
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'boolean') return 'true or false'
  return typeof value === 'object' ? 'a map of keys and values' : typeof value === 'string' ? 'a text' : 'a number'
}

function quote(value: unknown): string {
  // A URL may carry a password.
  const text = (typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))).replace(
    /\/\/.*@/s,
    '//…@',
  )
  return `"${text.length > 60 ? `${text.slice(0, 60)}…` : text}"`
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at: unknown = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    at = (at as Record<PropertyKey, unknown>)[key]
  }
  return at
}
