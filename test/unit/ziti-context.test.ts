import { afterEach, expect, test } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import {
  newSoftwareKey,
  openZitiContext,
  type ZitiContext,
  type ZitiContextOptions,
  type ZitiEvent,
} from '../../main/ziti/ziti.ts';
import { RouterFleet } from '../support/fake-edge-router.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedController, data, refusal } from '../support/scripted-controller.ts';
import { selfSigned } from '../support/self-signed.ts';

const minute = 60_000;
const { cert } = await selfSigned('127.0.0.1');
const key = await newSoftwareKey();
const api = 'https://one.test/edge/client/v1';

interface World {
  readonly clock: ManualClock;
  readonly controller: ScriptedController;
  readonly fleet: RouterFleet;
  readonly context: ZitiContext;
  readonly events: ZitiEvent[];
}

const open: ZitiContext[] = [];

async function world(
  kind: 'legacy' | 'oidc' = 'legacy',
  prepare: (controller: ScriptedController, fleet: RouterFleet) => void = () => undefined,
  change: Partial<ZitiContextOptions> = {},
): Promise<World> {
  const clock = new ManualClock();
  const controller = new ScriptedController(kind);
  const fleet = new RouterFleet();
  controller.services = [{ id: 'web', name: 'web', permissions: ['Dial', 'Bind'] }];
  prepare(controller, fleet);
  const context = await openZitiContext({
    name: 'me',
    apis: [api],
    caPem: '',
    credential: { kind: 'certificate', certPem: cert, key },
    clock,
    log: silentLog,
    version: '0',
    open: controller.open,
    openRouter: fleet.open,
    ...change,
  });
  open.push(context);
  const events: ZitiEvent[] = [];
  context.events.subscribe((event) => events.push(event));
  await clock.advanceSlowly(1000);
  return { clock, controller, fleet, context, events };
}

afterEach(async () => {
  for (const context of open.splice(0)) await context[Symbol.asyncDispose]();
});

const times = (list: readonly string[], call: string): number => list.filter((seen) => seen === call).length;
const authenticate = 'POST /edge/client/v1/authenticate';
const updates = 'GET /edge/client/v1/current-api-session/service-updates';

test('starts up: state, identity, services and routers are known, services before the word "ready"', async () => {
  const { context, events } = await world();
  expect(context.state()).toEqual({ kind: 'ready' });
  expect(context.identity()).toMatchObject({ id: 'me', name: 'my name' });
  expect(context.services().map(({ name }) => name)).toEqual(['web']);
  expect(context.routers()).toMatchObject([{ name: 'router-1', state: 'connected' }]);
  const kinds = events.map(({ kind }) => kind);
  expect(kinds.indexOf('services-changed')).toBeLessThan(kinds.indexOf('state-changed'));
});

test('an OIDC session is refreshed between a half and five sixths of its life, and routers get the token', async () => {
  for (const random of [0, 0.999]) {
    const { clock, controller, fleet, context } = await world('oidc', () => undefined, { random: () => random });
    expect(context.controller().authentication).toBe('oidc');
    const before = times(controller.seen, 'POST /oidc/oauth/token');
    await clock.advanceSlowly(14.5 * minute, 5000);
    expect(times(controller.seen, 'POST /oidc/oauth/token') - before).toBe(0);
    await clock.advanceSlowly(11.5 * minute, 5000);
    expect(times(controller.seen, 'POST /oidc/oauth/token') - before).toBe(1);
    const [router] = fleet.live();
    expect(router?.tokens.length).toBe(1);
    expect(router?.tokens[0]).not.toBe(router?.options.token);
    expect(fleet.opened.length).toBe(1);
  }
});

test('a router that does not take the new token is connected anew with it', async () => {
  const { clock, fleet } = await world('oidc', (_, routers) => {
    routers.refusesTokens = true;
  });
  const [first] = fleet.live();
  await clock.advanceSlowly(27 * minute, 5000);
  const [second] = fleet.live();
  expect(second).not.toBe(first);
  expect(second?.options.token).toBe(first?.tokens[0]);
});

test('a legacy session is read in good time, and no token update is ever sent', async () => {
  const { clock, controller, fleet } = await world('legacy', (script) => {
    script.lifetimeSeconds = 600;
  });
  await clock.advanceSlowly(9 * minute, 1000);
  expect(controller.count('GET /edge/client/v1/current-api-session')).toBeGreaterThan(0);
  expect(controller.count(authenticate)).toBe(1);
  expect(fleet.live()[0]?.tokens).toEqual([]);
});

test('an expired session is followed by a new one, with new router channels', async () => {
  const { clock, controller, context, fleet } = await world();
  const first = fleet.live()[0];
  controller.endSession();
  await clock.advanceSlowly(40_000, 500);
  expect(controller.count(authenticate)).toBe(2);
  expect(context.state().kind).toBe('ready');
  expect(fleet.live().length).toBe(1);
  expect(fleet.live()[0]?.options.token).not.toBe(first?.options.token);
});

test('a controller that says no is asked again, but not before half a minute has passed', async () => {
  const { clock, controller, context } = await world('legacy', (script) => {
    script.override = (request) => (request.path.includes('authenticate') ? refusal(401, 'INVALID_AUTH') : undefined);
  });
  expect(context.state()).toMatchObject({
    kind: 'unauthenticated',
    error: { code: 'ziti.controller.unauthenticated' },
  });
  expect(controller.count(authenticate)).toBe(1);
  await clock.advanceSlowly(28_000, 500);
  expect(controller.count(authenticate)).toBe(1);
  await clock.advanceSlowly(10 * minute, 2000);
  expect(controller.count(authenticate)).toBeLessThanOrEqual(21);
  controller.override = () => undefined;
  await clock.advanceSlowly(2 * minute, 1000);
  expect(context.state().kind).toBe('ready');
});

test('an identity that was disabled is back within three seconds of being enabled', async () => {
  const { clock, controller, context } = await world();
  controller.override = (request) => (request.path.includes('authenticate') ? refusal(401, 'INVALID_AUTH') : undefined);
  controller.endSession();
  await clock.advanceSlowly(30_000, 250);
  expect(context.state().kind).toBe('unauthenticated');
  controller.override = () => undefined;
  await clock.advanceSlowly(3000, 100);
  expect(context.state().kind).toBe('ready');
});

test('a dial with no router in reach is refused at once', async () => {
  const { clock, context } = await world('legacy', (_, routers) => routers.unreachable.add('router-1'));
  const refused = context.dial('web').catch((error: unknown) => error);
  await clock.advanceSlowly(400, 50);
  expect(await refused).toMatchObject({ code: 'ziti.dial.no_router' });
});

test('an unreachable controller is tried with growing pauses, at most a minute long', async () => {
  let attempts = 0;
  const { clock, controller, context } = await world('legacy', (script) => {
    script.unreachable.add('*');
    script.unreachable.has = () => {
      attempts += 1;
      return true;
    };
  });
  expect(context.state()).toMatchObject({ kind: 'degraded', error: { code: 'ziti.controller.unreachable' } });
  await clock.advanceSlowly(30 * minute, 5000);
  expect(attempts).toBeGreaterThan(20);
  expect(attempts).toBeLessThan(400);
  controller.unreachable.has = () => false;
  await clock.advanceSlowly(2 * minute, 1000);
  expect(context.state().kind).toBe('ready');
});

test('a controller that goes away later leaves services and routers as they are', async () => {
  const { clock, controller, context } = await world();
  controller.unreachable.add('*');
  await clock.advanceSlowly(2 * minute, 1000);
  expect(context.state().kind).toBe('degraded');
  expect(context.services().length).toBe(1);
  expect(context.routers()[0]?.state).toBe('connected');
  controller.unreachable.clear();
  await clock.advanceSlowly(minute, 1000);
  expect(context.state().kind).toBe('ready');
});

test('of several controllers the next one is used, and the session is begun there', async () => {
  const two = 'https://two.test/edge/client/v1';
  const { context } = await world('oidc', (script) => script.unreachable.add('https://one.test'), { apis: [api, two] });
  expect(context.state().kind).toBe('ready');
  expect(context.controller().url).toBe('https://two.test');
});

for (const kind of ['legacy', 'oidc'] as const) {
  test(`a controller of a cluster that dies is followed by another, and dials that wait get through (${kind})`, async () => {
    const two = 'https://two.test/edge/client/v1';
    const { clock, controller, context, fleet } = await world(kind, undefined, { apis: [api, two] });
    await context.dial('web');
    controller.unreachable.add('https://one.test');
    fleet.unanswered = kind === 'legacy' ? 1 : 0;
    const dialling = context.dial('web');
    await clock.advanceSlowly(3000, 100);
    await dialling;
    await context.refresh();
    await clock.advanceSlowly(1000, 100);
    expect(context.controller().url).toBe('https://two.test');
    expect(context.state().kind).toBe('ready');
    expect(controller.count(authenticate)).toBe(kind === 'legacy' ? 2 : 0);
  });
}

test('where no controller of a cluster answers, the session is kept for when one does', async () => {
  const two = 'https://two.test/edge/client/v1';
  const { clock, controller, context } = await world('legacy', undefined, { apis: [api, two] });
  controller.unreachable.add('*');
  await clock.advanceSlowly(minute, 1000);
  expect(context.state().kind).toBe('degraded');
  expect(context.services().length).toBe(1);
  controller.unreachable.clear();
  await clock.advanceSlowly(minute, 1000);
  expect(context.state().kind).toBe('ready');
  expect(controller.count(authenticate)).toBe(1);
});

test('controllers of a cluster are learnt and told', async () => {
  const two = 'https://two.test/edge/client/v1';
  const { events } = await world('oidc', (script) => {
    script.controllers = [api, two];
  });
  expect(events).toContainEqual({ kind: 'controllers-changed', apis: [api, two] });
});

test('services are loaded only when the marker moved, whichever way', async () => {
  const { clock, controller, events } = await world();
  const list = 'GET /edge/client/v1/services';
  const before = controller.count(list);
  await clock.advanceSlowly(2 * minute, 1000);
  expect(controller.count(list)).toBe(before);
  expect(controller.count(updates)).toBeGreaterThan(6);
  controller.lastChangeAt = '1999-01-01T00:00:00Z';
  controller.services = [];
  await clock.advanceSlowly(20_000, 1000);
  expect(events.at(-1)).toEqual({ kind: 'services-changed', services: [] });
});

test('a session that sees no service reads the whole list at each poll', async () => {
  const { clock, controller, context } = await world('legacy', (script) => {
    script.services = [];
  });
  expect(context.state().kind).toBe('ready');
  controller.services = [{ id: 'late', name: 'late', permissions: ['Dial'] }];
  await clock.advanceSlowly(20_000, 1000);
  expect(context.services().map(({ name }) => name)).toEqual(['late']);
});

test('a wall clock that ran ahead of the timers means a sleep: the session is looked at', async () => {
  const { clock, controller } = await world();
  const read = 'GET /edge/client/v1/current-api-session';
  expect(controller.count(read)).toBe(0);
  clock.jump(60 * minute);
  await clock.advanceSlowly(20_000, 1000);
  expect(controller.count(read)).toBe(1);
});

test('a router that refuses the session is tried again only after the session was looked at', async () => {
  const { clock, controller, fleet } = await world();
  const checks = (): number => controller.count('GET /edge/client/v1/current-api-session');
  fleet.live()[0]?.lose(new TunnelerError('ziti.channel.rejected', 'no'));
  await clock.advanceSlowly(900);
  expect(checks()).toBe(1);
  expect(fleet.attempts).toBe(1);
  await clock.advanceSlowly(10_000);
  expect(fleet.live().length).toBe(1);
});

test('an unreachable router is tried with growing pauses of at most 160 s', async () => {
  const { clock, fleet } = await world('legacy', (_, routers) => routers.unreachable.add('router-1'));
  await clock.advanceSlowly(60 * minute, 5000);
  expect(fleet.attempts).toBeGreaterThan(20);
  expect(fleet.attempts).toBeLessThan(200);
});

test('one POST serves every dial of a service', async () => {
  const { controller, context, fleet } = await world();
  await Promise.all([1, 2, 3].map(() => context.dial('web')));
  await context.dial('web');
  expect(controller.count('POST /edge/client/v1/sessions')).toBe(1);
  expect(fleet.live()[0]?.dials.length).toBe(4);
});

test('a stale service session is made anew, once', async () => {
  const { controller, context, fleet } = await world();
  await context.dial('web');
  const stale = (): TunnelerError => new TunnelerError('ziti.dial.session_invalid', 'stale');
  fleet.dialFailures.push(stale());
  await context.dial('web');
  expect(controller.count('POST /edge/client/v1/sessions')).toBe(2);
  fleet.dialFailures.push(stale(), stale());
  await expect(context.dial('web')).rejects.toMatchObject({ code: 'ziti.dial.session_invalid' });
  expect(controller.count('POST /edge/client/v1/sessions')).toBe(3);
});

test('the nearest connected router is dialled', async () => {
  const { context, fleet } = await world('legacy', (script, routers) => {
    script.routers = ['far', 'near', 'down'];
    routers.latencies.set('far', 80).set('near', 5).set('down', 1);
    routers.unreachable.add('down');
  });
  const stream = await context.dial('web');
  expect(stream.routerName).toBe('near');
  expect(fleet.opened.length).toBe(2);
});

test('a dial without any connected router ends with its time, and names the routers', async () => {
  const { clock, context } = await world('legacy', (_, routers) => routers.unreachable.add('router-1'));
  const dialling = context.dial('web', { timeoutMs: 2000 }).catch((error: unknown) => error);
  await clock.advanceSlowly(2500);
  expect(await dialling).toMatchObject({ code: 'ziti.dial.no_router', details: { routers: ['router-1'] } });
});

test('hosting binds on the nearest routers up to the maximum, and moves on when one is lost', async () => {
  const { clock, context, fleet } = await world('legacy', (script, routers) => {
    script.routers = ['a', 'b', 'c', 'd'];
    script.routers.forEach((name, index) => routers.latencies.set(name, index + 1));
  });
  const binding = await context.bind('web', { maxConnections: 2 }, () => undefined);
  await clock.advanceSlowly(200);
  const bound = (): string[] => fleet.live().flatMap((router) => router.binds.map(() => router.name));
  expect(bound()).toEqual(['a', 'b']);
  expect(binding.terminators()).toBe(2);
  fleet.unreachable.add('a');
  fleet.live()[0]?.lose(new TunnelerError('ziti.channel.closed', 'gone'));
  await clock.advanceSlowly(1000);
  expect(bound()).toEqual(['b', 'c']);
  const ids = new Set(fleet.opened.flatMap((router) => router.binds.map(({ listenerId }) => listenerId)));
  expect(ids.size).toBe(1);
});

test('hosting stops, with the reason, when the permission is gone', async () => {
  const { clock, controller, context } = await world();
  const binding = await context.bind('web', {}, () => undefined);
  const seen: string[] = [];
  binding.events.subscribe((event) => seen.push(event.kind));
  await clock.advanceSlowly(200);
  controller.services = [{ id: 'web', name: 'web', permissions: ['Dial'] }];
  controller.touch();
  await clock.advanceSlowly(20_000, 1000);
  expect(seen).toEqual(['established', 'stopped']);
  await expect(context.bind('web', {}, () => undefined)).rejects.toMatchObject({ code: 'ziti.bind.refused' });
});

test('a sign-in that waits for a code is begun again before the controller forgets it', async () => {
  const { clock, controller, context } = await world('legacy', (script) => {
    script.override = (request) =>
      request.path.includes('authenticate?')
        ? data({ id: 's', token: 't', identityId: 'me', authQueries: [{ typeId: 'MFA', provider: 'ziti' }] })
        : undefined;
  });
  expect(context.state()).toEqual({ kind: 'mfa-required', provider: 'ziti' });
  expect(controller.count(authenticate)).toBe(1);
  await clock.advanceSlowly(10 * minute, 5000);
  expect(controller.count(authenticate)).toBe(2);
  expect(context.state()).toEqual({ kind: 'mfa-required', provider: 'ziti' });
});

test("a listener's exception stops neither the context nor other listeners", async () => {
  const { clock, controller, context, events } = await world();
  context.events.subscribe(() => {
    throw new Error('broken window');
  });
  controller.services = [];
  controller.touch();
  await clock.advanceSlowly(20_000, 1000);
  expect(events.at(-1)?.kind).toBe('services-changed');
  expect(context.state().kind).toBe('ready');
});

test('after hours without a controller, the word that the network is back is acted upon at once', async () => {
  const { clock, controller, context } = await world('legacy', (script) => {
    script.unreachable.add('*');
  });
  await clock.advanceSlowly(3 * 60 * minute, 30_000);
  expect(context.state()).toMatchObject({ kind: 'degraded' });
  controller.unreachable.clear();
  await context.networkChanged();
  await clock.advanceSlowly(1500);
  expect(context.state().kind).toBe('ready');
  expect(context.services()).toHaveLength(1);
});

test('a network that changed: channels are asked whether they live, and what waits is tried at once', async () => {
  const { clock, fleet, context } = await world();
  await context.networkChanged();
  expect(fleet.opened[0]?.confirmed).toBe(1);
  const name = fleet.opened[0]?.name ?? '';
  fleet.unreachable.add(name);
  fleet.opened[0]?.lose(new TunnelerError('ziti.channel.closed', 'gone'));
  await clock.advanceSlowly(60 * minute, 30_000);
  const before = fleet.opened.length;
  fleet.unreachable.clear();
  await context.networkChanged();
  await clock.advanceSlowly(500);
  expect(fleet.opened.length).toBe(before + 1);
  expect(context.routers()[0]?.state).toBe('connected');
});

test('a session that holds while it sees nothing is begun again, at growing pauses', async () => {
  const { clock, controller, context } = await world('legacy', (script) => {
    script.services = [];
  });
  const before = controller.count(authenticate);
  await clock.advanceSlowly(3 * minute, 5000);
  expect(controller.count(authenticate)).toBe(before + 1);
  await clock.advanceSlowly(60 * minute, 30_000);
  expect(controller.count(authenticate)).toBeLessThan(before + 7);
  expect(context.state().kind).toBe('ready');
});
