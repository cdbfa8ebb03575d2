/** A loopback port whose connections run through guarded sessions to a target port: the corridor's last third, without a network. */
import { createHash } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { systemClock } from '../../main/base/clock.ts';
import { parseEngagement } from '../../main/base/engagement.ts';
import { silentLog } from '../../main/base/log.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { Approve, GuardCall, GuardContext } from '../../main/guard/guard.ts';
import { createLedger } from '../../main/guard/ledger.ts';
import { createSessions, type SessionsDeps } from '../../main/session/create-sessions.ts';
import type { SessionEvent, SessionFacts, Sessions } from '../../main/session/sessions.ts';
import { connectTcp } from '../../main/sockets/connect-tcp.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { MemoryAudit, someFacts } from './session-world.ts';

export interface GuardedPort extends AsyncDisposable {
  readonly port: number;
  readonly sessions: Sessions;
  readonly audit: MemoryAudit;
  readonly events: SessionEvent[];
  calls(): readonly GuardCall[];
}

export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');

/** `terms` undefined: no contract and no guard. */
export async function openGuardedPort(
  targetPort: number,
  terms: unknown,
  options: {
    readonly facts?: Partial<SessionFacts>;
    readonly authorize?: GuardContext['authorize'];
    readonly tap?: SessionsDeps['tap'];
    readonly approve?: Approve;
    /** Keep neither events nor records. */
    readonly quiet?: boolean;
  } = {},
): Promise<GuardedPort> {
  const contract = terms === undefined ? undefined : parseEngagement(terms, 'test');
  const audit = new MemoryAudit();
  const ledger = createLedger();
  const approve = options.approve === undefined ? {} : { approve: options.approve };
  const authorize = options.authorize === undefined ? {} : { authorize: options.authorize };
  const sessions = createSessions({
    clock: systemClock,
    audit,
    log: silentLog,
    ...(options.tap === undefined ? {} : { tap: options.tap }),
    guard: (own, facts) =>
      createGuard(own, {
        ledger,
        ledgerKey: facts.service,
        digest: sha256,
        hash: () => {
          const hash = createHash('sha256');
          return { update: (text) => void hash.update(text), digest: () => hash.digest('hex') };
        },
        pause: () => new Promise((resolve) => void setImmediate(resolve)),
        ...authorize,
        ...approve,
      }),
  });
  const events: SessionEvent[] = [];
  if (options.quiet === true) audit.record = () => ({ seq: 0 });
  else sessions.subscribe((event) => events.push(event));
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    void connectTcp({ host: '127.0.0.1', port: targetPort, timeoutMs: 2_000, clock: systemClock }).then(
      (remote) => {
        const facts = { ...someFacts, ...options.facts, contract };
        sessions.open(facts, tcpStream(socket), tcpStream(remote));
      },
      () => socket.resetAndDestroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    audit,
    events,
    calls: () => events.flatMap((event) => (event.kind === 'called' ? [event.call] : [])),
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
