/** Targets that could not be reached as they are to be: by a way that is none, or at an address that they may not have. */

import type { Problem } from '../config/yaml-source.ts'
import { localKindOfHost } from '../shared/network/local-address.ts'
import { findRoute } from '../targets/route.ts'
import type { Target } from '../targets/target.ts'
import { type PlacedResource, somewhere } from './parse.ts'

/** `targets`: as they will be, what the files describe and what the store keeps beside it. */
export async function findUnreachable(
  resources: readonly PlacedResource[],
  targets: ReadonlyMap<string, Target>,
): Promise<Problem[]> {
  const described = resources.flatMap(resource => (resource.kind === 'target' ? [resource] : []))
  const find = (name: string) => targets.get(name)

  const places = new Map(described.map(resource => [resource.value.name, resource]))
  const problems: Problem[] = described.flatMap(({ value, at }) => {
    const why = whyLocal(value)
    return why === undefined ? [] : [at(['host'], why)]
  })
  for (const target of targets.values()) {
    if (target.via === undefined) continue
    const route = await findRoute(target, find)
    if (route.kind === 'open') continue
    const place = places.get(route.at)
    const said = place === undefined ? undefined : place.at(['via'], route.why)
    // Each is reported once: where it is written, or for the target that nothing is written of.
    if (said === undefined) {
      const message = `The target ${target.name} could not be reached any more (via ${target.via}): ${route.why} Describe ${route.at} without it first.`
      problems.push(somewhere(resources)([], message))
    } else if (!problems.some(({ message, line }) => message === said.message && line === said.line)) {
      problems.push(said)
    }
  }
  return problems
}

function whyLocal({ host, via, allowLocal }: Target): string | undefined {
  const kind = localKindOfHost(host)
  if (kind === undefined || allowLocal === true) return undefined
  const whose = via === undefined ? "the gateway's own machine" : `the machine of ${via}`
  return `${host} is an address of ${whose} (${kind}). Where that is meant, say allowLocal: true.`
}
