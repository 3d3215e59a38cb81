/** The tables, as Kysely types. Times are milliseconds since the epoch; documents are JSON text; blobs are base64url text. */

import type { ColumnType } from 'kysely'

export interface Schema {
  users: ResourceTable
  roles: ResourceTable
  targets: TargetTable
  factors: FactorTable
  credentials: CredentialTable
  credential_bindings: CredentialBindingTable
  code_steps: CodeStepTable
  leases: LeaseTable
  sessions: SessionTable
  session_turns: SessionTurnTable
  moderated_sessions: ModeratedSessionTable
  audit_events: AuditEventTable
  audit_head: AuditHeadTable
  audit_outbox: AuditOutboxTable
  mended: RepairTable
  gateways: GatewayTable
  sealed_keys: SealedKeyTable
  api_tokens: ApiTokenTable
  personal_tokens: PersonalTokenTable
  doctor_round: DoctorRoundTable
  favourites: FavouriteTable
  jobs: JobTable
  rotation_policies: ResourceTable
  review_rules: ResourceTable
  request_templates: ResourceTable
  rotation_batches: RotationBatchTable
  rotation_batch_entries: RotationBatchEntryTable
  rotations: RotationTable
  credential_states: CredentialStateTable
  dependent_states: DependentStateTable
  retention_time: RetentionTimeTable
  check_outs: CheckOutTable
  check_out_queue: CheckOutQueueTable
  check_out_turns: CheckOutTurnTable
  notifications: NotificationTable
  notification_deliveries: NotificationDeliveryTable
  notification_preferences: NotificationPreferenceTable
  notification_marks: NotificationMarkTable
  access_requests: AccessRequestTable
  access_decisions: AccessDecisionTable
  proposals: ProposalTable
  proposal_decisions: ProposalDecisionTable
  access_attestations: AccessAttestationTable
}

/** What was seen when the access of a request was over. `document`: see `access-requests/attest/attestation.ts`. */
export interface AccessAttestationTable {
  request: string
  at: number
  document: string
}

/** A declared resource: `document` is what its schema (user, role, target, rotation policy) parses. */
export interface ResourceTable {
  name: string
  document: string
  updated_at: number
}

/** `server_host`: the same text for the same host, however it is written; an earlier version leaves it out. */
export interface TargetTable extends ResourceTable {
  server_host: string | null
}

/** `kind`: password (argon2id in PHC form) or totp (its secret); both sealed by the vault. */
export interface FactorTable {
  user: string
  kind: string
  value: string
  /** totp: the last time step whose code was accepted; a code of this step or before is refused. */
  last_step: number
  updated_at: number
}

/**
 * One row a version: the material sealed under a data key of its own, which is wrapped by the key encryption key. `bound` is good for one
 * identity of the target; `sealed`, for none, is what earlier gateways wrote (empty for what this one writes). What has a default or may be
 * null is not in rows of earlier gateways.
 */
export interface CredentialTable {
  account: string
  target: string
  version: number
  kind: string
  sealed: string
  bound: string | null
  created_at: number
  created_by: string
  /** Why it was stored, for `rotated` by which trigger, and for `restored` which version it holds again. */
  cause: string | null
  trigger: string | null
  copy_of: number | null
  /** The identity that `bound` is good for: JSON. Nobody gains by changing it, since it then does not open. */
  identity: string | null
  /** When it came in force; null: never, or by an earlier gateway. */
  current_at: number | null
  verified_at: number | null
  verified_result: string | null
  pinned: ColumnType<number, number | undefined, number>
  /** The public half of a private key, sealed for this version. */
  public: string | null
  /** What the columns beside the secret say, sealed for this version; null: an earlier gateway stored it. */
  facts: ColumnType<string | null, string | null | undefined, string | null>
}

/**
 * One row an account: which version is in force, and the identity of the target that it was confirmed for, sealed. `in_force` says the
 * version as well, for whoever looks for its row; earlier gateways do not keep it.
 */
export interface CredentialBindingTable {
  account: string
  target: string
  sealed: string
  in_force: number | null
}

/** The last step (RFC 6238 §4.2) whose one-time code was given out for an account. */
export interface CodeStepTable {
  account: string
  target: string
  last_step: number
}

export interface LeaseTable {
  id: string
  /** Empty where a check-out has it. */
  session: string
  check_out: string | null
  user: string
  account: string
  target: string
  credential_version: number
  started_at: number
  until: number
  ended_at: number | null
}

export interface SessionTable {
  id: string
  gateway: string
  protocol: string
  user: string
  account: string
  target: string
  role: string
  /** The approved request that it rests on; null: none, or not known to gateways of before. */
  request: string | null
  source: string
  /** connecting, active or ended */
  state: string
  started_at: number
  ended_at: number | null
  end_reason: string | null
  /** The recording's file name, relative to the recordings folder, and the hash that its seal signs. */
  recording: string
  recording_hash: string | null
  recording_bytes: number
  details: string
  /** JSON: what the target knows its connection by; null: it never came so far, or an earlier version began it. */
  at_target: string | null
  /** JSON: which sides' sockets were seen to be closed at its end; null: nobody has looked. */
  closed: string | null
}

export interface AuditEventTable {
  seq: number
  at: number
  gateway: string
  kind: string
  actor: string
  session: string | null
  data: string
  previous: string
  hash: string
  signature: string
}

/** Events that were stored with the change they tell of, and have no place in the chain yet. `id` sorts by time. */
export interface AuditOutboxTable {
  id: string
  at: number
  gateway: string
  kind: string
  actor: string
  session: string | null
  data: string
}

/** Repairs that are done once in a store: how far each has come. */
export interface RepairTable {
  name: string
  cursor: string
}

/** One row, `id` 1: the end of the chain. Changed by compare-and-swap, so that several gateways make one chain. */
export interface AuditHeadTable {
  id: number
  seq: number
  hash: string
}

/** The gateways that use this store, and when each one last said so: see `gateways.ts`. */
export interface GatewayTable {
  id: string
  seen_at: number
  /** Digests of what all must have alike, by name; null: a worker, or a gateway of before. */
  settings: string | null
}

/** Keys of the gateway's own (signing key, host key, TLS key), sealed by the vault. */
export interface SealedKeyTable {
  name: string
  public: string
  sealed: string
  created_at: number
}

/** `made`: JSON of how: the factors that were proven, and the address. `sealed` covers all but `first_used_at`. */
export interface PersonalTokenTable {
  hash: string
  user: string
  name: string
  scopes: string
  made: string
  created_at: number
  expires_at: number
  first_used_at: number | null
  sealed: string
}

/**
 * `hash` is SHA-256 of the token, hex; the token itself is shown once and stored nowhere. `sealed`: the same facts, sealed by the vault for
 * this hash; null in rows of earlier versions.
 */
export interface ApiTokenTable {
  hash: string
  name: string
  user: string
  scopes: string
  created_at: number
  expires_at: number | null
  sealed: string | null
}

/** One row, `id` 1: the doctor's daily round. One gateway claims it; `counts` (JSON, by code) is what it found. */
export interface DoctorRoundTable {
  id: number
  finished_at: number
  claimed_by: string
  claimed_until: number
  counts: string
  /** The session up to which recordings were read whole; the next round goes on behind it. */
  read_up_to: string
  /** Up to where the audit log was whole. */
  chain_seq: number
  chain_hash: string
}

/** One row, `id` 1: how late it was, surely, when the last round deleted what was too old. */
export interface RetentionTimeTable {
  id: number
  at: number
}

/** The accounts that a user wants to see first. */
export interface FavouriteTable {
  user: string
  account: string
  target: string
  marked_at: number
}

/** What must happen by itself, one row for a kind and a key. See `schedule/job.ts`. */
export interface JobTable {
  id: string
  kind: string
  key: string
  /** JSON */
  payload: string
  due_at: number
  planned_at: number
  /** 1: before all of its kind that are due and are not. */
  urgent: number
  /** Failures in a row; the words of the last one, and when it was. */
  attempts: number
  last_error: string | null
  failed_at: number | null
  given_up_at: number | null
  /** Who runs it, and until when nobody else does: the gateway, `#`, and what is new with every claim. */
  claimed_by: string | null
  claimed_until: number
  /** Planned while it ran: it comes again. */
  again_at: number | null
  again_payload: string | null
}

/** One row a rotation, which is open while `ended_at` is null. `rotation/rotation.ts` has the states. */
export interface RotationTable {
  id: string
  account: string
  target: string
  /** rotate, or reconcile: by another account, while nothing that is kept logs in. */
  way: string
  from_version: number
  /** The candidate's. */
  to_version: number
  state: string
  trigger: string
  by: string
  connector: string
  policy: string | null
  /** Of candidates. */
  attempt: number
  /** Of this candidate: how often its change was begun. */
  changes: number
  /** How often in a row the target did not answer. */
  tries: number
  /** Not tried again before. */
  next_at: number
  /** What was last said about it, by the target or by the gateway. */
  words: string
  started_at: number
  updated_at: number
  ended_at: number | null
  /** Which gateway goes on with it, and until when it has it for itself. */
  gateway: string
  claimed_until: number
}

/** A program that is told of an account's credential. */
export interface DependentStateTable {
  account: string
  target: string
  program: string
  /** That it has; null: none. */
  version: number | null
  /** That it was told of last, and did not take; null: nothing is wrong. */
  failed_version: number | null
  words: string
  /** In a row. */
  tries: number
  failed_since: number | null
  updated_at: number
}

/** How the credential of an account stands at its target, by what was last tried. */
export interface CredentialStateTable {
  account: string
  target: string
  /** ok, failed or unknown */
  state: string
  words: string
  /** In a row. */
  failures: number
  rotated_at: number | null
  verified_at: number | null
  /** works, refused, changed-elsewhere or unreachable */
  verified_result: string | null
  updated_at: number
}

/** An account that a person has for a time. Open until `ended_at`, and never beyond `until`. */
export interface CheckOutTable {
  id: string
  user: string
  account: string
  target: string
  /** 1: nobody else may have it. */
  exclusive: number
  /** inject or reveal */
  way: string
  /** What became of others' sessions when it began: refuse, tell or end. */
  open_sessions: string
  reason: string | null
  ticket: string | null
  /** What it was decided by: whether it may go on is decided by the same. `proven` has commas. */
  source: string
  proven: string
  gateway: string
  started_at: number
  until: number
  /** Other accounts that are the same login, as `admin@web-01 root@www`; not there: none was. */
  also?: string | null
  /** The approved request that it rests on; null: none, or an earlier version began it. */
  request: string | null
  /** When the credential was shown to the person. */
  revealed_at: number | null
  ended_at: number | null
  end_reason: string | null
  ended_by: string | null
}

/** Who waits for an account, in the order of `asked_at` and `id`. */
export interface CheckOutQueueTable {
  id: string
  user: string
  account: string
  target: string
  asked_at: number
  /** It is their turn until then. */
  offered_until: number | null
}

/** One row a user whose sessions were ever limited: whoever begins such a session takes a turn first. */
export interface SessionTurnTable {
  user: string
  turn: number
}

/** One row a session that somebody must watch, from its waiting to its end. `demands`: JSON; `state`: waiting or begun. */
export interface ModeratedSessionTable {
  id: string
  gateway: string
  protocol: string
  user: string
  account: string
  target: string
  role: string
  request: string | null
  source: string
  demands: string
  state: string
  since_ms: number
  waits_until_ms: number
}

/** One row an account that was ever checked out: whoever changes its check-outs takes a turn first. */
export interface CheckOutTurnTable {
  account: string
  target: string
  turn: number
}

/** What somebody asks for. `wish` (asked for) and `given` (by what was approved; null: not approved) are JSON. */
export interface AccessRequestTable {
  id: string
  /** access, or permanent */
  kind: string
  user: string
  state: string
  /** Grows with every change, which compares it. */
  revision: number
  role: string
  offer: string
  wish: string
  given: string | null
  /** The request that gets more time by it. */
  extension_of: string | null
  asked_at: number
  /** The step of the approval that it waits for, from 0, and since when. */
  stage: number
  stage_since: number
  /** Until then it is decided; once approved: until then it is used, where the time counts from first use. */
  expires_at: number
  starts_at: number | null
  ends_at: number | null
  ended_at: number | null
  ended_by: string | null
  words: string | null
  /** What the review rules said when it was asked, as JSON. */
  review: string | null
  /** 1: it has a further step, by that. */
  asks_more: number
  /** 1: something that it rests on was gone, if only for a moment. Whatever the state says, it gives nothing, to whoever has the name by now; `words` may say why. */
  withdrawn: number
}

export interface AccessDecisionTable {
  request: string
  approver: string
  stage: number
  /** approve or deny */
  decision: string
  reason: string | null
  /** By which approver of the offer they might: `role:leads`. */
  by_rule: string
  /** What was proven anew for it; with commas. */
  factors: string
  decided_at: number
}

/** A change of resources that waits for a second person: see `proposals/proposal.ts`. `content` and `effect` are JSON. */
export interface ProposalTable {
  id: string
  state: string
  /** Grows with every change, which compares it. */
  revision: number
  /** person, token, owner or request */
  proposer: string
  user: string | null
  token: string | null
  request: string | null
  reason: string | null
  /** Of the content: the same change is not proposed twice at a time. */
  digest: string
  /** How many resources it changes. */
  changes: number
  content: string
  effect: string
  asked_at: number
  expires_at: number
  ended_at: number | null
  ended_by: string | null
  words: string | null
  /** 1: its user was removed. */
  withdrawn: number
}

export interface ProposalDecisionTable {
  proposal: string
  approver: string
  /** approve or deny */
  decision: string
  reason: string | null
  /** By which approver of the configuration they might: `role:security`. */
  by_rule: string
  /** What was proven anew for it. */
  factors: string
  decided_at: number
}

/** Many accounts that somebody has rotated: see `rotation/batches/`. `selection` is JSON. */
export interface RotationBatchTable {
  id: string
  by: string
  selection: string
  parallel: number
  stop_after: number | null
  /** running, stopped or done */
  state: string
  words: string
  started_at: number
  ended_at: number | null
}

export interface RotationBatchEntryTable {
  batch: string
  account: string
  target: string
  state: string
  words: string
  started_at: number | null
  /** The how many'th of the batch that came to an end. */
  place: number | null
}

/** What somebody is to be told. */
export interface NotificationTable {
  id: string
  kind: string
  subject: string
  /** JSON: lines of text. */
  lines: string
  /** JSON: where more of it is to be seen. */
  link: string | null
  at: number
}

/** One notification by one channel to one person, or (`user` is null) to whom the channel itself reaches. Its job in `jobs` has its tries. */
export interface NotificationDeliveryTable {
  id: string
  notification: string
  channel: string
  user: string | null
  at: number
  delivered_at: number | null
  /** Nobody is to be told any more: why. */
  dropped: string | null
  /** In whose message it comes: its own, or another's to the same. Null: no try has begun. */
  carried_by: string | null
}

/** What a person wants to be told of, and by which channel; of what is not in it, everything. `kind` and `channel`: `*` is each. */
export interface NotificationPreferenceTable {
  user: string
  kind: string
  channel: string
  wanted: number
}

/** What was told lately, and is not said again soon; and up to which audit event alerts were told. */
export interface NotificationMarkTable {
  key: string
  value: number
}
