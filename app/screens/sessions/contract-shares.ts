/** What is left of a session's contract, as shares of what was granted. */
import type { ContractView, SessionView } from '../../../main/api/views.ts';

/** What is left of one term of a contract. */
export interface ContractShare {
  readonly kind: 'seconds' | 'bytes' | 'calls';
  readonly left: number;
  /** 0 to 1; 1 where the contract does not tell the whole. */
  readonly share: number;
}

/** The limits this session stands under, tightest first. Time is counted on between two reports of the engine. */
export function contractShares(
  session: SessionView,
  contract: ContractView | undefined,
  nowMs: number,
): readonly ContractShare[] {
  const { remaining } = session;
  if (remaining === undefined || session.state === 'closed') return [];
  const terms = contract?.terms ?? {};
  const shares: ContractShare[] = [];
  const add = (kind: ContractShare['kind'], left: number | undefined, whole: unknown): void => {
    if (left === undefined) return;
    shares.push({ kind, left, share: typeof whole === 'number' && whole > 0 ? left / whole : 1 });
  };
  const maxSeconds = terms['maxDurationSeconds'];
  const agedSeconds = (nowMs - Date.parse(session.startedAt)) / 1000;
  const secondsLeft =
    remaining.seconds !== undefined && typeof maxSeconds === 'number'
      ? Math.max(0, Math.min(remaining.seconds, maxSeconds - agedSeconds))
      : remaining.seconds;
  add('seconds', secondsLeft, maxSeconds);
  add('bytes', remaining.bytes, terms['maxBytes']);
  add('calls', remaining.calls, (terms['mcp'] as { maxCalls?: unknown } | undefined)?.maxCalls);
  return shares.sort((a, b) => a.share - b.share);
}
