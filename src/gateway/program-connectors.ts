/** The programs that the configuration names, as connectors. */

import type { ProgramSettings } from '../config/config.ts'
import { createProgramConnector, verifyBy } from '../rotation/program/connector.ts'
import { openProgram } from '../rotation/program/open-program.ts'
import type { Connector } from '../session/connector.ts'
import type { ServedProtocol } from '../session/served-protocol.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'

/** Throws `CONFIG_INVALID` where one has the name of a protocol's connector. */
export function createProgramConnectors(
  programs: Readonly<Record<string, ProgramSettings>>,
  protocols: ReadonlyMap<string, Pick<ServedProtocol, 'connectors'>>,
  log: Log,
): Connector[] {
  const connectorsOf = (protocol: string) => protocols.get(protocol)?.connectors ?? []
  const taken = new Set([...protocols.keys()].flatMap(connectorsOf).map(({ name }) => name))
  return Object.entries(programs).map(([name, program]) => {
    if (taken.has(name)) {
      const message = `rotation.programs: ${name} is the name of a connector of the gateway's own; call the program otherwise.`
      throw new GatewayError('CONFIG_INVALID', message)
    }
    return createProgramConnector({ name, program, verifyLogin: verifyBy(connectorsOf), log })
  })
}

/** Says at the start which of them could not be run; it is looked at again each time. Never rejects. */
export async function lookAtPrograms(programs: Readonly<Record<string, ProgramSettings>>, log: Log): Promise<void> {
  for (const [program, { path, connectorOf }] of Object.entries(programs)) {
    if (connectorOf === undefined)
      log.warn(
        { program },
        `rotation.programs.${program}: without connectorOf whoever applies rotation policies can have it told the credential of any account; name those that it is meant for (connectorOf: [app@orders]), or none ([])`,
      )
    try {
      await using _ = await openProgram(path)
    } catch (error) {
      log.warn({ program }, `rotation.programs.${program}: ${messageOf(error)}`)
    }
  }
}
