import { describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import { recordTlsFailures } from '../../main/engine/control/tls-failures.ts';
import type { IdentityRunner } from '../../main/engine/identities/identity-runner.ts';
import { watchClock } from '../../main/engine/record/clock-watch.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryAudit } from '../support/session-world.ts';

function recorder() {
  const audit = new MemoryAudit();
  return { events: audit.records, audit };
}

describe('the clock', () => {
  it('set forward or back is recorded; sleep, which the host counts too, is not', () => {
    const clock = new ManualClock();
    const { events, audit } = recorder();
    let setBy = 0;
    let slept = 0;
    using _watch = watchClock({
      clock: {
        now: () => clock.now() + setBy + slept,
        monotonic: () => clock.monotonic(),
        after: (ms, act) => clock.after(ms, act),
        every: (ms, act) => clock.every(ms, act),
      },
      audit,
      log: silentLog,
      sinceStartMs: () => clock.monotonic() + slept,
    });
    clock.advance(10_000);
    slept = 3_600_000;
    clock.advance(10_000);
    expect(events).toEqual([]);
    setBy = 86_400_000;
    clock.advance(10_000);
    setBy = -5000;
    clock.advance(10_000);
    expect(events).toEqual([
      { kind: 'clock.changed', byMs: 86_400_000, direction: 'forward' },
      { kind: 'clock.changed', byMs: -86_405_000, direction: 'back' },
    ]);
  });
});

describe('a certificate that does not hold', () => {
  it('is recorded once for each peer, and again after it was good', () => {
    const { events, audit } = recorder();
    let routerError: { code: string; message: string } | undefined;
    const seen: { controller?: TunnelerError } = {};
    const runner = {
      id: 'one',
      name: 'edge-box',
      record: () => ({ apis: ['https://controller.example:1280'] }),
      context: () => ({
        state: () =>
          seen.controller === undefined ? { kind: 'ready' } : { kind: 'degraded', error: seen.controller, since: 0 },
      }),
      routers: () => [
        {
          name: 'r',
          address: 'tls://router.example:3022',
          ...(routerError === undefined ? {} : { error: routerError }),
        },
      ],
    } as unknown as IdentityRunner;
    const heard: string[] = [];
    const { runner: listener } = recordTlsFailures(
      {
        runner: {
          changed: () => void heard.push('changed'),
          services: () => undefined,
          routers: () => void heard.push('routers'),
        },
        removed: () => undefined,
        renamed: () => undefined,
        answered: () => undefined,
      },
      audit,
    );
    listener.changed(runner);
    routerError = { code: 'ziti.channel.certificate', message: 'the router’s certificate is another network’s' };
    listener.routers(runner);
    listener.routers(runner);
    seen.controller = new TunnelerError('ziti.controller.certificate', 'the controller’s certificate is not trusted');
    listener.changed(runner);
    expect(events).toMatchObject([
      { kind: 'tls.failed', peer: 'router', address: 'tls://router.example:3022', identity: 'edge-box' },
      { kind: 'tls.failed', peer: 'controller', address: 'https://controller.example:1280' },
    ]);
    routerError = undefined;
    listener.routers(runner);
    routerError = { code: 'ziti.channel.certificate', message: 'again' };
    listener.routers(runner);
    expect(events).toHaveLength(3);
    expect(heard).toEqual(['changed', 'routers', 'routers', 'changed', 'routers', 'routers']);
  });
});
