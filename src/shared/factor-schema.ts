/** The name of a factor, in files, settings and answers. */

import { z } from 'zod'
import { FACTORS } from './factors.ts'

export const factorSchema = z.lazy(() => z.enum(FACTORS))
