/** Which keys a zod schema knows at a place: for "did you mean". */

import type { z } from 'zod'

/** The part of zod's definitions (https://zod.dev/packages/core) that is walked here. */
interface Definition {
  readonly type: string
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly getter?: () => z.ZodType
  readonly element?: z.ZodType
  readonly valueType?: z.ZodType
  readonly shape?: Record<string, z.ZodType>
  readonly options?: readonly z.ZodType[]
  readonly discriminator?: string
}

const definitionOf = (schema: z.ZodType) => schema._zod.def as unknown as Definition

/** The keys of the object that stands at `path` in `schema`; `value` tells which variant of a union is meant. */
export function knownKeys(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  return [...new Set(variants(schema, value).flatMap(variant => keysOf(definitionOf(variant), path, value)))]
}

function keysOf(definition: Definition, [key, ...rest]: readonly PropertyKey[], value: unknown): string[] {
  if (key === undefined) return Object.keys(definition.shape ?? {})
  const next = definition.element ?? definition.valueType ?? definition.shape?.[key as string]
  return next === undefined ? [] : knownKeys(next, rest, (value as Record<PropertyKey, unknown> | undefined)?.[key])
}

/** Takes off what wraps a schema (optional, default, transform), and chooses among a union's options. */
function variants(schema: z.ZodType, value: unknown): z.ZodType[] {
  const { innerType, in: input, getter, options, discriminator } = definitionOf(schema)
  const wrapped = innerType ?? input ?? getter?.()
  if (wrapped !== undefined) return variants(wrapped, value)
  if (options === undefined) return [schema]
  const tag = discriminator === undefined ? undefined : (value as Record<string, unknown> | undefined)?.[discriminator]
  const fitting = options.filter(option => {
    const tagSchema = discriminator === undefined ? undefined : definitionOf(option).shape?.[discriminator]
    return tag === undefined || tagSchema === undefined || tagSchema.safeParse(tag).success
  })
  return (fitting.length > 0 ? fitting : options).flatMap(option => variants(option, value))
}
