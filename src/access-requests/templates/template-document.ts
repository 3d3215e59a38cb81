/** Request templates as the API, `--json` and people's tables give them. */

import { durationWords } from '../../shared/durations.ts'
import type { Column } from '../../shared/text/table.ts'
import { leavesOpen, type RequestTemplate } from './request-template.ts'

export function templateDocument({ name, description, ask }: RequestTemplate) {
  const { target, targets, account, level, role, channels, databases, for: forMs, reason, ticket } = ask
  return {
    name,
    description: description ?? null,
    /** What it fills in. */
    ask: {
      target: target ?? null,
      targets: targets === undefined ? null : { names: [...(targets.names ?? [])], labels: { ...targets.labels } },
      ...{ account: account ?? null, level: level ?? null, role: role ?? null },
      channels: channels === undefined ? null : [...channels],
      databases: databases === undefined ? null : [...databases],
      for: forMs === undefined ? null : durationWords(forMs),
      ...{ reason: reason ?? null, ticket: ticket ?? null },
    },
  }
}

export type TemplateDocument = ReturnType<typeof templateDocument>

export const TEMPLATE_COLUMNS: Column<TemplateDocument>[] = [
  { title: 'TEMPLATE', value: one => one.name },
  { title: 'ASKS FOR', value: whatOf, shrinkTo: 12 },
  { title: 'FOR', value: one => one.ask.for ?? '' },
  { title: 'SAY', value: one => toSay(one).join(' ') },
  { title: 'WHAT FOR', value: one => one.description ?? '', shrinkTo: 8, optional: 1 },
]

function whatOf({ ask: { target, targets, account, level } }: TemplateDocument): string {
  const which = account ?? (level === null ? 'an account' : `level ${level}`)
  const { names = [], labels = {} } = targets ?? {}
  const where = [target ?? [], names, Object.entries(labels).map(([name, value]) => `${name}=${value}`)].flat(2)
  return where.length === 0 ? which : `${which} on ${where.join(', ')}`
}

/** What whoever asks by it must say. */
function toSay({ ask }: TemplateDocument): string[] {
  return [
    ...(ask.target === null && ask.targets === null ? ['--target'] : []),
    ...(leavesOpen(ask, 'reason') ? ['--reason'] : []),
    ...(ask.ticket !== null || leavesOpen(ask, 'ticket') ? ['--ticket'] : []),
  ]
}
