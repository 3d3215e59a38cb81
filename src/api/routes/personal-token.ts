/** Personal tokens as the API shows them: never their text. */

import { z } from 'zod'
import type { PersonalToken } from '../../identity/personal-tokens.ts'
import type { PersonalAccess } from '../../session/personal-access.ts'
import { factorSchema } from '../../shared/factor-schema.ts'
import { SCOPES } from '../../shared/scopes.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { timeSchema } from './route.ts'

const personalTokenSchema = z.object({
  name: z.string(),
  user: z.string(),
  /** What it was made for; what it is good for is less where the user's roles give less. */
  scopes: z.array(z.enum(SCOPES)),
  /** What was proven when it was made. */
  proven: z.array(factorSchema),
  madeFrom: z.string(),
  createdAt: timeSchema,
  expiresAt: timeSchema,
  firstUsedAt: timeSchema.nullable(),
})
export const personalTokensSchema = z.object({ tokens: z.array(personalTokenSchema) })
export type PersonalTokensAnswer = z.output<typeof personalTokensSchema>

export function personalTokenOf(token: PersonalToken, { endOf }: Pick<PersonalAccess, 'endOf'>) {
  const { name, user, scopes, proven, madeFrom, createdAt, firstUsedAt } = token
  return {
    ...{ name, user, scopes: [...scopes], proven: [...proven], madeFrom },
    createdAt: isoTime(createdAt),
    expiresAt: isoTime(endOf(token)),
    firstUsedAt: firstUsedAt === undefined ? null : isoTime(firstUsedAt),
  }
}
