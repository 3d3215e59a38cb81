/** Which names of databases may be written, one by one or by their beginning. */

import { z } from 'zod'

/** PostgreSQL's NAMEDATALEN, less the NUL. */
export const MOST_DATABASE_NAME_BYTES = 63
/** Databases, as roles and targets list them. Names are compared byte by byte: `Shop` is not `shop`. */
export const databasePatterns = z
  .array(
    z.string().refine(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
      text => /^[^\u0000-\u001f\u007f]+$/.test(text) && Buffer.byteLength(text) <= MOST_DATABASE_NAME_BYTES,
      'the name of a database (at most 63 bytes), or the beginning of one and "*", for example report_*',
    ),
  )
  .min(1)
