/** The list of all routes, one file a noun. */

import type { ApiParts } from '../parts.ts'
import { audit } from './audit.ts'
import { ca } from './ca.ts'
import { calendars } from './calendars.ts'
import { checkOuts } from './check-outs.ts'
import { credentialVersions } from './credential-versions.ts'
import { credentials } from './credentials.ts'
import { doctor } from './doctor.ts'
import { enrolments } from './enrolments.ts'
import { explain } from './explain.ts'
import { health } from './health.ts'
import { keys } from './keys.ts'
import { leaks } from './leaks.ts'
import { moderatedSessions } from './moderated-sessions.ts'
import { notifications } from './notifications.ts'
import { own } from './own.ts'
import { ownCheckOuts } from './own-check-outs.ts'
import { ownNotifications } from './own-notifications.ts'
import { proposals } from './proposals.ts'
import { recordings } from './recordings.ts'
import { reports } from './reports.ts'
import { requests } from './requests.ts'
import { resources } from './resources.ts'
import { reviewRules } from './review-rules.ts'
import { roles } from './roles.ts'
import { rotationBatches } from './rotation-batches.ts'
import { rotationPolicies } from './rotation-policies.ts'
import { rotations } from './rotations.ts'
import type { ApiRoutes } from './route.ts'
import { schedule } from './schedule.ts'
import { sessions } from './sessions.ts'
import { simulate } from './simulate.ts'
import { targets } from './targets.ts'
import { tokens } from './tokens.ts'
import { users } from './users.ts'

export const routes: ((app: ApiRoutes, parts: ApiParts) => void)[] = [
  health,
  sessions,
  recordings,
  audit,
  doctor,
  schedule,
  notifications,
  credentials,
  credentialVersions,
  leaks,
  rotations,
  resources,
  proposals,
  users,
  enrolments,
  roles,
  reviewRules,
  rotationPolicies,
  rotationBatches,
  targets,
  explain,
  simulate,
  reports,
  tokens,
  own,
  ownCheckOuts,
  ownNotifications,
  moderatedSessions,
  checkOuts,
  requests,
  keys,
  ca,
  calendars,
]
