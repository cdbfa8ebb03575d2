/**
 * The closed list of what a reason can be about. Add a line here before you give a reason by it, then its words where the compiler asks for
 * them (`app/text`); a code once shipped keeps its meaning.
 */
import { errorCodes } from './errors.ts';

/** Codes that only reasons have. A reason may carry the code of an error too: what a call fails with is why something is refused. */
const ownCodes = [
  // policy: may it
  'policy.allowed',
  'policy.agent.unbound',
  'policy.agent.uncertain',
  'policy.agent.no_reach',
  'policy.agent.drift',
  'policy.app.unknown',
  'policy.identity.not_yours',
  'policy.contract.apps',
  'policy.contract.schedule',
  'policy.contract.maxSessions',
  'policy.contract.requireMfaWithinSeconds',
  'policy.contract.grantSeconds',
  'policy.contract.approval',
  'policy.local.unreadable',
  'policy.local.not_permitted',
  'policy.local.forbidden',
  'policy.local.failed',
  'permission.dial',
  'posture.failed',
  'posture.mfa_to_dial',
  'posture.mfa_to_host',
  'approvals.refused',
  // posture: what a check asks for
  'posture.os',
  'posture.process',
  'posture.processes',
  'posture.domain',
  'posture.mac',
  'posture.mfa',
  // the way to a service and from it
  'intercept.layer2',
  'hosting.layer2',
  'hosting.accepted',
  'ziti.dial.no_terminator_named',
  'engine.loop',
  // the steps of `why` that pass
  'why.name.idle',
  'why.name.claimed',
  'why.application.any',
  'why.application.named',
  'why.identity.works',
  'why.service.known',
  'why.permission.granted',
  'why.posture.none',
  'why.posture.passing',
  'why.quarantine.none',
  'why.contract.none',
  'why.contract.allows',
  'why.local.none',
  'why.router.connected',
  'why.terminator.online',
  'why.terminator.unknown',
  'why.skipped',
  // sessions: what happens in one and how it ends
  'session.opened',
  'session.consumer_ended',
  'session.provider_ended',
  'session.not_readable',
  'session.by_hand',
  'session.bytes_used',
  'session.duration_over',
  'session.schedule_over',
  'session.idle',
  'session.local_rules',
  'session.lost_dial',
  'session.lost_host',
  'session.identity_disabled',
  'session.identity_removed',
  'session.identity_locked',
  'session.stopped',
  'session.not_recordable',
  'session.approval_over',
  // guards
  'guard.mcp.not_visible',
  'guard.mcp.too_large',
  'guard.mcp.answer_unreadable',
  'guard.mcp.unparseable',
  'guard.data.unavailable',
  'guard.mcp.ask_failed',
  'guard.http.not_visible',
  'guard.http.unparseable',
  'guard.http.too_large',
  'guard.http.budget_used',
  'guard.modbus.unparseable',
  'guard.modbus.answer',
  'guard.floor.unparseable',
  'guard.floor.opaque',
  // detectors and alerts
  'alert.violation',
  'alert.fleet.silent',
  'alert.fleet.back',
  'alert.fleet.less',
  'alert.fleet.forked',
  'alert.fleet.tampered',
  'alert.fleet.new-key',
  'breaker.failures',
  'breaker.violations',
  'breaker.denials',
  'breaker.calls',
  'baseline.new-service',
  'baseline.hour',
  'baseline.volume',
  'baseline.new-tool',
  'baseline.rate',
  'baseline.errors',
  // the host
  'net.firewall.blocked',
  'net.dns.fight',
  'mode.asked',
  'mode.tun_able',
  'mode.no_tun',
  'mode.tun_failed',
  // the record: how it was altered
  'audit.witness_diverged',
  'audit.fault.torn',
  'audit.fault.altered',
  'audit.fault.unreadable',
  'audit.fault.missing',
  'audit.fault.other',
  'audit.fault.chain',
  'audit.fault.anchor_damaged',
  'audit.fault.anchor_missing',
  'audit.fault.anchor_unsigned',
  'audit.fault.cut',
  'audit.fault.head',
  'audit.fault.signature',
  'audit.fault.no_journal',
  'audit.fault.first',
  'audit.fault.rewritten',
  'audit.fault.signers',
  'audit.fault.uncertified',
  'audit.fault.unsigned',
  'audit.fault.witness_lost',
  'audit.fault.witness_changed',
  'audit.fault.witness_other',
  // what came from outside under a code that this build does not know
  'reason.unknown',
] as const;

/** Every code that a reason can have. */
export const reasonCodes = [...errorCodes, ...ownCodes] as const;
/** A member of the closed list {@link reasonCodes}. */
export type ReasonCode = (typeof reasonCodes)[number];

const known: ReadonlySet<string> = new Set(reasonCodes);

/** True for a code of the closed list. */
export function isReasonCode(code: string): code is ReasonCode {
  return known.has(code);
}
