/** Error codes and structured errors of the edge protocol (openziti/sdk-golang: pb/edge_client_pb/edge_client.proto, ziti/edge/messages.go). */
import { headerId } from './header-id.ts';
import type { HeaderBlock } from './header-block.ts';

/** Values of header 1014 and of a structured error's `code`. */
export const edgeErrorCode = {
  internal: 1,
  invalidApiSession: 2,
  invalidSession: 3,
  wrongSessionType: 4,
  invalidEdgeRouterForSession: 5,
  invalidService: 6,
  tunnelingNotEnabled: 7,
  invalidTerminator: 8,
  invalidPrecedence: 9,
  invalidCost: 10,
  encryptionDataMissing: 11,
  invalidApiSessionType: 12,
  invalidInstanceId: 13,
  accessDenied: 14,
  postureCheckFailed: 15,
} as const;

/** What a router advises after a failure, in the order of its numbers. */
export type RetryHint = 'default' | 'too-busy' | 'start-over' | 'not-retriable';

const retryHints: readonly RetryHint[] = ['default', 'too-busy', 'start-over', 'not-retriable'];

/** What a router says of a failure besides the body's text. */
export interface EdgeFault {
  readonly code: number | undefined;
  readonly message: string | undefined;
  readonly retryHint: RetryHint;
  /** Ids of the posture checks that stand in the way; empty where none do, or the router does not say. */
  readonly failingChecks: readonly string[];
}

/** Read headers 1033 and 1014 of a StateClosed or UpdateTokenFailure; what cannot be read is as absent. */
export function readEdgeFault(headers: HeaderBlock): EdgeFault {
  const plainCode = headers.u32(headerId.errorCode);
  const raw = headers.string(headerId.structuredError);
  const parsed = raw === undefined ? undefined : parseJsonObject(raw);
  if (parsed === undefined) return { code: plainCode, message: undefined, retryHint: 'default', failingChecks: [] };
  const { code, message, retryHint, failingPostureCheckIds } = parsed;
  return {
    code: typeof code === 'number' ? code : plainCode,
    message: typeof message === 'string' ? message : undefined,
    retryHint: (typeof retryHint === 'number' ? retryHints[retryHint] : undefined) ?? 'default',
    failingChecks: Array.isArray(failingPostureCheckIds)
      ? failingPostureCheckIds.filter((id): id is string => typeof id === 'string')
      : [],
  };
}

function parseJsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // The error is only an addition to the body's text, so an unreadable one is not worth the channel.
    return undefined;
  }
}
