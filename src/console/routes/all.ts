/** The list of all routes, one file a noun. */

import type { ApiParts } from '../parts.ts'
import { health } from './health.ts'
import type { ApiRoutes } from './route.ts'
import { sessions } from './sessions.ts'

export const routes: ((app: ApiRoutes, parts: ApiParts) => void | Promise<void>)[] = [health, sessions]
