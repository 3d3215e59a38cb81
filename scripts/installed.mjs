/**
 * Tells whether node_modules holds what package-lock.json asks for (exit code 0) or not (1).
 * With `--runtime`, prints the folder of the pinned Node for this machine instead. Runs on the system's Node, 20 or newer.
 */
import { existsSync, readFileSync } from 'node:fs'

const runtime = `node_modules/node-${process.platform}-${process.arch}`

if (process.argv.includes('--runtime')) {
  if (!existsSync(`${runtime}/bin/node`)) process.exit(1)
  console.log(runtime)
} else {
  process.exit(isComplete() ? 0 : 1)
}

function isComplete() {
  // npm writes this file last, so an interrupted installation has none.
  if (!existsSync('node_modules/.package-lock.json') || !existsSync(`${runtime}/bin/node`)) return false
  const wanted = packagesOf('package-lock.json')
  const present = packagesOf('node_modules/.package-lock.json')
  return (
    Object.entries(wanted).every(
      ([path, entry]) => path === '' || entry.optional || entry.devOptional || present[path]?.version === entry.version,
    ) && Object.entries(present).every(([path, entry]) => wanted[path]?.version === entry.version)
  )
}

function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}
