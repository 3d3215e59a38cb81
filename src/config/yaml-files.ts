/** Reads YAML files: many at once, on threads of their own, so that a gateway that is sent thousands of resources goes on meanwhile. */

import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { placed, readValues, type YamlFile, type YamlValues } from './yaml-source.ts'
import type { YamlRequest } from './yaml-thread.ts'

/** Less is read sooner than a thread starts. In characters. */
const FEW = 128 * 1024
const MOST_THREADS = 4

/** In the order of the files. Never rejects for what is written in them. */
export async function readYamlFiles(files: readonly YamlRequest[]): Promise<YamlFile[]> {
  const size = files.reduce((sum, { text }) => sum + text.length, 0)
  const values = size <= FEW ? files.map(({ name, text }) => readValues(name, text)) : await readOnThreads(files, size)
  return files.map(({ name, text }, index) => placed(name, text, values[index]!))
}

async function readOnThreads(files: readonly YamlRequest[], size: number): Promise<YamlValues[]> {
  const values: YamlValues[] = []
  const waiting = files.entries()
  const count = Math.min(files.length, Math.ceil(size / FEW), availableParallelism(), MOST_THREADS)
  await Promise.all(
    Array.from({ length: count }, async () => {
      // No flags of the main thread's: a loader or a profiler is for the code there.
      const thread = new Worker(new URL('./yaml-thread.ts', import.meta.url), { execArgv: [], env: {} })
      try {
        for (const [index, file] of waiting) {
          thread.postMessage({ name: file.name, text: file.text } satisfies YamlRequest)
          ;[values[index]] = (await once(thread, 'message')) as [YamlValues]
        }
      } finally {
        await thread.terminate()
      }
    }),
  )
  return values
}
