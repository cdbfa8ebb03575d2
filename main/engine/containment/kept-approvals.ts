/** Approvals kept on disk: a restart takes back nothing that a person granted, lengthens nothing, and forgets no refusal. */
import { join } from 'node:path';
import * as v from 'valibot';
import { defined } from '../../base/defined.ts';
import { engagementSchema } from '../../base/engagement.ts';
import type { KeptApproval } from '../../policy/approval-row.ts';
import { readKept, writeKept } from '../runtime/kept-file.ts';

const text = v.string();
const number = v.pipe(v.number(), v.finite());
const row = v.object({
  id: text,
  kind: v.picklist(['session', 'grant', 'call']),
  state: v.picklist(['pending', 'granted', 'denied', 'expired']),
  holder: v.object({
    end: v.picklist(['dial', 'host']),
    account: text,
    identity: text,
    serviceId: text,
    service: text,
  }),
  contract: engagementSchema,
  agent: v.optional(text),
  call: v.optional(v.object({ method: text, target: text })),
  requestedAtMs: number,
  expiresAtMs: v.optional(number),
  reason: v.optional(text),
  answeredBy: v.optional(text),
  forSession: v.optional(v.boolean()),
  tools: v.optional(v.array(text)),
  brokenGlass: v.optional(v.literal(true)),
  forMs: v.optional(number),
  beganSinceBootMs: v.optional(number),
  keepMs: number,
  putAtMs: number,
  putSinceBootMs: number,
});
const file = v.object({ version: v.literal(1), approvals: v.array(row) });
const words = { unknown: 'what was approved', removing: 'takes back every approval, and forgets what was refused' };

/** What was kept, and how to keep what is now. */
export interface KeptApprovals {
  readonly kept: readonly KeptApproval[];
  readonly save: (rows: readonly KeptApproval[]) => void;
}

/** A damaged file throws `engine.state_unusable`. */
export function openKeptApprovals(stateDirectory: string): KeptApprovals {
  const path = join(stateDirectory, 'approvals.json');
  return {
    kept: (readKept(path, file, words)?.approvals ?? []).map(({ call, expiresAtMs, ...one }) => ({
      ...defined(one),
      expiresAtMs,
      ...(call === undefined ? {} : { call: { ...call, arguments: null } }),
    })),
    save(rows) {
      writeKept(path, { version: 1, approvals: rows.filter(isWorthKeeping).map(withoutArguments) });
    },
  };
}

/** Calls that nobody answered end with their sessions, and a program may make many. */
function isWorthKeeping({ kind, state }: KeptApproval): boolean {
  return kind !== 'call' || state !== 'expired';
}

/** What a program said in a call is for the person who is asked, and stands on no disk. */
function withoutArguments({ call, ...rest }: KeptApproval): unknown {
  return call === undefined ? rest : { ...rest, call: { method: call.method, target: call.target } };
}
