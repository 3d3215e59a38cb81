/** Whether all of some are among others. */
export function isSubset<T>(some: readonly T[], all: readonly T[]): boolean {
  return some.every(one => all.includes(one))
}
