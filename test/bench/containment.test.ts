/** How long it takes, among a thousand live sessions on real sockets, from the word "cut" until the applications see their resets. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { Quarantine } from '../../main/policy/quarantine.ts';
import { createSessions } from '../../main/session/create-sessions.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { memoryStreamPair } from '../support/memory-stream.ts';
import { RecordingSink } from '../support/recording-sink.ts';
import { MemoryAudit, someFacts } from '../support/session-world.ts';
import { listening } from '../support/listening.ts';

const live = 1_000;
const groups = 200;

describe('containment', () => {
  it('cuts each of two hundred subjects among a thousand sessions well below 50 ms', async () => {
    const sessions = createSessions({
      clock: systemClock,
      audit: new MemoryAudit(),
      log: silentLog,
      guard: () => undefined,
    });
    const quarantine = new Quarantine({ clock: systemClock });
    quarantine.events.subscribe((event) => {
      if (event.kind !== 'added') return;
      sessions.closeWhere((session) => `app:${session.app.agent ?? ''}` === event.entry.subject, 'quarantined');
    });
    let opened = 0;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      const [provider, service] = memoryStreamPair();
      service.start(new RecordingSink());
      const agent = `agent-${opened % groups}`;
      opened += 1;
      sessions.open({ ...someFacts, app: { attribution: 'exact', parents: [], agent } }, tcpStream(socket), provider);
    });
    const port = await listening(server);
    const applications: Socket[] = [];
    for (let index = 0; index < live; index += 1) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      applications.push(socket);
      // The order of arrival is the order of the groups.
      while (opened <= index) await new Promise((resolve) => setImmediate(resolve));
    }

    const times: number[] = [];
    for (let group = 0; group < groups; group += 1) {
      const mine = applications.filter((_, index) => index % groups === group);
      const gone = Promise.all(mine.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
      const startedAt = performance.now();
      quarantine.add(`app:agent-${group}`, 'bench', 'detector');
      await gone;
      times.push(performance.now() - startedAt);
    }
    times.sort((left, right) => left - right);
    const at = (share: number): string =>
      (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(1);
    console.info(`quarantine to reset, 5 of 1,000 sessions: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`);
    expect(times[Math.floor(times.length * 0.99)]).toBeLessThan(500);
    expect(sessions.openCount()).toBe(0);
    server.close();
  }, 60_000);
});
