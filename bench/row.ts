/** One line of the result: what was measured, on which way, and whether it reaches what it must. */

/** The ways to the target: none in between, the peers that this gateway is compared with, and it under stricter terms. */
export const WAYS = ['direct', 'ProxyJump', 'HAProxy', 'PgBouncer', 'Sallyport', 'before relay'] as const
export type Way = (typeof WAYS)[number]

export interface Row {
  readonly group: string
  readonly name: string
  readonly unit: 's' | 'ms' | 'tps' | '/s' | '/min' | 'MB/s' | 'µs' | 'MB' | 'KB'
  readonly values: Partial<Record<Way, number>>
  /** What must hold for `Sallyport`: its ratio to another way, or its own value. */
  readonly target?: Target
}

export interface Target {
  readonly of?: Way
  readonly atMost?: number
  readonly atLeast?: number
}

/** What `target` looks at: the ratio, or the value itself. */
export function judged({ values, target }: Row): number | undefined {
  const own = values.Sallyport
  if (target === undefined || own === undefined) return undefined
  const other = target.of === undefined ? 1 : values[target.of]
  return other === undefined ? undefined : own / other
}

export function isReached(row: Row): boolean | undefined {
  const value = judged(row)
  if (value === undefined) return undefined
  const { atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY } = row.target!
  return value <= atMost && value >= atLeast
}
