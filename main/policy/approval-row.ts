/** One request as it is kept: what it is, and the clocks by which its time runs. */
import type { EngagementContract } from '../base/engagement.ts';
import { ranMs, type GrantHolder } from './grants.ts';

/** What is approved: sessions of a service (`approval`), more time for its holder (`grantSeconds`), or one held call (`mcp.ask`). */
export type ApprovalKind = 'session' | 'grant' | 'call';
/** Where a request stands; `expired` covers one that lapsed, was withdrawn, or whose granted time is over. */
export type ApprovalState = 'pending' | 'granted' | 'denied' | 'expired';

/** What is asked. */
export interface ApprovalQuestion {
  readonly kind: ApprovalKind;
  readonly holder: GrantHolder;
  readonly contract: EngagementContract;
  readonly agent?: string;
  /** Of a call: method, target and arguments, for the person who is asked. */
  readonly call?: { readonly method: string; readonly target: string; readonly arguments: unknown };
}

/** A request and what became of it, as lists show it. */
export interface Approval extends ApprovalQuestion {
  readonly id: string;
  readonly state: ApprovalState;
  readonly requestedAtMs: number;
  /** When a question lapses, or what was granted ends; undefined: at no set time. */
  readonly expiresAtMs: number | undefined;
  /** What the person who answered said. */
  readonly reason?: string;
  /** Who answered. */
  readonly answeredBy?: string;
  /** Of a call: it holds for this tool while the session of the call lasts. */
  readonly forSession?: boolean;
  /** Of a call: for its time it holds for these tools of the service as well. */
  readonly tools?: readonly string[];
  /** Nobody approved it: it was taken in an emergency, and whoever answers for the service has to know. */
  readonly brokenGlass?: true;
}

/** A request as it is kept between runs; plain data, JSON-safe. */
export interface KeptApproval extends Approval {
  readonly forMs?: number;
  /** First use, since the machine started. */
  readonly beganSinceBootMs?: number;
  /** It stays as it is for so long, from when it came to be so: on the wall's clock, and since the machine started. */
  readonly keepMs: number;
  readonly putAtMs: number;
  readonly putSinceBootMs: number;
}

/** A row of an earlier run as if it had come to be in this one, and what is left of its time by the longer of both clocks. */
export function carriedOver(
  row: KeptApproval,
  nowMs: number,
  sinceBootMs: number,
): { readonly row: KeptApproval; readonly leftMs: number } {
  const ran = ranMs(row.putAtMs, row.putSinceBootMs, nowMs, sinceBootMs);
  const leftMs = row.keepMs - ran;
  const putSinceBootMs = sinceBootMs - ran;
  const { beganSinceBootMs: began } = row;
  return {
    leftMs,
    row: {
      ...row,
      putSinceBootMs,
      ...(began === undefined ? {} : { beganSinceBootMs: began + putSinceBootMs - row.putSinceBootMs }),
      expiresAtMs: row.expiresAtMs === undefined ? undefined : nowMs + Math.max(0, leftMs),
    },
  };
}
