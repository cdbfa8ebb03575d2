/**
 * The one error type that crosses rooms and process borders, and the closed list of its codes.
 *
 * Callers match on `code`, never on text. One prefix a room; a code once shipped keeps its meaning.
 */

/** Every code Culvert can raise. Add a line here before you throw it. */
export const errorCodes = [
  // anywhere
  'base.invalid',
  'base.cancelled',
  'base.timeout',
  'base.closed',
  'base.internal',
  'base.unsupported',
  // ziti: enrolment
  'ziti.enroll.token_invalid',
  'ziti.enroll.token_expired',
  'ziti.enroll.token_reused',
  'ziti.enroll.token_foreign',
  'ziti.enroll.refused',
  'ziti.enroll.method_unsupported',
  // ziti: controller
  'ziti.controller.unreachable',
  'ziti.controller.certificate',
  'ziti.controller.clock_skew',
  'ziti.controller.unauthenticated',
  'ziti.controller.session_expired',
  'ziti.controller.refused',
  'ziti.controller.not_found',
  'ziti.controller.busy',
  'ziti.controller.malformed',
  'ziti.controller.mfa_required',
  'ziti.controller.mfa_code_wrong',
  'ziti.controller.external_login_required',
  'ziti.controller.posture_failed',
  'ziti.controller.no_edge_routers',
  // ziti: channel and edge
  'ziti.channel.closed',
  'ziti.channel.malformed',
  'ziti.channel.unreachable',
  'ziti.channel.certificate',
  'ziti.channel.rejected',
  'ziti.channel.unresponsive',
  'ziti.dial.no_terminator',
  'ziti.dial.refused',
  'ziti.dial.access_denied',
  'ziti.dial.posture_failed',
  'ziti.dial.timeout',
  'ziti.dial.session_invalid',
  'ziti.dial.encryption_missing',
  'ziti.dial.no_router',
  'ziti.dial.service_unknown',
  'ziti.dial.failed',
  'ziti.bind.refused',
  'ziti.bind.failed',
  'ziti.stream.reset',
  'ziti.stream.decrypt',
  // sockets
  'sockets.reset',
  'sockets.refused',
  'sockets.unreachable',
  'sockets.failed',
  // net
  'net.address_in_use',
  'net.listen_failed',
  'net.listen_not_loopback',
  'net.tun.unsupported',
  'net.tun.permission',
  'net.tun.failed',
  'net.route.failed',
  'net.route.collision',
  'net.dns.failed',
  'net.journal.corrupt',
  'net.journal.failed',
  // identity
  'identity.unknown',
  'identity.exists',
  'identity.name_invalid',
  'identity.corrupt',
  'identity.disabled',
  'identity.locked',
  'identity.write_failed',
  'identity.keystore_unavailable',
  'identity.keystore_locked',
  'identity.keystore_unknown',
  'identity.passphrase_missing',
  'identity.passphrase_wrong',
  'identity.certificate_expired',
  'identity.tpm_lockout',
  'identity.token_removed',
  'identity.renewal_failed',
  'identity.mfa_not_enrolled',
  'identity.mfa_exists',
  'inventory.off',
  'recording.unknown',
  'recording.unreadable',
  'recording.no_packets',
  'recording.not_reader',
  'recording.failed',
  'identity.secret_unknown',
  'identity.secret_invalid',
  // intercept and policy
  'intercept.no_match',
  'intercept.config_invalid',
  'policy.refused',
  'policy.invalid',
  'policy.quarantined',
  'policy.quarantine_unknown',
  'agora.agent_ended',
  'agora.card_invalid',
  'agora.engagement_over',
  'agora.no_contract',
  'agora.not_answered',
  'agora.not_yours',
  'agora.rejected',
  'agora.several_offers',
  'agora.too_often',
  'agora.unknown_engagement',
  'agora.unknown_offer',
  'agora.which_identity',
  'approvals.unknown',
  'approvals.answered',
  'approvals.reason_required',
  'approvals.not_yours',
  'contract.invalid',
  // session, guard, hosting
  'session.unknown',
  'session.limit',
  'guard.violation',
  'guard.unparseable',
  'hosting.config_invalid',
  'hosting.refused',
  'hosting.connect_failed',
  'hosting.answered',
  'hosting.not_bindable',
  'hosting.connection_unknown',
  'mcp.pin_unknown',
  // audit
  'audit.tampered',
  'audit.write_failed',
  'audit.export_failed',
  'audit.not_signed',
  'audit.witness_changed',
  'audit.witness_refused',
  'fleet.not_collecting',
  // engine and its socket
  'engine.not_running',
  'engine.already_running',
  'engine.not_ready',
  'engine.config_invalid',
  'engine.forbidden',
  'engine.not_permitted',
  'engine.unknown_call',
  'engine.protocol',
  'engine.busy',
  'engine.socket_untrusted',
  'engine.state_unusable',
  'engine.service_failed',
  'engine.service_needs_root',
  'engine.service_unreachable',
  // agents and their sandbox
  'agent.unknown',
  'agent.not_apart',
  'agent.key_unknown',
  'sandbox.unavailable',
  'sandbox.failed',
  // overlay, console, cli
  'overlay.invalid',
  'overlay.state_corrupt',
  'overlay.state_unwritable',
  'overlay.unknown',
  'overlay.exists',
  'console.refused',
  'console.unavailable',
  'cli.usage',
] as const;

/** A member of the closed list {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[number];

const known: ReadonlySet<string> = new Set(errorCodes);

/** True for a code of the closed list. */
export function isErrorCode(code: string): code is ErrorCode {
  return known.has(code);
}

/** Plain facts for a reader or a script; never secrets. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/**
 * An error with a stable code. `message` is one sentence for a person, `details` are facts for a script,
 * `cause` is what was caught.
 */
export class TunnelerError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TunnelerError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** True for a TunnelerError, of this code if one is given. */
export function isTunnelerError(error: unknown, code?: ErrorCode): error is TunnelerError {
  return error instanceof TunnelerError && (code === undefined || error.code === code);
}

/** Any thrown value as a TunnelerError; one that already is passes through, others take `fallback`. */
export function toTunnelerError(error: unknown, fallback: ErrorCode = 'base.internal'): TunnelerError {
  if (error instanceof TunnelerError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TunnelerError(fallback, message, { cause: error });
}
