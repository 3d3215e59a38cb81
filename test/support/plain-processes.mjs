/**
 * Loaded before a test file (.taprc). tap would have each process and thread that a test starts tell it which files it loaded, for coverage,
 * which is not measured here: the command line, a gateway and its workers took twice as long to start as they take for people.
 */

import { registerHooks } from 'node:module'

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.endsWith('/@tapjs/processinfo/dist/esm/import.mjs')
      ? { url: 'data:text/javascript,', shortCircuit: true }
      : next(specifier, context),
})
process.setSourceMapsEnabled(false)
delete process.env.NODE_OPTIONS
