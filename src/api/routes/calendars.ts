/** The calendars of the configuration, as this gateway has read them. */

import { z } from 'zod'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const stateSchema = z.object({
  calendar: z.string(),
  /** Of the copy that counts; null: none was read yet. */
  readAt: timeSchema.nullable(),
  /** From a month before that to three after. */
  shifts: z.int(),
  /** How many events of it cannot be read, and of the first of them why. */
  unreadable: z.int(),
  problems: z.array(z.string()),
  /** Why it could not be read the last time. */
  failure: z.string().nullable(),
  /** Who has a shift now: users, where the configuration names them, else as the calendar has it; null: nobody can say. */
  now: z.array(z.string()).nullable(),
  /** Whose shifts begin next, and when; null: there is none within three months, or nobody can say. */
  next: z.object({ at: timeSchema, who: z.array(z.string()) }).nullable(),
})
export type CalendarStates = { readonly calendars: z.output<typeof stateSchema>[] }

export function calendars(app: ApiRoutes, { calendars }: ApiParts): void {
  app.get(
    '/v1/calendars',
    {
      schema: {
        summary:
          'Calendars: who is on call now and who next, when this gateway read each last, and what could not be read',
        tags: ['requests'],
        response: { 200: z.object({ calendars: z.array(stateSchema) }) },
      },
    },
    async () => ({
      calendars: calendars.states().map(({ calendar, readAt, shifts, problems, failure, now, next }) => ({
        ...{ calendar, shifts, unreadable: problems.count, problems: [...problems.first] },
        ...{ readAt: readAt === undefined ? null : isoTime(readAt), failure: failure ?? null },
        now: now === undefined ? null : [...now],
        next: next === undefined ? null : { at: isoTime(next.at), who: [...next.who] },
      })),
    }),
  )
}
