/** What the audit log holds: a closed set of kinds. */

export type AuditKind =
  | 'gateway.started'
  | 'gateway.stopped'
  | 'worker.died'
  /** It asked for what no worker asks for: it may be taken over. */
  | 'worker.refused'
  | 'clock.jumped'
  | 'clock.differs'
  | 'login.refused'
  | 'login.accepted'
  /** It waits to be let in, until somebody has decided. */
  | 'login.waiting'
  | 'user.locked'
  | 'user.unlocked'
  | 'connection.refused'
  | 'decision.granted'
  | 'decision.denied'
  | 'lease.started'
  | 'lease.ended'
  | 'check-out.started'
  | 'check-out.extended'
  | 'check-out.ended'
  | 'check-out.refused'
  | 'check-out.queued'
  | 'check-out.offered'
  | 'check-out.left-queue'
  | 'credential.revealed'
  | 'access-request.asked'
  | 'access-request.approved-by-one'
  | 'access-request.escalated'
  | 'access-request.approved'
  | 'access-request.denied'
  | 'access-request.expired'
  | 'access-request.cancelled'
  | 'access-request.began'
  | 'access-request.extended'
  | 'access-request.ended'
  | 'access-request.revoked'
  | 'access-request.refused'
  | 'calendar.unreadable'
  | 'calendar.readable'
  /** What was seen when its access was over. */
  | 'access-request.attested'
  | 'session.started'
  | 'session.end-moved'
  | 'session.ended'
  | 'session.refused'
  | 'session.hop-failed'
  | 'session.moderator-awaited'
  | 'session.moderated'
  | 'session.paused'
  | 'session.resumed'
  | 'channel.denied'
  | 'self-service.command'
  | 'self-service.opened'
  | 'target.identity-mismatch'
  | 'target.authentication-refused'
  | 'recording.replayed'
  | 'recording.exported'
  | 'recording.revealed'
  | 'recording.followed'
  | 'recording.follow-ended'
  | 'recording.sealed-as-interrupted'
  | 'recording.seal-noted'
  | 'recording.tampered'
  | 'session.kill-requested'
  | 'resources.applied'
  | 'proposal.made'
  | 'proposal.approved-by-one'
  | 'proposal.denied'
  | 'proposal.withdrawn'
  | 'proposal.expired'
  | 'proposal.outdated'
  /** Of somebody who may not decide on it, or whose second factor was wrong. */
  | 'proposal.refused'
  | 'credential.stored'
  | 'credential.generated'
  | 'credential.restored'
  | 'credential.pinned'
  | 'credential.unpinned'
  | 'credential.versions-deleted'
  | 'rotation.records-deleted'
  | 'credential.confirmed'
  | 'credential.used-for-proof'
  | 'credential.used-for-hop'
  | 'credential.used-for-rotation'
  | 'credential.verified'
  | 'credential.changed-elsewhere'
  | 'rotation.prepared'
  | 'rotation.applying'
  | 'rotation.applied'
  | 'rotation.verified'
  | 'rotation.current'
  | 'rotation.finished'
  | 'rotation.backed-out'
  | 'rotation.refused'
  | 'rotation.unknown'
  | 'rotation.postponed'
  | 'rotation.taken-over'
  | 'dependent.told'
  | 'dependent.not-told'
  | 'target.local-allowed'
  | 'credential.bound'
  | 'factor.changed'
  | 'ca.rotated'
  | 'token.created'
  | 'token.revoked'
  | 'token.sealed'
  | 'personal-token.created'
  | 'personal-token.first-used'
  | 'personal-token.revoked'
  | 'personal-token.expired'
  | 'api.refused'
  /** An answer that went on for long, cut because its caller's token or right had ended. */
  | 'api.ended'
  | 'audit.exported'
  | 'doctor.round'
  | 'credential.leaked'
  | 'rotation-batch.started'
  | 'rotation-batch.ended'
  | 'job.given-up'
  | 'job.retried'
  | 'notification.tested'
  | 'notification.retried'
  | 'notification.preference-changed'
  | 'audit.head-failed'
  | 'audit.head-sent-again'

export interface AuditEvent {
  readonly kind: AuditKind
  /** Who did it: a user's name, `owner` (the Unix socket) or `gateway`. What an unknown person typed is in `data`. */
  readonly actor: string
  readonly session?: string
  /** Facts, never secrets. */
  readonly data?: Record<string, unknown>
}

export interface Audit {
  /** Resolves when the event is durable. Throws `AUDIT_UNAVAILABLE`: what needs the event must then not happen. */
  append(event: AuditEvent): Promise<void>
}

/** Appends what waits in the outbox, too. */
export interface AuditAppender extends Audit {
  /**
   * Resolves when this gateway's events in the outbox have their place in the chain; with `living`, also those that gateways left which
   * are not among these. Throws `AUDIT_UNAVAILABLE`: they are then still in the outbox.
   */
  flush(living?: ReadonlySet<string>): Promise<void>
}
