/** All commands by name and group. Each file is loaded when its command is typed: a start that reads them all is half a second. */

import type { AddCommands } from './context.ts'

interface Loadable {
  /** The commands that it adds, as they are typed. */
  readonly names: readonly string[]
  load(): Promise<AddCommands>
}

const GROUPS: Readonly<Record<string, readonly Loadable[]>> = {
  'Run a gateway:': [
    { names: ['init'], load: async () => (await import('./commands/init.ts')).addInit },
    { names: ['start'], load: async () => (await import('./commands/start.ts')).addStart },
    { names: ['health'], load: async () => (await import('./commands/health.ts')).addHealth },
  ],
  'Say who may do what:': [
    { names: ['apply'], load: async () => (await import('./commands/apply.ts')).addApply },
    { names: ['proposal'], load: async () => (await import('./commands/proposal.ts')).addProposals },
    { names: ['explain'], load: async () => (await import('./commands/explain.ts')).addExplain },
    { names: ['simulate'], load: async () => (await import('./commands/simulate.ts')).addSimulate },
    { names: ['policy'], load: async () => (await import('./commands/policy.ts')).addPolicy },
  ],
  'People and systems:': [
    { names: ['user'], load: async () => (await import('./commands/user.ts')).addUsers },
    { names: ['role'], load: async () => (await import('./commands/role.ts')).addRoles },
    { names: ['target'], load: async () => (await import('./commands/target.ts')).addTargets },
    { names: ['credential'], load: async () => (await import('./commands/credential.ts')).addCredentials },
    {
      names: ['rotation-policy'],
      load: async () => (await import('./commands/rotation-policy.ts')).addRotationPolicies,
    },
    { names: ['review-rule'], load: async () => (await import('./commands/review-rule.ts')).addReviewRules },
  ],
  'Have an account for a time:': [
    {
      names: ['checkout', 'checkin', 'extend', 'checkouts'],
      load: async () => (await import('./commands/check-out.ts')).addCheckOuts,
    },
  ],
  'Ask for access, and decide:': [
    { names: ['request'], load: async () => (await import('./commands/request.ts')).addRequests },
  ],
  'What happened:': [
    { names: ['session'], load: async () => (await import('./commands/session.ts')).addSessions },
    { names: ['schedule'], load: async () => (await import('./commands/schedule.ts')).addSchedule },
    {
      names: ['notification'],
      load: async () => (await import('./commands/notification.ts')).addNotifications,
    },
    { names: ['audit'], load: async () => (await import('./commands/audit.ts')).addAudit },
    { names: ['doctor'], load: async () => (await import('./commands/doctor.ts')).addDoctor },
    { names: ['report'], load: async () => (await import('./commands/report.ts')).addReports },
  ],
  'Keys to the API:': [
    { names: ['login', 'logout', 'whoami'], load: async () => (await import('./commands/login.ts')).addLogins },
    { names: ['token'], load: async () => (await import('./commands/token.ts')).addTokens },
    { names: ['key'], load: async () => (await import('./commands/key.ts')).addKeys },
    { names: ['ca'], load: async () => (await import('./commands/ca.ts')).addAuthorities },
  ],
}

export const HEADINGS: readonly string[] = Object.keys(GROUPS)

export interface LoadedCommands {
  readonly heading: string
  readonly names: readonly string[]
  readonly add: AddCommands
}

/** What `word` begins; all of them, where no command is called that: for help, and for what somebody may have meant. */
export async function commandsFor(word: string | undefined): Promise<LoadedCommands[]> {
  const all = Object.entries(GROUPS).flatMap(([heading, some]) => some.map(one => ({ heading, ...one })))
  const meant = all.filter(({ names }) => word !== undefined && names.includes(word))
  return Promise.all(
    (meant.length > 0 ? meant : all).map(async ({ heading, names, load }) => ({ heading, names, add: await load() })),
  )
}
