/** What the gateway counts, for Prometheus. */

import { Counter, Gauge, Histogram, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client'

/** What one process counted, as data that another can add up. */
export type ProcessMetrics = MetricObjectWithValues<MetricValue<string>>[]

/** What runs in a gateway now. */
export interface Report {
  readonly sessions: number
  /** Whether connections are taken. */
  readonly taking: boolean
  /** Of each of its processes. */
  readonly metrics: readonly ProcessMetrics[]
}

export type Metrics = ReturnType<typeof createMetrics>

/** Bytes since the counter was last read: at each step a counter looks its labels up, which is too dear for every chunk. */
export interface Tally {
  in: number
  out: number
}

export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  const tallies = new Map<string, Tally>()
  return {
    registry,
    sessions: new Gauge({
      name: 'sallyport_sessions',
      help: 'Sessions that are open now',
      labelNames: ['protocol'],
      registers,
    }),
    sessionsEnded: new Counter({
      name: 'sallyport_sessions_ended_total',
      help: 'Sessions that ended, by reason',
      labelNames: ['protocol', 'reason'],
      registers,
    }),
    logins: new Counter({
      name: 'sallyport_logins_total',
      help: 'Login attempts, by result',
      labelNames: ['protocol', 'result'],
      registers,
    }),
    hops: new Counter({
      name: 'sallyport_hops_total',
      help: 'Logins to hops on the way to targets (via), by result',
      labelNames: ['result'],
      registers,
    }),
    selfService: new Counter({
      name: 'sallyport_self_service_total',
      help: 'What users asked of the gateway itself by ssh: menus, lists and commands, by result',
      labelNames: ['what', 'result'],
      registers,
    }),
    personalTokens: new Counter({
      name: 'sallyport_personal_tokens_total',
      help: 'Personal tokens that were created, used for the first time, revoked, or have expired',
      labelNames: ['what'],
      registers,
    }),
    checkOuts: new Counter({
      name: 'sallyport_check_outs_total',
      help: 'Check-outs that were started, extended, queued or revealed, and those that ended, by reason',
      labelNames: ['what'],
      registers,
    }),
    accessRequests: new Counter({
      name: 'sallyport_access_requests_total',
      help: 'What has happened to access requests: asked, approved, denied, expired, began, ended, revoked and so on',
      labelNames: ['what'],
      registers,
    }),
    waitingLogins: new Gauge({
      name: 'sallyport_logins_waiting',
      help: 'Logins that wait now until somebody has decided on what they ask for',
      registers,
    }),
    accessReviews: new Counter({
      name: 'sallyport_access_reviews_total',
      help: 'What review rules said of requests when they were asked, by outcome and rule (none: no rule matched)',
      labelNames: ['outcome', 'rule'],
      registers,
    }),
    calendarReads: new Counter({
      name: 'sallyport_calendar_reads_total',
      help: 'Readings of the calendars that say who is on call, by result',
      labelNames: ['calendar', 'result'],
      registers,
    }),
    proposals: new Counter({
      name: 'sallyport_proposals_total',
      help: 'What has happened to proposals to change resources: made, approved-by-one, applied, denied, withdrawn, expired, outdated',
      labelNames: ['what'],
      registers,
    }),
    moderation: new Counter({
      name: 'sallyport_moderated_sessions_total',
      help: 'Sessions that a moderator must watch: awaited, begun, paused and resumed',
      labelNames: ['protocol', 'what'],
      registers,
    }),
    watchers: new Counter({
      name: 'sallyport_session_watchers_total',
      help: 'How often somebody came to watch a live session, and left',
      labelNames: ['what'],
      registers,
    }),
    attestations: new Counter({
      name: 'sallyport_access_attestations_total',
      help: 'Ends of access that was given for a time, by what was seen afterwards: gone, closed, left or unknown',
      labelNames: ['result'],
      registers,
    }),
    jumps: new Counter({
      name: 'sallyport_ssh_jumps_total',
      help: 'Connections to targets that were asked for inside of a login without a target (ssh -J), by result',
      labelNames: ['result'],
      registers,
    }),
    lockouts: new Counter({
      name: 'sallyport_lockouts_total',
      help: 'Locks of a factor of a user after too many failures',
      labelNames: ['factor'],
      registers,
    }),
    connections: new Gauge({
      name: 'sallyport_connections',
      help: 'Connections that are open now, authenticated or not',
      labelNames: ['protocol'],
      registers,
    }),
    evictions: new Counter({
      name: 'sallyport_connections_evicted_total',
      help: 'Connections that were cut before their login, to make room for others',
      labelNames: ['protocol'],
      registers,
    }),
    penalties: new Counter({
      name: 'sallyport_source_penalties_total',
      help: 'Faults that count as penalties of their sources, which may be held off for them',
      labelNames: ['fault'],
      registers,
    }),
    connectionsRefused: new Counter({
      name: 'sallyport_connections_refused_total',
      help: 'Connections for which there was no slot: one source had too many, its share or all slots were taken, it is held off',
      labelNames: ['protocol', 'because'],
      registers,
    }),
    bytes: new Counter({
      name: 'sallyport_relayed_bytes_total',
      help: 'Bytes relayed, by direction as the target sees it: in is from the user',
      labelNames: ['protocol', 'direction'],
      registers,
      collect() {
        for (const [protocol, tally] of tallies) {
          this.inc({ protocol, direction: 'in' }, tally.in)
          this.inc({ protocol, direction: 'out' }, tally.out)
          tally.in = 0
          tally.out = 0
        }
      },
    }),
    /** Add to it what is relayed; `bytes` takes it over when it is read. */
    tally(protocol: string): Tally {
      const tally = tallies.get(protocol) ?? { in: 0, out: 0 }
      tallies.set(protocol, tally)
      return tally
    },
    clockJumps: new Counter({
      name: 'sallyport_clock_jumps_total',
      help: 'How often the clock was set while the gateway ran',
      labelNames: ['direction'],
      registers,
    }),
    clockOffset: new Gauge({
      name: 'sallyport_clock_offset_seconds',
      help: "How far the store's clock, the last session's start and the last audit event are ahead of the gateway's clock",
      labelNames: ['reference'],
      registers,
    }),
    clockDiffers: new Gauge({
      name: 'sallyport_clock_differs',
      help: '1 while the clock differs from the reference by so much that something may go wrong',
      labelNames: ['reference'],
      registers,
    }),
    settingsDiffer: new Gauge({
      name: 'sallyport_settings_differ',
      help: '1 while another gateway of the store has a setting otherwise that all must have alike',
      labelNames: ['setting'],
      registers,
    }),
    rotations: new Counter({
      name: 'sallyport_rotations_total',
      help: 'Rotations of credentials that came to their end, by result',
      labelNames: ['way', 'result'],
      registers,
    }),
    rotationSeconds: new Histogram({
      name: 'sallyport_rotation_seconds',
      help: 'From the begin of a rotation to its end, by result',
      labelNames: ['way', 'result'],
      buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600],
      registers,
    }),
    versionsRestored: new Counter({
      name: 'sallyport_credential_versions_restored_total',
      help: 'Earlier versions of credentials that were asked for, and those that were looked for, by what came of it',
      labelNames: ['result'],
      registers,
    }),
    versionsDeleted: new Counter({
      name: 'sallyport_credential_versions_deleted_total',
      help: 'Versions of credentials that were deleted, because they were beyond what is kept',
      registers,
    }),
    credentialAccounts: new Gauge({
      name: 'sallyport_credential_accounts',
      help: 'Accounts whose last rotation or verification failed, and those for which nothing in the vault logs in (unknown): the same on all gateways of a store',
      labelNames: ['state'],
      aggregator: 'max',
      registers,
    }),
    dependentsTold: new Counter({
      name: 'sallyport_dependents_told_total',
      help: 'How often programs were told of a new credential, by result: told or not-told',
      labelNames: ['program', 'result'],
      registers,
    }),
    dependentsWaiting: new Gauge({
      name: 'sallyport_dependents_waiting',
      help: 'Dependents that have not taken the newest credential of their account: the same on all gateways of a store',
      aggregator: 'max',
      registers,
    }),
    workerRequestsRefused: new Counter({
      name: 'sallyport_worker_requests_refused_total',
      help: 'Requests of workers that no worker makes: one may be taken over',
      registers,
    }),
    recordingsTampered: new Counter({
      name: 'sallyport_recordings_tampered_total',
      help: 'Recordings that were found to differ from the seal in the session records',
      registers,
    }),
    recorderLag: new Gauge({
      name: 'sallyport_recorder_lag_bytes',
      help: 'Bytes that wait to be written to recordings',
      registers,
    }),
    auditHeadsSent: new Counter({
      name: 'sallyport_audit_heads_sent_total',
      help: 'Heads of the audit log that were sent out, by destination',
      labelNames: ['to'],
      registers,
    }),
    auditHeadsFailed: new Counter({
      name: 'sallyport_audit_heads_failed_total',
      help: 'Tries to send a head of the audit log that failed, by destination',
      labelNames: ['to'],
      registers,
    }),
    auditHeadsWaiting: new Gauge({
      name: 'sallyport_audit_heads_waiting',
      help: 'Heads of the audit log that wait to be sent, by destination',
      labelNames: ['to'],
      registers,
    }),
    auditHeadSentAt: new Gauge({
      name: 'sallyport_audit_head_sent_timestamp_seconds',
      help: 'When a head of the audit log was last sent out, by destination',
      labelNames: ['to'],
      registers,
    }),
    doctorFindings: new Gauge({
      name: 'sallyport_doctor_findings',
      help: 'What the last daily round of the doctor found, by kind: the same on all gateways of a store',
      labelNames: ['kind'],
      aggregator: 'max',
      registers,
    }),
    doctorRoundAt: new Gauge({
      name: 'sallyport_doctor_round_timestamp_seconds',
      help: 'When the last daily round of the doctor was finished',
      aggregator: 'max',
      registers,
    }),
    jobs: new Gauge({
      name: 'sallyport_jobs',
      help: 'Scheduled jobs by kind that run in this gateway, and that are due, have failed or were given up in its store',
      labelNames: ['kind', 'state'],
      registers,
    }),
    jobsRun: new Counter({
      name: 'sallyport_jobs_run_total',
      help: 'Scheduled jobs that this gateway has run, by kind and result',
      labelNames: ['kind', 'result'],
      registers,
    }),
    notifications: new Counter({
      name: 'sallyport_notifications_total',
      help: 'Tries to deliver notifications, by channel and result: delivered, failed, or dropped because nobody is to be told any more',
      labelNames: ['channel', 'result'],
      registers,
    }),
    jobLateness: new Histogram({
      name: 'sallyport_job_lateness_seconds',
      help: 'How long after their time scheduled jobs began',
      labelNames: ['kind'],
      buckets: [0.1, 0.5, 1, 5, 30, 120, 600, 3600, 6 * 3600, 86_400],
      registers,
    }),
    handshake: new Histogram({
      name: 'sallyport_handshake_seconds',
      help: 'From the connection to the session being ready, waiting for the person not included',
      labelNames: ['protocol'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
  }
}
