import type { Database } from '../../src/database/database.ts'
import { newId } from '../../src/shared/ids.ts'

/** A session of alice as root on web-01 by the role ops, from 198.51.100.7, of a minute, that ended long ago on another gateway. `startedAt`: ms. */
export async function storeEndedSession(database: Database, startedAt: number): Promise<void> {
  await database
    .insertInto('sessions')
    .values({
      ...{ id: newId('ses', startedAt), gateway: 'gw_before', protocol: 'ssh', user: 'alice', account: 'root' },
      ...{ target: 'web-01', role: 'ops', request: null, source: '198.51.100.7', state: 'ended' },
      ...{ started_at: startedAt, ended_at: startedAt + 60_000, end_reason: 'client-closed' },
      ...{ recording: 'x', recording_hash: null, recording_bytes: 0, details: '{}' },
    })
    .execute()
}
