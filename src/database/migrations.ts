/**
 * What brings a store from one version to the next: the same statements on SQLite and PostgreSQL.
 *
 * How tables change: a migration that was released is never edited; a new one is added at the end (`0002-…`), with its table types
 * in `schema.ts`. It only adds: a table, an index, a column that is nullable or has a default. So the version before, still
 * running beside the new one on the same PostgreSQL, works on. What is no longer used is dropped one release later.
 */

import { type CreateTableBuilder, type Kysely, type Migration, sql } from 'kysely'
import { canonicalHost } from '../shared/network/canonical-host.ts'
import { jsonText } from './json-text.ts'
import type { TargetTable } from './schema.ts'
import { slices } from './slices.ts'

const resource = (table: CreateTableBuilder<string, never>) =>
  table
    .addColumn('name', 'text', column => column.primaryKey())
    .addColumn('document', 'text', column => column.notNull())
    .addColumn('updated_at', 'bigint', column => column.notNull())

async function first(database: Kysely<never>): Promise<void> {
  const { schema } = database
  for (const name of ['users', 'roles', 'targets']) {
    await resource(schema.createTable(name) as CreateTableBuilder<string, never>).execute()
  }
  await schema
    .createTable('factors')
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('value', 'text', column => column.notNull())
    .addColumn('last_step', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('updated_at', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('factors_key', ['user', 'kind'])
    .execute()
  await schema
    .createTable('credentials')
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('version', 'bigint', column => column.notNull())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('sealed', 'text', column => column.notNull())
    .addColumn('created_at', 'bigint', column => column.notNull())
    .addColumn('created_by', 'text', column => column.notNull())
    .addPrimaryKeyConstraint('credentials_key', ['account', 'target', 'version'])
    .execute()
  await schema
    .createTable('leases')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('session', 'text', column => column.notNull())
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('credential_version', 'bigint', column => column.notNull())
    .addColumn('started_at', 'bigint', column => column.notNull())
    .addColumn('until', 'bigint', column => column.notNull())
    .addColumn('ended_at', 'bigint')
    .execute()
  await schema.createIndex('leases_by_session').on('leases').column('session').execute()
  await schema
    .createTable('sessions')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('gateway', 'text', column => column.notNull())
    .addColumn('protocol', 'text', column => column.notNull())
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('role', 'text', column => column.notNull())
    .addColumn('source', 'text', column => column.notNull())
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('started_at', 'bigint', column => column.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('end_reason', 'text')
    .addColumn('recording', 'text', column => column.notNull())
    .addColumn('recording_hash', 'text')
    .addColumn('recording_bytes', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('details', 'text', column => column.notNull())
    .execute()
  await schema.createIndex('sessions_by_state').on('sessions').columns(['state', 'gateway']).execute()
  await schema.createIndex('sessions_by_start').on('sessions').column('started_at').execute()
  await schema.createIndex('sessions_by_user').on('sessions').columns(['user', 'started_at']).execute()
  await schema.createIndex('sessions_by_target').on('sessions').columns(['target', 'started_at']).execute()
  await schema
    .createTable('audit_events')
    .addColumn('seq', 'bigint', column => column.primaryKey())
    .addColumn('at', 'bigint', column => column.notNull())
    .addColumn('gateway', 'text', column => column.notNull())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('actor', 'text', column => column.notNull())
    .addColumn('session', 'text')
    .addColumn('data', 'text', column => column.notNull())
    .addColumn('previous', 'text', column => column.notNull())
    .addColumn('hash', 'text', column => column.notNull())
    .addColumn('signature', 'text', column => column.notNull())
    .execute()
  await schema.createIndex('audit_events_by_session').on('audit_events').columns(['session', 'seq']).execute()
  await schema.createIndex('audit_events_by_actor').on('audit_events').columns(['actor', 'seq']).execute()
  await schema.createIndex('audit_events_by_kind').on('audit_events').columns(['kind', 'seq']).execute()
  await schema.createIndex('audit_events_by_time').on('audit_events').column('at').execute()
  await schema
    .createTable('audit_head')
    .addColumn('id', 'bigint', column => column.primaryKey())
    .addColumn('seq', 'bigint', column => column.notNull())
    .addColumn('hash', 'text', column => column.notNull())
    .execute()
  await database
    .insertInto('audit_head' as never)
    .values({ id: 1, seq: 0, hash: '' } as never)
    .execute()
  await schema
    .createTable('gateways')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('seen_at', 'bigint', column => column.notNull())
    .execute()
  await schema
    .createTable('sealed_keys')
    .addColumn('name', 'text', column => column.primaryKey())
    .addColumn('public', 'text', column => column.notNull())
    .addColumn('sealed', 'text', column => column.notNull())
    .addColumn('created_at', 'bigint', column => column.notNull())
    .execute()
  await schema
    .createTable('api_tokens')
    .addColumn('hash', 'text', column => column.primaryKey())
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('scopes', 'text', column => column.notNull())
    .addColumn('created_at', 'bigint', column => column.notNull())
    .addColumn('expires_at', 'bigint')
    .execute()
}

/** Two administrators at once must not make two tokens of one name: revoking would then mean both. */
async function tokenNames({ schema }: Kysely<never>): Promise<void> {
  await schema.createIndex('api_tokens_by_name').on('api_tokens').column('name').unique().execute()
}

/**
 * Credentials are bound to the target that they were confirmed for. `bound` is the material in that form; `sealed` stays as it was for
 * gateways of the version before.
 */
async function credentialBindings({ schema }: Kysely<never>): Promise<void> {
  await schema.alterTable('credentials').addColumn('bound', 'text').execute()
  await schema
    .createTable('credential_bindings')
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('sealed', 'text', column => column.notNull())
    .addPrimaryKeyConstraint('credential_bindings_key', ['account', 'target'])
    .execute()
}

/** A token's row is sealed by the vault: one that was written by hand is no token. */
async function sealedTokens({ schema }: Kysely<never>): Promise<void> {
  await schema.alterTable('api_tokens').addColumn('sealed', 'text').execute()
}

async function doctorRound(database: Kysely<never>): Promise<void> {
  await database.schema
    .createTable('doctor_round')
    .addColumn('id', 'bigint', column => column.primaryKey())
    .addColumn('finished_at', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('claimed_by', 'text', column => column.notNull().defaultTo(''))
    .addColumn('claimed_until', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('counts', 'text', column => column.notNull().defaultTo('{}'))
    .addColumn('read_up_to', 'text', column => column.notNull().defaultTo(''))
    .addColumn('chain_seq', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('chain_hash', 'text', column => column.notNull().defaultTo(''))
    .execute()
  await database
    .insertInto('doctor_round' as never)
    .values({ id: 1 } as never)
    .execute()
}

/** Audit events wait here in the transaction of the change that they tell of. */
async function outbox({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('audit_outbox')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('at', 'bigint', column => column.notNull())
    .addColumn('gateway', 'text', column => column.notNull())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('actor', 'text', column => column.notNull())
    .addColumn('session', 'text')
    .addColumn('data', 'text', column => column.notNull())
    .execute()
  await schema
    .createTable('mended')
    .addColumn('name', 'text', column => column.primaryKey())
    .addColumn('cursor', 'text', column => column.notNull())
    .execute()
  await schema
    .createIndex('leases_open')
    .on('leases')
    .column('started_at')
    .where('ended_at' as never, 'is', null)
    .execute()
}

async function favourites({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('favourites')
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('marked_at', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('favourites_key', ['user', 'account', 'target'])
    .execute()
}

/** They go with their user, also where a gateway of the version before removes them: whoever gets the name later inherits none. */
async function personalTokens({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('personal_tokens')
    .addColumn('hash', 'text', column => column.primaryKey())
    .addColumn('user', 'text', column => column.notNull().references('users.name').onDelete('cascade'))
    .addColumn('name', 'text', column => column.notNull())
    .addColumn('scopes', 'text', column => column.notNull())
    .addColumn('made', 'text', column => column.notNull())
    .addColumn('created_at', 'bigint', column => column.notNull())
    .addColumn('expires_at', 'bigint', column => column.notNull())
    .addColumn('first_used_at', 'bigint')
    .addColumn('sealed', 'text', column => column.notNull())
    .execute()
  await schema.createIndex('personal_tokens_by_name').on('personal_tokens').columns(['user', 'name']).unique().execute()
}

/** A lease may belong to a check-out in place of a session. */
async function checkOutLeases({ schema }: Kysely<never>): Promise<void> {
  await schema.alterTable('leases').addColumn('check_out', 'text').execute()
}

/**
 * The newest version and the one in force are two things: `in_force` says, unsealed, where to begin to read. What earlier gateways bound is in
 * force where it is the newest.
 */
async function credentialVersions(database: Kysely<never>): Promise<void> {
  const { schema } = database
  for (const column of ['cause', 'trigger', 'identity', 'verified_result', 'public']) {
    await schema.alterTable('credentials').addColumn(column, 'text').execute()
  }
  for (const column of ['copy_of', 'current_at', 'verified_at']) {
    await schema.alterTable('credentials').addColumn(column, 'bigint').execute()
  }
  await schema
    .alterTable('credentials')
    .addColumn('pinned', 'bigint', column => column.notNull().defaultTo(0))
    .execute()
  await schema.alterTable('credential_bindings').addColumn('in_force', 'bigint').execute()
  await sql`
    update credential_bindings set in_force = (
      select max(version) from credentials
      where credentials.account = credential_bindings.account and credentials.target = credential_bindings.target
    )`.execute(database)
  await schema
    .createIndex('leases_by_version')
    .on('leases')
    .columns(['account', 'target', 'credential_version', 'started_at'])
    .execute()
}

async function jobs({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('jobs')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('key', 'text', column => column.notNull())
    .addColumn('payload', 'text', column => column.notNull())
    .addColumn('due_at', 'bigint', column => column.notNull())
    .addColumn('planned_at', 'bigint', column => column.notNull())
    .addColumn('attempts', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('last_error', 'text')
    .addColumn('failed_at', 'bigint')
    .addColumn('given_up_at', 'bigint')
    .addColumn('claimed_by', 'text')
    .addColumn('claimed_until', 'bigint', column => column.notNull().defaultTo(0))
    .addColumn('again_at', 'bigint')
    .addColumn('again_payload', 'text')
    .execute()
  await schema.createIndex('jobs_by_key').on('jobs').columns(['kind', 'key']).unique().execute()
  await schema.createIndex('jobs_by_time').on('jobs').columns(['kind', 'due_at']).execute()
  await schema.createIndex('jobs_due').on('jobs').columns(['due_at', 'id']).execute()
  await schema
    .createIndex('jobs_claimed')
    .on('jobs')
    .column('claimed_by')
    .where('claimed_by' as never, 'is not', null)
    .execute()
}

/** Which one-time code of an account was given out last, so that none is sent twice. */
async function codeSteps({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('code_steps')
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('last_step', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('code_steps_key', ['account', 'target'])
    .execute()
}

async function rotationPolicies({ schema }: Kysely<never>): Promise<void> {
  await resource(schema.createTable('rotation_policies') as CreateTableBuilder<string, never>).execute()
}

/**
 * Rotations: one row each, at most one open for an account; and how each account's credential stands at its target. `claimed_until`: the
 * gateway that goes on with it has it so long.
 */
async function rotations({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('rotations')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('way', 'text', column => column.notNull())
    .addColumn('from_version', 'bigint', column => column.notNull())
    .addColumn('to_version', 'bigint', column => column.notNull())
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('trigger', 'text', column => column.notNull())
    .addColumn('by', 'text', column => column.notNull())
    .addColumn('connector', 'text', column => column.notNull())
    .addColumn('policy', 'text')
    .addColumn('attempt', 'bigint', column => column.notNull())
    .addColumn('changes', 'bigint', column => column.notNull())
    .addColumn('tries', 'bigint', column => column.notNull())
    .addColumn('next_at', 'bigint', column => column.notNull())
    .addColumn('words', 'text', column => column.notNull())
    .addColumn('started_at', 'bigint', column => column.notNull())
    .addColumn('updated_at', 'bigint', column => column.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('gateway', 'text', column => column.notNull())
    .addColumn('claimed_until', 'bigint', column => column.notNull())
    .execute()
  await schema
    .createIndex('rotations_open')
    .unique()
    .on('rotations')
    .columns(['account', 'target'])
    .where('ended_at' as never, 'is', null)
    .execute()
  await schema.createIndex('rotations_by_account').on('rotations').columns(['account', 'target', 'id']).execute()
  await schema
    .createTable('credential_states')
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('words', 'text', column => column.notNull())
    .addColumn('failures', 'bigint', column => column.notNull())
    .addColumn('rotated_at', 'bigint')
    .addColumn('verified_at', 'bigint')
    .addColumn('verified_result', 'text')
    .addColumn('updated_at', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('credential_states_key', ['account', 'target'])
    .execute()
  await schema
    .createIndex('credential_states_not_ok')
    .on('credential_states')
    .column('state')
    .where('state' as never, '<>', 'ok')
    .execute()
}

/** Programs that are told of an account's credential, and which version each has. */
async function dependents({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('dependent_states')
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('program', 'text', column => column.notNull())
    .addColumn('version', 'bigint')
    .addColumn('failed_version', 'bigint')
    .addColumn('words', 'text', column => column.notNull())
    .addColumn('tries', 'bigint', column => column.notNull())
    .addColumn('failed_since', 'bigint')
    .addColumn('updated_at', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('dependent_states_key', ['account', 'target', 'program'])
    .execute()
}

/** Who has which account for a time, and who waits for one. `check_out_turns` has the row that changes of one account are serialised by. */
async function checkOuts({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('check_outs')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('exclusive', 'bigint', column => column.notNull())
    .addColumn('way', 'text', column => column.notNull())
    .addColumn('open_sessions', 'text', column => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('ticket', 'text')
    .addColumn('source', 'text', column => column.notNull())
    .addColumn('proven', 'text', column => column.notNull())
    .addColumn('gateway', 'text', column => column.notNull())
    .addColumn('started_at', 'bigint', column => column.notNull())
    .addColumn('until', 'bigint', column => column.notNull())
    .addColumn('revealed_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('end_reason', 'text')
    .addColumn('ended_by', 'text')
    .execute()
  const open = (name: string) =>
    schema
      .createIndex(name)
      .on('check_outs')
      .where('ended_at' as never, 'is', null)
  await open('check_outs_one_exclusive')
    .unique()
    .columns(['account', 'target'])
    .where('exclusive' as never, '=', 1 as never)
    .execute()
  await open('check_outs_one_a_user').unique().columns(['account', 'target', 'user']).execute()
  await open('check_outs_open').column('until').execute()
  await schema
    .createIndex('check_outs_by_account')
    .on('check_outs')
    .columns(['target', 'account', 'ended_at'])
    .execute()
  await schema.createIndex('check_outs_by_user').on('check_outs').columns(['user', 'started_at']).execute()
  await schema.createIndex('check_outs_by_start').on('check_outs').column('started_at').execute()
  await schema
    .createTable('check_out_queue')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('asked_at', 'bigint', column => column.notNull())
    .addColumn('offered_until', 'bigint')
    .execute()
  await schema
    .createIndex('check_out_queue_by_account')
    .on('check_out_queue')
    .columns(['account', 'target', 'user'])
    .unique()
    .execute()
  await schema
    .createTable('check_out_turns')
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('turn', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('check_out_turns_key', ['account', 'target'])
    .execute()
  await schema
    .createIndex('leases_open_by_account')
    .on('leases')
    .columns(['target', 'account'])
    .where('ended_at' as never, 'is', null)
    .execute()
}

async function rotationBatches({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('rotation_batches')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('by', 'text', column => column.notNull())
    .addColumn('selection', 'text', column => column.notNull())
    .addColumn('parallel', 'bigint', column => column.notNull())
    .addColumn('stop_after', 'bigint')
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('words', 'text', column => column.notNull())
    .addColumn('started_at', 'bigint', column => column.notNull())
    .addColumn('ended_at', 'bigint')
    .execute()
  await schema
    .createTable('rotation_batch_entries')
    .addColumn('batch', 'text', column => column.notNull())
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('words', 'text', column => column.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('place', 'bigint')
    .addPrimaryKeyConstraint('rotation_batch_entries_key', ['batch', 'account', 'target'])
    .execute()
  await schema
    .createIndex('rotation_batch_entries_by_place')
    .on('rotation_batch_entries')
    .columns(['batch', 'place'])
    .execute()
}

/** Credentials in the order in which they are listed. */
async function credentialsByTarget({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createIndex('credentials_by_target')
    .on('credentials')
    .columns(['target', 'account', 'version'])
    .execute()
  await schema
    .createIndex('credential_bindings_by_target')
    .on('credential_bindings')
    .columns(['target', 'account'])
    .execute()
}

/** What cannot wait is done before what is due. */
async function urgentJobs({ schema }: Kysely<never>): Promise<void> {
  await schema
    .alterTable('jobs')
    .addColumn('urgent', 'bigint', column => column.notNull().defaultTo(0))
    .execute()
  await schema.createIndex('jobs_by_urgency').on('jobs').columns(['kind', 'urgent desc', 'due_at', 'id']).execute()
}

/** Few of many: found without reading all. */
async function failedJobs({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createIndex('jobs_failed')
    .on('jobs')
    .columns(['attempts', 'due_at'])
    .where('attempts' as never, '>', 0)
    .execute()
}

/** What the sessions of a gateway are compared with each second: found without reading what has ended long since. */
async function watchedCheckOuts({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createIndex('check_outs_open_by_target')
    .on('check_outs')
    .column('target')
    .where('ended_at' as never, 'is', null)
    .execute()
  await schema.createIndex('check_outs_by_end').on('check_outs').column('ended_at').execute()
}

async function notifications({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('notifications')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('subject', 'text', column => column.notNull())
    .addColumn('lines', 'text', column => column.notNull())
    .addColumn('link', 'text')
    .addColumn('at', 'bigint', column => column.notNull())
    .execute()
  await schema.createIndex('notifications_by_time').on('notifications').column('at').execute()
  await schema
    .createTable('notification_deliveries')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('notification', 'text', column => column.notNull())
    .addColumn('channel', 'text', column => column.notNull())
    .addColumn('user', 'text')
    .addColumn('at', 'bigint', column => column.notNull())
    .addColumn('delivered_at', 'bigint')
    .addColumn('dropped', 'text')
    .execute()
  await schema
    .createIndex('notification_deliveries_by_notification')
    .on('notification_deliveries')
    .column('notification')
    .execute()
  await schema.createIndex('notification_deliveries_by_time').on('notification_deliveries').column('at').execute()
  await schema
    .createTable('notification_preferences')
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('channel', 'text', column => column.notNull())
    .addColumn('wanted', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('notification_preferences_key', ['user', 'kind', 'channel'])
    .execute()
  await schema
    .createTable('notification_marks')
    .addColumn('key', 'text', column => column.primaryKey())
    .addColumn('value', 'bigint', column => column.notNull())
    .execute()
}

/** Sessions that rest on a request, found by it. */
async function sessionRequests({ schema }: Kysely<never>): Promise<void> {
  await schema.alterTable('sessions').addColumn('request', 'text').execute()
  await schema
    .createIndex('sessions_by_request')
    .on('sessions')
    .column('request')
    .where('request' as never, 'is not', null)
    .execute()
}

/** What people ask for: see `access-requests/request.ts`. */
async function accessRequests({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('access_requests')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('kind', 'text', column => column.notNull())
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('revision', 'bigint', column => column.notNull())
    .addColumn('role', 'text', column => column.notNull())
    .addColumn('offer', 'text', column => column.notNull())
    .addColumn('wish', 'text', column => column.notNull())
    .addColumn('given', 'text')
    .addColumn('extension_of', 'text')
    .addColumn('asked_at', 'bigint', column => column.notNull())
    .addColumn('stage', 'bigint', column => column.notNull())
    .addColumn('stage_since', 'bigint', column => column.notNull())
    .addColumn('expires_at', 'bigint', column => column.notNull())
    .addColumn('starts_at', 'bigint')
    .addColumn('ends_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('ended_by', 'text')
    .addColumn('words', 'text')
    .addColumn('withdrawn', 'bigint', column => column.notNull().defaultTo(0))
    .execute()
  await schema.createIndex('access_requests_by_user').on('access_requests').columns(['user', 'state']).execute()
  await schema.createIndex('access_requests_by_state').on('access_requests').columns(['state', 'expires_at']).execute()
  await schema.createIndex('access_requests_by_time').on('access_requests').columns(['asked_at', 'id']).execute()
  await schema
    .createTable('access_decisions')
    .addColumn('request', 'text', column => column.notNull())
    .addColumn('approver', 'text', column => column.notNull())
    .addColumn('stage', 'bigint', column => column.notNull())
    .addColumn('decision', 'text', column => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('by_rule', 'text', column => column.notNull())
    .addColumn('factors', 'text', column => column.notNull())
    .addColumn('decided_at', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('access_decisions_key', ['request', 'stage', 'approver'])
    .execute()
  await schema.createIndex('access_decisions_by_approver').on('access_decisions').column('approver').execute()
}

/** How late it surely is, for what is deleted by its age. */
async function retentionTime({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('retention_time')
    .addColumn('id', 'bigint', column => column.primaryKey())
    .addColumn('at', 'bigint', column => column.notNull())
    .execute()
}

/** Accounts that are the same login: targets by their host, and those that a check-out is of besides its own. */
async function sameLogins(database: Kysely<never>): Promise<void> {
  const { schema } = database
  await schema
    .createIndex('targets_by_host')
    .on('targets')
    .expression(sql`(lower(${jsonText(database, 'document', 'host')}))`)
    .execute()
  await schema.alterTable('check_outs').addColumn('also', 'text').execute()
  await schema
    .createIndex('check_outs_of_several')
    .on('check_outs')
    .column('ended_at')
    .where('also' as never, 'is not', null)
    .execute()
}

/** What is told of a version is sealed, too. */
async function sealedFacts({ schema }: Kysely<never>): Promise<void> {
  await schema.alterTable('credentials').addColumn('facts', 'text').execute()
}

/** Many that wait for one person come in one message. */
async function carriedNotifications({ schema }: Kysely<never>): Promise<void> {
  await schema.alterTable('notification_deliveries').addColumn('carried_by', 'text').execute()
  await schema
    .createIndex('notification_deliveries_waiting')
    .on('notification_deliveries')
    .columns(['channel', 'user', 'id'])
    .where('carried_by' as never, 'is', null)
    .execute()
  await schema
    .createIndex('notification_deliveries_by_carrier')
    .on('notification_deliveries')
    .column('carried_by')
    .execute()
}

/** Sessions of users who may have one at a time: who is first, and which are live. */
async function sessionTurns({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('session_turns')
    .addColumn('user', 'text', column => column.primaryKey())
    .addColumn('turn', 'bigint', column => column.notNull())
    .execute()
  await schema
    .createIndex('sessions_live_by_user')
    .on('sessions')
    .column('user')
    .where('ended_at' as never, 'is', null)
    .execute()
}

/** Rules by which requests are reviewed when they are asked, and what they said. */
async function reviewRules({ schema }: Kysely<never>): Promise<void> {
  await resource(schema.createTable('review_rules') as CreateTableBuilder<string, never>).execute()
  await schema.alterTable('access_requests').addColumn('review', 'text').execute()
  await schema
    .alterTable('access_requests')
    .addColumn('asks_more', 'bigint', column => column.notNull().defaultTo(0))
    .execute()
}

/** A host is found however it is written: `::1` and `0:0:0:0:0:0:0:1`. */
async function serverHosts(database: Kysely<never>): Promise<void> {
  const { schema } = database
  const targets = database as unknown as Kysely<{ targets: TargetTable }>
  await schema.alterTable('targets').addColumn('server_host', 'text').execute()
  await schema.createIndex('targets_by_server_host').on('targets').column('server_host').execute()
  const stored = await targets.selectFrom('targets').select(['name', 'document']).execute()
  const names = Map.groupBy(stored, ({ document }) => canonicalHost(JSON.parse(document).host))
  for (const [server_host, those] of names) {
    for (const some of slices(those.map(({ name }) => name)))
      await targets.updateTable('targets').set({ server_host }).where('name', 'in', some).execute()
  }
}

/** Changes of resources that wait for a second person. */
async function proposals({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('proposals')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('revision', 'bigint', column => column.notNull())
    .addColumn('proposer', 'text', column => column.notNull())
    .addColumn('user', 'text')
    .addColumn('token', 'text')
    .addColumn('request', 'text')
    .addColumn('reason', 'text')
    .addColumn('digest', 'text', column => column.notNull())
    .addColumn('changes', 'bigint', column => column.notNull())
    .addColumn('content', 'text', column => column.notNull())
    .addColumn('effect', 'text', column => column.notNull())
    .addColumn('asked_at', 'bigint', column => column.notNull())
    .addColumn('expires_at', 'bigint', column => column.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('ended_by', 'text')
    .addColumn('words', 'text')
    .addColumn('withdrawn', 'bigint', column => column.notNull().defaultTo(0))
    .execute()
  await schema.createIndex('proposals_by_state').on('proposals').columns(['state', 'asked_at']).execute()
  await schema.createIndex('proposals_by_request').on('proposals').column('request').execute()
  await schema
    .createTable('proposal_decisions')
    .addColumn('proposal', 'text', column => column.notNull())
    .addColumn('approver', 'text', column => column.notNull())
    .addColumn('decision', 'text', column => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('by_rule', 'text', column => column.notNull())
    .addColumn('factors', 'text', column => column.notNull())
    .addColumn('decided_at', 'bigint', column => column.notNull())
    .addPrimaryKeyConstraint('proposal_decisions_key', ['proposal', 'approver'])
    .execute()
}

/** Sessions that somebody must watch: those that wait for one, and those that are open. */
async function moderatedSessions({ schema }: Kysely<never>): Promise<void> {
  await schema
    .createTable('moderated_sessions')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('gateway', 'text', column => column.notNull())
    .addColumn('protocol', 'text', column => column.notNull())
    .addColumn('user', 'text', column => column.notNull())
    .addColumn('account', 'text', column => column.notNull())
    .addColumn('target', 'text', column => column.notNull())
    .addColumn('role', 'text', column => column.notNull())
    .addColumn('request', 'text')
    .addColumn('source', 'text', column => column.notNull())
    .addColumn('demands', 'text', column => column.notNull())
    .addColumn('state', 'text', column => column.notNull())
    .addColumn('since_ms', 'bigint', column => column.notNull())
    .addColumn('waits_until_ms', 'bigint', column => column.notNull())
    .execute()
}

/** What was seen when access that was given for a time was over, and what that is looked for by. */
async function attestations({ schema }: Kysely<never>): Promise<void> {
  await schema.alterTable('sessions').addColumn('at_target', 'text').execute()
  await schema.alterTable('sessions').addColumn('closed', 'text').execute()
  await schema.alterTable('check_outs').addColumn('request', 'text').execute()
  await schema
    .createTable('access_attestations')
    .addColumn('request', 'text', column => column.primaryKey())
    .addColumn('at', 'bigint', column => column.notNull())
    .addColumn('document', 'text', column => column.notNull())
    .execute()
  await schema.createIndex('check_outs_by_request').on('check_outs').column('request').execute()
}

/** Filled forms for what people ask for often. */
async function requestTemplates({ schema }: Kysely<never>): Promise<void> {
  await resource(schema.createTable('request_templates') as CreateTableBuilder<string, never>).execute()
}

/** What gateways of one store must agree on, as each of them has it. */
async function gatewaySettings({ schema }: Kysely<never>): Promise<void> {
  await schema.alterTable('gateways').addColumn('settings', 'text').execute()
}

export const migrations: Record<string, Migration> = {
  '0001-first': { up: first },
  '0002-token-names': { up: tokenNames },
  '0003-credential-bindings': { up: credentialBindings },
  '0004-sealed-tokens': { up: sealedTokens },
  '0005-doctor-round': { up: doctorRound },
  '0006-outbox': { up: outbox },
  '0007-favourites': { up: favourites },
  '0008-personal-tokens': { up: personalTokens },
  '0009-check-out-leases': { up: checkOutLeases },
  '0010-credential-versions': { up: credentialVersions },
  '0011-jobs': { up: jobs },
  '0012-code-steps': { up: codeSteps },
  '0013-rotation-policies': { up: rotationPolicies },
  '0014-rotations': { up: rotations },
  '0015-dependents': { up: dependents },
  '0016-check-outs': { up: checkOuts },
  '0017-rotation-batches': { up: rotationBatches },
  '0018-credentials-by-target': { up: credentialsByTarget },
  '0019-urgent-jobs': { up: urgentJobs },
  '0020-failed-jobs': { up: failedJobs },
  '0021-watched-check-outs': { up: watchedCheckOuts },
  '0022-notifications': { up: notifications },
  '0023-session-requests': { up: sessionRequests },
  '0024-access-requests': { up: accessRequests },
  '0025-retention-time': { up: retentionTime },
  '0026-same-logins': { up: sameLogins },
  '0027-sealed-facts': { up: sealedFacts },
  '0028-carried-notifications': { up: carriedNotifications },
  '0029-session-turns': { up: sessionTurns },
  '0030-review-rules': { up: reviewRules },
  '0031-server-hosts': { up: serverHosts },
  '0032-proposals': { up: proposals },
  '0033-moderated-sessions': { up: moderatedSessions },
  '0034-attestations': { up: attestations },
  '0035-request-templates': { up: requestTemplates },
  '0036-gateway-settings': { up: gatewaySettings },
}
