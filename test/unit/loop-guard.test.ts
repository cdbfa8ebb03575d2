/** Our own connections never come in through our own interface: their addresses keep their way, and what comes in all the same is refused. */
import { describe, expect, it } from 'vitest';
import { BypassRoutes } from '../../main/engine/entries/bypass-routes.ts';
import { loopGuard } from '../../main/engine/admission/loop-guard.ts';
import type { App } from '../../main/apps/app.ts';
import type { FlowRequest } from '../../main/base/flow.ts';
import { silentLog } from '../../main/base/log.ts';
import type { Match } from '../../main/intercept/match.ts';
import { NameTable } from '../../main/net/dns/name-table.ts';
import { parseCidr } from '../../main/base/ip.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/until.ts';

const pid = 4242;

function flow(at: Partial<FlowRequest['destination']>, entry: FlowRequest['entry'] = 'tun'): FlowRequest {
  return { entry, protocol: 'tcp', source: { address: '192.0.2.1', port: 5 }, destination: { port: 1280, ...at } };
}

describe('the loop guard', () => {
  const find = loopGuard({
    pid,
    hosted: () => new Set(['hosted-id']),
    direct: () => ({ addresses: () => ['198.51.100.1'], mayBeUnresolved: (port) => port === 8440 }),
    infrastructure: () => ['https://ctrl.corp:1280/edge/client/v1', 'tls:10.0.0.9:3022', 'tls://[fd00::9]:443'],
  });
  const own: App = { pid, attribution: 'exact', parents: [] };
  const other: App = { pid: 7, attribution: 'exact', parents: [] };
  const match = (id: string): Match => ({ service: { id, name: `service ${id}` } }) as unknown as Match;

  it.each([
    { hostname: 'ctrl.corp' },
    { address: '10.0.0.9', port: 3022 },
    { address: 'fd00::9', port: 443 },
    { address: '198.51.100.1', port: 9 },
    { address: '198.51.100.7', port: 8440 },
  ] satisfies Partial<FlowRequest['destination']>[])('refuses our own connection to %j', (at) => {
    expect(find(flow(at), own, [match('far')])).toMatchObject({ code: 'engine.loop' });
    expect(find(flow(at), other, [match('far')])).toBeUndefined();
    expect(find(flow(at, 'socks5'), own, [match('far')])).toBeUndefined();
  });

  it('refuses our own connection to what is hosted here, and lets one through to what is hosted elsewhere', () => {
    const at = { address: '10.20.0.7', port: 502 };
    expect(find(flow(at), own, [match('hosted-id')])?.sentence).toContain(
      'service hosted-id is hosted by this very engine',
    );
    expect(find(flow(at), own, [match('far')])).toBeUndefined();
    expect(find(flow(at), other, [match('hosted-id')])).toBeUndefined();
  });
});

describe('ways that stay direct', () => {
  it('are those of places and targets, names looked up, again on another network', async () => {
    let answer = ['198.51.100.1'];
    let places = ['https://ctrl.corp:1280/edge/client/v1', 'tls:192.0.2.9:3022'];
    let changes = 0;
    const ways = new BypassRoutes({
      infrastructure: () => places,
      targets: () => ['127.0.0.1', 'plc.local'],
      changed: () => void (changes += 1),
      clock: new ManualClock(),
      log: silentLog,
      lookup: (name) => (name === 'ctrl.corp' ? Promise.resolve(answer) : Promise.reject(new Error('unknown'))),
    });
    expect(ways.names()).toEqual(['ctrl.corp']);
    expect(ways.addresses()).toEqual(['127.0.0.1', '192.0.2.9']);
    await until(() => !ways.waiting);
    expect(ways.addresses()).toEqual(['127.0.0.1', '192.0.2.9', '198.51.100.1']);
    changes = 1;
    answer = ['203.0.113.1'];
    ways.networkChanged();
    await until(() => changes === 2);
    expect(ways.addresses()).toEqual(['127.0.0.1', '192.0.2.9', '203.0.113.1']);
    places = ['tls:192.0.2.10:3022'];
    ways.look();
    ways.look();
    expect(changes).toBe(3);
    expect(ways.addresses()).toEqual(['127.0.0.1', '192.0.2.10']);
  });

  it('are waited for while a name is looked up for the first time, but not for long', async () => {
    const clock = new ManualClock();
    let changes = 0;
    let answer: (addresses: readonly string[]) => void = () => undefined;
    const ways = new BypassRoutes({
      infrastructure: () => ['https://ctrl.corp:1280'],
      targets: () => [],
      changed: () => void (changes += 1),
      clock,
      log: silentLog,
      lookup: () => new Promise((resolve) => (answer = resolve)),
    });
    expect(ways.waiting).toBe(false);
    expect(ways.addresses()).toEqual([]);
    expect(ways.waiting).toBe(true);
    expect(ways.mayBeUnresolved(1280)).toBe(true);
    expect(ways.mayBeUnresolved(443)).toBe(false);
    clock.advance(3_001);
    expect([ways.waiting, changes]).toEqual([false, 1]);
    // Until its address is known, what might be it is not let in.
    expect(ways.mayBeUnresolved(1280)).toBe(true);
    answer(['198.51.100.1']);
    await until(() => changes === 2);
    expect(ways.addresses()).toEqual(['198.51.100.1']);
    expect(ways.mayBeUnresolved(1280)).toBe(false);
  });

  it('are looked up again when our own connection might be to one whose name was not found', async () => {
    const answers: (readonly string[] | undefined)[] = [undefined, ['198.51.100.1']];
    let changes = 0;
    const ways = new BypassRoutes({
      infrastructure: () => ['https://ctrl.corp:1280'],
      targets: () => [],
      changed: () => void (changes += 1),
      clock: new ManualClock(),
      log: silentLog,
      lookup: () => {
        const answer = answers.shift();
        return answer === undefined ? Promise.reject(new Error('unknown')) : Promise.resolve(answer);
      },
    });
    ways.addresses();
    await until(() => changes === 1);
    expect(ways.addresses()).toEqual([]);
    expect(answers).toHaveLength(1);
    expect(ways.mayBeUnresolved(1280)).toBe(true);
    await until(() => changes === 2);
    expect(ways.addresses()).toEqual(['198.51.100.1']);
  });

  it('keep their names from a wildcard that covers them', () => {
    const names = new NameTable(parseCidr('100.64.0.0/16'), undefined);
    names.replace({
      names: [{ name: 'router.corp', service: 'r' }],
      wildcards: [{ domain: 'corp', service: 'all' }],
      exempt: ['ctrl.corp', 'router.corp'],
    });
    expect(names.find('ctrl.corp')).toBeUndefined();
    expect(names.find('router.corp')).toBeUndefined();
    expect(names.find('wiki.corp')).toEqual({ service: 'all', domain: 'corp' });
  });
});
