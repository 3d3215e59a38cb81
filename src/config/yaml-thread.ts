/** A thread that reads YAML (`yaml-files.ts` starts it): file after file, as they are sent. */

import { parentPort } from 'node:worker_threads'
import { readValues } from './yaml-source.ts'

export interface YamlRequest {
  readonly name: string
  readonly text: string
}

// The parser asks its environment for a switch at each token, and of a thread's own environment that is slow.
process.env = {}

const port = parentPort!
port.on('message', ({ name, text }: YamlRequest) => port.postMessage(readValues(name, text)))
