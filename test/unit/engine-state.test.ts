import { describe, expect, it } from 'vitest';
import { applyDelta, type StateChange, type StateDelta, type StateSnapshot } from '../../main/api/state.ts';
import type { SessionView } from '../../main/api/views.ts';
import { parseConfig } from '../../main/engine/runtime/config.ts';
import { createProjector } from '../../main/engine/state/projector.ts';
import { createStateHub } from '../../main/engine/state/state-hub.ts';
import { emptyState } from '../support/fake-engine.ts';
import { ManualClock } from '../support/manual-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const quarantined = (subject: string, cause: string): StateChange => ({
  kind: 'quarantine-changed',
  key: subject,
  value: { subject, cause, since: '2026-01-01T00:00:00Z', by: 'operator' },
});

const someSession = (id: string): SessionView => ({
  id,
  service: 'web',
  identity: 'laptop',
  direction: 'dial',
  app: { attribution: 'unknown' },
  protocol: 'tcp',
  source: '127.0.0.1:1',
  destination: 'web.dark:80',
  startedAt: '2026-01-01T00:00:00Z',
  bytesSent: 0,
  bytesReceived: 0,
  state: 'open',
  encrypted: true,
  guard: 'none',
  guardedAt: [],
  decision: { code: 'policy.allowed', sentence: 'allowed' },
});

function watch() {
  const clock = new ManualClock();
  const sessions: Record<string, SessionView> = {};
  const hub = createStateHub({ clock, initial: emptyState(), sessions: () => ({ ...sessions }) });
  const abort = new AbortController();
  const deltas: StateDelta[] = [];
  let snapshot: StateSnapshot = hub.snapshot();
  const reading = (async () => {
    for await (const delta of hub.changes(snapshot.seq, abort.signal)) {
      deltas.push(delta);
      snapshot = applyDelta(snapshot, delta) ?? snapshot;
    }
  })();
  return { clock, hub, sessions, deltas, abort, reading, folded: () => snapshot };
}

describe('the state hub', () => {
  it('sends changes at once, those of one turn as one delta', async () => {
    const { hub, deltas } = watch();
    await turn();
    hub.change(quarantined('app:a', '1'));
    hub.change(quarantined('app:b', '1'));
    await turn();
    hub.change({ kind: 'quarantine-removed', key: 'app:a' });
    await turn();
    expect(deltas.map((delta) => [delta.seq, delta.changes.length])).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  it('gathers counters and keeps only the last of each', async () => {
    const { clock, hub, deltas } = watch();
    await turn();
    for (let i = 0; i < 50; i++) hub.gather(quarantined('app:a', String(i)));
    await turn();
    expect(deltas).toEqual([]);
    clock.advance(100);
    await turn();
    expect(deltas).toEqual([{ seq: 1, changes: [quarantined('app:a', '49')] }]);
  });

  it('never lets an older gathered value overwrite a newer one', async () => {
    const { clock, hub, folded } = watch();
    await turn();
    hub.gather(quarantined('app:a', 'old'));
    hub.change(quarantined('app:a', 'new'));
    await turn();
    clock.advance(1000);
    await turn();
    expect(folded().state.quarantine['app:a']?.cause).toBe('new');
    expect(folded()).toEqual(hub.snapshot());
  });

  it('shows the sessions there are when a snapshot is asked for, and tells of each change', async () => {
    const { hub, sessions, folded } = watch();
    await turn();
    sessions['a'] = someSession('a');
    hub.change({ kind: 'session-changed', key: 'a', value: sessions['a'] });
    await turn();
    expect(hub.snapshot().state.sessions).toEqual({ a: sessions['a'] });
    expect(folded()).toEqual(hub.snapshot());
    delete sessions['a'];
    hub.change({ kind: 'session-removed', key: 'a' });
    await turn();
    expect(hub.snapshot().state.sessions).toEqual({});
    expect(folded()).toEqual(hub.snapshot());
  });

  it('lets a reader that fell behind see a gap, so that it asks again', async () => {
    const { hub, abort } = watch();
    const reader = hub.changes(0, abort.signal)[Symbol.asyncIterator]();
    const first = reader.next();
    await turn();
    for (let i = 0; i < 1500; i++) {
      hub.change(quarantined('app:a', String(i)));
      hub.snapshot(); // forces a delta of its own
    }
    expect((await first).value?.seq).toBe(1500 - 1024 + 1);
  });

  it('ends a stream when its reader is gone', async () => {
    const { hub, abort, reading } = watch();
    await turn();
    expect(hub.observed()).toBe(true);
    abort.abort();
    await reading;
    expect(hub.observed()).toBe(false);
  });
});

describe('the projector', () => {
  it('makes the views at once, and then no more often than every 50 ms however often it is asked', async () => {
    const clock = new ManualClock();
    const { status, dns, policy } = emptyState();
    let made = 0;
    using hub = createStateHub({ clock, initial: emptyState(), sessions: () => ({}) });
    using projector = createProjector({
      clock,
      hub,
      sources: {
        status: () => ({ ...status, sessions: { open: 0, total: ++made } }),
        identities: () => [],
        services: () => [],
        routers: () => [],
        agents: () => [],
        quarantine: () => [],
        approvals: () => [],
        sessions: () => [],
        dns: () => dns,
        policy: () => policy,
      },
    });
    for (let asked = 0; asked < 20; asked++) {
      projector.refresh();
      await turn();
    }
    expect(made).toBe(1);
    expect(hub.snapshot().state.status.sessions.total).toBe(1);
    clock.advance(50);
    await turn();
    expect(made).toBe(2);
    clock.advance(1_000);
    await turn();
    expect(made).toBe(2);
  });
});

describe('culvert.yaml', () => {
  it('is read with all its parts', () => {
    const config = parseConfig(
      `
mode: proxy
proxy: { listen: 127.0.0.1:1080, forwards: [{ service: web, port: 8080 }] }
ranges: { ipv4: 100.64.0.0/10 }
dns: { enabled: true, backend: auto }
console: { enabled: true, hosts: [box.console] }
exporters: [{ type: prometheus, listen: "127.0.0.1:9100" }]
agents: { coder: { identity: agent-a, path: [/usr/bin/coder, "/opt/*/coder"] } }
policy: { directory: /etc/culvert/policy.d, unbound: refuse }
audit: { onFailure: open }
log: { level: debug }
`,
      'culvert.yaml',
    );
    expect(config.agents?.['coder']?.identity).toBe('agent-a');
    expect(parseConfig('', 'empty')).toEqual({});
  });

  it.each([
    ['moed: proxy', 'moed', 'unknown field'],
    ['proxy: { lisen: "127.0.0.1:1" }', 'proxy.lisen', 'unknown field'],
    ['agents: { a: { exe: /bin/x } }', 'agents.a.exe', 'unknown field'],
    ['mode: tunnel', 'mode', 'Expected'],
    ['ranges: { ipv4: 100.64.0.0/99 }', 'ranges.ipv4', 'expected a prefix'],
    ['proxy: { listen: nonsense }', 'proxy.listen', 'HOST:PORT'],
    ['exporters: [{ type: carrier-pigeon }]', 'exporters.0.type', ''],
    ['mode: [', '', ''],
    ['- a list', '', 'by name'],
  ])('refuses %s, naming %s', (yaml, path, message) => {
    let caught: unknown;
    try {
      parseConfig(yaml, 'culvert.yaml');
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({
      code: 'engine.config_invalid',
      details: {
        file: 'culvert.yaml',
        issues: expect.arrayContaining([{ path, message: expect.stringContaining(message) as string }]) as unknown,
      },
    });
    expect((caught as Error).message).toContain(path);
  });
});
