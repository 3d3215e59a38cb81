/** The request templates in the store. */

import type { Database } from '../../database/database.ts'
import { createDocuments, type Documents } from '../../database/documents.ts'
import type { Clock } from '../../shared/clock.ts'
import { type RequestTemplate, requestTemplateSchema } from './request-template.ts'

export type RequestTemplates = Documents<RequestTemplate>

export function createRequestTemplates(parts: { database: Database; clock: Clock }): RequestTemplates {
  return createDocuments('request_templates', stored => requestTemplateSchema.parse(stored), parts)
}
