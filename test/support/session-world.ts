/** Sessions with an audit in memory, a clock turned by hand, and both far ends in the test's hands. */
import type { AuditEvent, AuditWriter } from '../../main/audit/record.ts';
import { unknownApp } from '../../main/apps/app.ts';
import type { EngagementContract } from '../../main/base/engagement.ts';
import { silentLog } from '../../main/base/log.ts';
import type { ByteStream } from '../../main/base/stream.ts';
import { createSessions, type SessionsDeps } from '../../main/session/create-sessions.ts';
import type { SessionEvent, SessionFacts, Sessions } from '../../main/session/sessions.ts';
import { ManualClock } from './manual-clock.ts';
import { memoryStreamPair, type MemoryStreamOptions } from './memory-stream.ts';
import { RecordingSink } from './recording-sink.ts';

export class MemoryAudit implements AuditWriter {
  readonly records: AuditEvent[] = [];
  failing: ((event: AuditEvent) => boolean) | undefined;

  record(event: AuditEvent): { readonly seq: number } {
    if (this.failing?.(event) === true) throw new Error('disk full');
    this.records.push(event);
    return { seq: this.records.length };
  }
  recordOrLog(event: AuditEvent): void {
    if (this.failing?.(event) !== true) this.records.push(event);
  }
  head(): { readonly hash: string; readonly count: number } {
    return { hash: '', count: this.records.length };
  }
  kinds(): readonly string[] {
    return this.records.map((record) => record.kind);
  }
}

export const someFacts: SessionFacts = {
  service: 'web',
  serviceId: 'svc-1',
  identity: 'laptop',
  direction: 'dial',
  entry: 'socks5',
  app: unknownApp,
  protocol: 'tcp',
  source: '127.0.0.1:40000',
  destination: 'web.ziti:80',
  encrypted: true,
  router: 'edge-1',
  decision: { code: 'policy.allowed', sentence: 'allowed' },
  contract: undefined,
};

export interface Joined {
  readonly id: string;
  readonly app: ByteStream;
  readonly appSaw: RecordingSink;
  readonly service: ByteStream;
  readonly serviceSaw: RecordingSink;
}

export class SessionWorld {
  readonly clock = new ManualClock();
  readonly audit = new MemoryAudit();
  readonly events: SessionEvent[] = [];
  readonly sessions: Sessions;

  constructor(
    guard: SessionsDeps['guard'] = () => undefined,
    shared: NonNullable<SessionsDeps['shared']> = () => undefined,
  ) {
    this.sessions = createSessions({ clock: this.clock, audit: this.audit, log: silentLog, guard, shared });
    this.sessions.subscribe((event) => this.events.push(event));
  }

  open(
    facts: Partial<SessionFacts> = {},
    options: MemoryStreamOptions & { readonly contract?: EngagementContract } = {},
  ): Joined {
    const [app, consumer] = memoryStreamPair(options);
    const [provider, service] = memoryStreamPair(options);
    const appSaw = new RecordingSink();
    const serviceSaw = new RecordingSink();
    app.start(appSaw);
    service.start(serviceSaw);
    const contract = options.contract === undefined ? {} : { contract: options.contract };
    const id = this.sessions.open({ ...someFacts, ...facts, ...contract }, consumer, provider);
    return { id, app, appSaw, service, serviceSaw };
  }

  reasonOf(id: string): string | undefined {
    return this.sessions.get(id)?.closeReason;
  }
}
