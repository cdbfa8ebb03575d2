/**
 * An engagement: what two parties agreed on under one frozen contract, as one end keeps it. Its states and close reasons in Agora's words. Pure.
 * Source: openziti/agora, docs/layer-2 (sessions, contracts): `ses_…`, proposed → accepting → active → closing → closed.
 */
import type { EngagementContract } from '../base/engagement.ts';
import type { EngagementState } from '../base/engagement-states.ts';
import type { ReasonCode } from '../base/reason-codes.ts';
import type { CloseReason } from '../base/reason.ts';

/** Why an engagement ended, in Culvert's words: those of sessions, and two that only engagements have. */
export type EngagementEnd = CloseReason | 'rejected' | 'contract_changed';

/** Who meets at which service, as this end knows it. */
export interface Party {
  readonly end: 'dial' | 'host';
  /** What stands for the identity that asks, whatever it is called. */
  readonly account: string;
  /** The identity of this end: the one that asks, or the one that hosts. */
  readonly identity: string;
  /** At the host the identity that asks, as the network vouches for it; at the dialling end what the host calls itself. */
  readonly counterparty?: string | undefined;
  readonly serviceId: string;
  readonly service: string;
}

/** One engagement as this end keeps it; plain data, JSON-safe. */
export interface Engagement extends Party {
  /** The same at both ends. */
  readonly id: string;
  /** As it was in force here when it was proposed. */
  readonly contract: EngagementContract;
  /** SHA-256 of its canonical JSON. */
  readonly contractHash: string;
  /** The same at the other end, where that has said so. */
  readonly contractHashThere?: string | undefined;
  readonly state: EngagementState;
  readonly proposedAtMs: number;
  /** The first message, by both clocks. */
  readonly startedAtMs?: number | undefined;
  readonly startedSinceBootMs?: number | undefined;
  /** Time that a person's approval gave it. */
  readonly approvedMs?: number | undefined;
  /** The question that waits for a person. */
  readonly approval?: string | undefined;
  /** When something passed last. */
  readonly lastAtMs: number;
  readonly closedAtMs?: number | undefined;
  readonly ended?: EngagementEnd | undefined;
  /** More of it in Agora's words, where a guard said more. */
  readonly endedDetail?: string | undefined;
  /** At the host: why the other end says that it closed it, which nobody here has seen. */
  readonly claimed?: EngagementEnd | undefined;
  /** What of its terms was used before it began, by those that it goes on from. */
  readonly usedBefore?: { readonly bytes: number; readonly ms: number } | undefined;
  /** How long it had run when it ended, `usedBefore` among it. */
  readonly ranMs?: number | undefined;
  /** Of the last transition, in words. */
  readonly reason: string;
  readonly messages: number;
  readonly bytes: number;
}

/** Close reasons in Agora's words, with its detail where it has one. */
export interface AgoraWords {
  readonly closeReason:
    | 'rejected'
    | 'consumer_close'
    | 'provider_close'
    | 'contract_violation'
    | 'tunnel_failed'
    | 'admin_close'
    | 'environment_disabled';
  readonly closeDetail?: string;
}

const words: Readonly<Record<EngagementEnd, AgoraWords>> = {
  rejected: { closeReason: 'rejected' },
  consumer_close: { closeReason: 'consumer_close' },
  provider_close: { closeReason: 'provider_close' },
  contract_violation: { closeReason: 'contract_violation' },
  max_duration_exceeded: { closeReason: 'contract_violation', closeDetail: 'max_duration_exceeded' },
  // Agora has neither a cap of bytes nor of silence: the detail is ours.
  max_bytes_exceeded: { closeReason: 'contract_violation', closeDetail: 'max_bytes_exceeded' },
  idle_timeout: { closeReason: 'contract_violation', closeDetail: 'idle_timeout' },
  contract_changed: { closeReason: 'provider_close', closeDetail: 'contract_changed' },
  policy_revoked: { closeReason: 'admin_close', closeDetail: 'policy_revoked' },
  quarantined: { closeReason: 'admin_close', closeDetail: 'quarantined' },
  identity_disabled: { closeReason: 'environment_disabled' },
  tunnel_failed: { closeReason: 'tunnel_failed' },
};

/** Ends after which a message opens the next one by itself; after all others somebody has to propose it. */
const renewedByDialling: ReadonlySet<EngagementEnd> = new Set([
  'idle_timeout',
  'contract_violation',
  'contract_changed',
  'tunnel_failed',
  'policy_revoked',
  'identity_disabled',
]);

/** Is there to be a proposal before anything is said under this contract again? */
export function asksForProposal({ ended, claimed = ended, contractHash }: Engagement, hash: string): boolean {
  return claimed !== undefined && contractHash === hash && !renewedByDialling.has(claimed);
}

/** Ends that the host alone brings about: what it says of the next one undoes them, and no others. */
export const endedByHost: ReadonlySet<EngagementEnd | undefined> = new Set(['provider_close', 'rejected']);

/** Time that it is approved for: what whoever hosts says, and no more than the contract gives. */
export function approvedForMs({ approval }: EngagementContract, saidMs: number | undefined): number | undefined {
  return approval === undefined ? saidMs : Math.min(saidMs ?? Infinity, approval.forSeconds * 1000);
}

/** Milliseconds that it may last from its first message; undefined: without end. */
export function lastsMs({ contract, approvedMs }: Pick<Engagement, 'contract' | 'approvedMs'>): number | undefined {
  const seconds = contract.maxDurationSeconds;
  const least = Math.min(seconds === undefined ? Infinity : seconds * 1000, approvedMs ?? Infinity);
  return least === Infinity ? undefined : least;
}

/** How Agora says that it ended so. */
export function agoraWords(end: EngagementEnd, detail?: string): AgoraWords {
  return detail === undefined ? words[end] : { ...words[end], closeDetail: detail };
}

/** What a guard found, as Agora says it. */
export const breachDetails: Readonly<Partial<Record<ReasonCode, string>>> = {
  'guard.a2a.too_large': 'envelope_size_exceeded',
  'guard.a2a.count_used': 'envelope_count_exceeded',
  'guard.a2a.type_disallowed': 'message_type_disallowed',
  'guard.a2a.frame_version': 'unknown_frame_version',
  'guard.a2a.frame_header': 'malformed_envelope_header',
};
