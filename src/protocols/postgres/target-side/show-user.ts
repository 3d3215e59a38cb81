/** Says at the target who stands behind the shared account: in `application_name`, in settings of the gateway's own, or not at all. */

import type { PostgresTarget } from '../target.ts'

/** NAMEDATALEN, less the NUL: what a server keeps of an application name. */
const MOST_NAME_LENGTH = 63
const APPLICATION_NAME = 'application_name'

/**
 * The client's startup settings, and who it is. The person stands before what the client calls itself, so that neither a long name
 * nor one that looks like another person's hides them. Servers have the name in ASCII (pg_clean_ascii).
 */
export function showUser(
  settings: ReadonlyMap<string, string>,
  { user, session }: { readonly user: string; readonly session: string },
  places: PostgresTarget['showUserIn'],
): Map<string, string> {
  const shown = new Map(settings)
  if (places.includes(APPLICATION_NAME)) {
    let own = ''
    // Names of settings are the same in any case; the last one counts.
    for (const [name, value] of settings) {
      if (name.toLowerCase() !== APPLICATION_NAME) continue
      own = value
      shown.delete(name)
    }
    const text = `${user} via sallyport${own === '' ? '' : `: ${own}`}`
    shown.set(APPLICATION_NAME, text.replace(/[^\x20-\x7e]/gu, '?').slice(0, MOST_NAME_LENGTH))
  }
  if (places.includes('setting')) {
    shown.set('sallyport.user', user)
    shown.set('sallyport.session', session)
  }
  return shown
}
