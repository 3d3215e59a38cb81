/** Sources that are never held off: for tests of what comes after the limits. */

import { createSources } from '../../src/connections/sources.ts'

export const openSources = () =>
  createSources({
    rules: {
      knownForMs: 86_400_000,
      penaltyMs: { silence: 0, failure: 0, slow: 0, violation: 0 },
      leastMs: 15_000,
      longestMs: 600_000,
    },
  })
