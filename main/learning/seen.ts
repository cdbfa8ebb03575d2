/** What the record says of sessions and of the calls in them, oldest first. Records of other kinds, and fields of a wrong type, are left out. Pure. */
import * as v from 'valibot';
import type { App } from '../apps/app.ts';
import { defined } from '../base/defined.ts';
import { guardedProtocols } from '../base/engagement/guarded.ts';
import type { RecordedCall } from '../guard/recorded/recorded-call.ts';

/** A record of the journal, as anything that searches it gives it. */
export type JournalRecord = Readonly<Record<string, unknown>> & {
  readonly seq: number;
  readonly at: string;
  readonly kind: string;
};

/** A call that a guard judged. */
export interface SeenCall extends RecordedCall {
  readonly seq: number;
  readonly at: string;
  readonly session: string;
  readonly service: string;
  readonly allowed: boolean;
  /** The rule that would have refused it, under a contract that observed. */
  readonly observed?: string;
}

/** A session, as far as it lies in what was looked at. */
export interface SeenSession {
  readonly seq: number;
  readonly at: string;
  readonly id: string;
  readonly service: string;
  readonly identity: string;
  readonly direction: 'dial' | 'host';
  readonly app: App;
  readonly protocol: string;
  /** `name:port`. */
  readonly destination: string;
  /** Who dialled in, at the hosting end. */
  readonly caller: string;
  /** The contract it stood under, as it was recorded. */
  readonly contract: unknown;
  /** Absent: it is still open, or its end is not among what was looked at. */
  readonly ended?: { readonly seq: number; readonly at: string; readonly durationMs: number; readonly bytes: number };
}

/** A dial that was refused here. */
export interface SeenRefusal extends Pick<
  SeenSession,
  'seq' | 'at' | 'service' | 'identity' | 'direction' | 'app' | 'protocol' | 'destination' | 'caller'
> {
  /** Why. */
  readonly code: string;
}

/** All of it, of one service or of all. */
export interface Seen {
  readonly refusals: readonly SeenRefusal[];
  readonly calls: readonly SeenCall[];
  readonly sessions: readonly SeenSession[];
}

const text = v.string();
const nullable = <S extends v.GenericSchema>(schema: S) => v.nullish(schema);
const callRecord = v.object({
  seq: v.number(),
  at: text,
  session: text,
  service: text,
  identity: text,
  protocol: v.picklist(guardedProtocols),
  method: text,
  target: text,
  decision: v.picklist(['allow', 'deny']),
  startedAtMs: v.number(),
  arguments: v.optional(v.unknown()),
  model: v.optional(text),
  observed: v.optional(text),
});
const openedRecord = v.object({
  seq: v.number(),
  at: text,
  session: text,
  service: text,
  identity: text,
  direction: v.picklist(['dial', 'host']),
  app: nullable(text),
  agent: nullable(text),
  user: nullable(text),
  attribution: v.picklist(['exact', 'inferred', 'unknown']),
  protocol: v.optional(text, 'tcp'),
  destination: v.optional(text, ''),
  source: v.optional(text, ''),
  contract: v.optional(v.unknown()),
});
const refusedRecord = v.object({
  seq: v.number(),
  at: text,
  service: text,
  identity: text,
  app: nullable(text),
  agent: nullable(text),
  user: nullable(text),
  attribution: v.picklist(['exact', 'inferred', 'unknown']),
  protocol: v.optional(text, 'tcp'),
  destination: v.optional(text, ''),
  decision: v.literal('deny'),
  code: text,
});
const closedRecord = v.object({
  seq: v.number(),
  at: text,
  session: text,
  durationMs: v.number(),
  bytesSent: v.number(),
  bytesReceived: v.number(),
});

/** Reads records in any order. */
export function seenIn(records: readonly JournalRecord[], service?: string): Seen {
  const ordered = records
    .filter((record) => service === undefined || record['service'] === service)
    .sort((a, b) => a.seq - b.seq);
  const of = <S extends v.GenericSchema>(kind: string, schema: S): v.InferOutput<S>[] =>
    ordered.flatMap((record) => {
      const read = record.kind === kind ? v.safeParse(schema, record) : undefined;
      return read?.success === true ? [read.output] : [];
    });
  const ends = new Map(of('session.closed', closedRecord).map((end) => [end.session, end]));
  return {
    refusals: of('verdict', refusedRecord).map((refused) => {
      const { seq, at, service: name, identity, protocol, destination, code } = refused;
      const where = { protocol, destination, direction: 'dial', caller: '' } as const;
      return { seq, at, service: name, identity, ...where, code, app: appOf(refused) };
    }),
    calls: of('call', callRecord).map((call) => ({
      ...defined({ arguments: call.arguments, model: call.model, observed: call.observed }),
      seq: call.seq,
      at: call.at,
      session: call.session,
      service: call.service,
      protocol: call.protocol,
      method: call.method,
      target: call.target,
      allowed: call.decision === 'allow',
      atMs: call.startedAtMs,
      account: `${call.identity}|${call.service}`,
    })),
    sessions: of('session.opened', openedRecord).map((opened) => {
      const end = ends.get(opened.session);
      return {
        seq: opened.seq,
        at: opened.at,
        id: opened.session,
        service: opened.service,
        identity: opened.identity,
        direction: opened.direction,
        protocol: opened.protocol,
        destination: opened.destination,
        caller: opened.direction === 'host' ? opened.source : '',
        contract: opened.contract ?? undefined,
        app: appOf(opened),
        ...(end === undefined
          ? {}
          : {
              ended: {
                seq: end.seq,
                at: end.at,
                durationMs: end.durationMs,
                bytes: end.bytesSent + end.bytesReceived,
              },
            }),
      };
    }),
  };
}

/** The record has one of executable and script: the script, where an interpreter ran one. */
function appOf(
  record: Pick<v.InferOutput<typeof openedRecord>, 'app' | 'agent' | 'user' | 'attribution'>,
): SeenSession['app'] {
  const { app, agent, user, attribution } = record;
  return {
    attribution,
    parents: [],
    ...defined({ path: app ?? undefined, agent: agent ?? undefined, user: user ?? undefined }),
  };
}
