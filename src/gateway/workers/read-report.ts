/** What a worker says that it counted: of the metrics that there are, as they are, or it is no report. */

import type { Registry } from 'prom-client'
import { z } from 'zod'
import type { Report } from '../../shared/metrics.ts'

/** Longer than any label's value of ours. */
const MOST_LABEL = 128
/** So many series has one process at most: the metrics have few labels, of few values each. */
const MOST_SERIES = 5000
const MOST_PROCESSES = 4

const label = z.union([z.string().max(MOST_LABEL), z.number()])
const series = z.strictObject({
  // What is taken away would be another's count.
  value: z.number().min(0),
  labels: z.record(z.string().max(MOST_LABEL), label),
  metricName: z.string().max(MOST_LABEL).optional(),
  exemplar: z.unknown().optional(),
})
const metric = z.strictObject({
  name: z.string().max(MOST_LABEL),
  help: z.string(),
  type: z.string(),
  aggregator: z.string(),
  values: z.array(series).max(MOST_SERIES),
})
const report = z.strictObject({
  sessions: z.number().int().min(0).max(1_000_000),
  taking: z.boolean(),
  metrics: z.array(z.array(metric).max(1000)).max(MOST_PROCESSES),
})

/** Gives the report, or what is wrong with it. `registry`: of the gateway, which has the same metrics. */
export async function createReportReader(registry: Registry): Promise<(said: unknown) => Report | string> {
  const all = await registry.getMetricsAsJSON()
  const known = new Map(all.map(({ name, help, type, aggregator }) => [name, { help, type, aggregator }]))
  const labels = new Map(registry.getMetricsAsArray().map(one => [one.name, labelsOf(one)]))

  function whyNot({ name, values, ...facts }: z.output<typeof metric>): string | undefined {
    const own = known.get(name)
    // What they are is the gateway's to say.
    if (own?.help !== facts.help || String(own.type) !== facts.type || own.aggregator !== facts.aggregator)
      return 'a metric that there is not'
    for (const { labels: its, metricName = name } of values) {
      if (!/^(?:|_sum|_count|_bucket)$/.test(metricName.replace(name, ''))) return `another name within ${name}`
      if (Object.keys(its).some(one => !labels.get(name)!.has(one))) return `another label of ${name}`
    }
    return undefined
  }

  return said => {
    const parsed = report.safeParse(said)
    if (!parsed.success) return parsed.error.issues[0]?.message ?? 'no report'
    const metrics = parsed.data.metrics.flat()
    if (metrics.reduce((sum, { values }) => sum + values.length, 0) > MOST_SERIES) return 'too many series'
    for (const one of metrics) {
      const why = whyNot(one)
      if (why !== undefined) return why
    }
    return parsed.data as unknown as Report
  }
}

function labelsOf(of: object): ReadonlySet<string> {
  const { labelNames = [] } = of as { labelNames?: readonly string[] }
  return new Set([...labelNames, 'le'])
}
