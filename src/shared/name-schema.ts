/** The schema of a user's, account's, target's or role's name, in files and in the API. */

import { z } from 'zod'
import { NAME_PATTERN } from './names.ts'

export const nameSchema = z.string().regex(NAME_PATTERN, 'a name has letters, digits, ".", "_" and "-", at most 64')
