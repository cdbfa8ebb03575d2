import { createServer } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openHttpsTransport, type OpenTransport } from '../../main/ziti/ziti.ts';
import { describeNetworks } from '../support/networks.ts';
import { freePorts } from '../support/child.ts';
import { selfSigned } from '../support/self-signed.ts';
import { until } from '../support/until.ts';
import { drain, open, type Arranged, type Member } from '../support/ziti-world.ts';
import { echoOf, openEchoWorld, type EchoWorld } from '../support/echo-world.ts';
import { listening } from '../support/listening.ts';

describeNetworks('recovery', (network) => {
  let world: EchoWorld;
  let alice: Member;
  let echoing: Arranged;

  beforeAll(async () => {
    world = await openEchoWorld(network());
    ({ alice, echoing } = world);
  });

  afterAll(() => world?.[Symbol.asyncDispose]());

  /** A dial that works, tried until it does. */
  async function works(member: Member = alice, withinMs = 30_000): Promise<void> {
    await until(async () => {
      try {
        return (await echoOf(member, echoing.serviceId, 'again', { timeoutMs: 5000 })) === 'again';
      } catch {
        // Not yet; the time limit decides.
        return false;
      }
    }, withinMs);
  }

  test('after a router restart, dialling and hosting come back by themselves', async () => {
    const stream = await alice.context.dial(echoing.serviceId);
    const over = drain(stream);
    stream.write(Buffer.from('before'));
    await network().stopRouter();
    expect((await over).error).toBeDefined();
    await until(() => alice.context.routers().every((router) => router.state !== 'connected'));
    await network().startRouter();
    await works();
    expect(alice.context.state().kind).toBe('ready');
  }, 60_000);

  test('a controller that stops leaves open streams alone, and is found again', async () => {
    const stream = await alice.context.dial(echoing.serviceId);
    const heard: string[] = [];
    const over = new Promise<void>((resolve) => {
      stream.start({
        data: (chunk) => heard.push(Buffer.from(chunk).toString()),
        end: () => undefined,
        drain: () => undefined,
        closed: () => resolve(),
      });
    });
    await network().stopController();
    await until(() => alice.context.state().kind === 'degraded', 20_000);
    stream.write(Buffer.from('without controller'));
    await until(() => heard.join('') === 'without controller');
    stream.end();
    await over;
    expect(alice.context.services().length).toBeGreaterThan(0);
    await network().startController();
    await until(() => alice.context.state().kind === 'ready', 30_000);
    await works();
  }, 90_000);

  test('sessions ended by the administrator are followed by new ones', async () => {
    await network().admin.endSessions(alice.id);
    await works();
    expect(alice.context.state().kind).toBe('ready');
  }, 60_000);

  test('an identity that starts while its controller is away gets to work once it is back', async () => {
    await network().stopController();
    const late = await open(alice.id, alice.options, false);
    await until(() => late.context.state().kind === 'degraded', 20_000);
    expect(late.context.state()).toMatchObject({ error: { code: 'ziti.controller.unreachable' } });
    await network().startController();
    await until(() => late.context.state().kind === 'ready', 30_000);
    await works(late);
    await late.context[Symbol.asyncDispose]();
  }, 90_000);

  for (const position of [1, 2, 3, 4, 5]) {
    test(`one failing request at start-up (number ${position} after the sign-in) is got over`, async () => {
      let seen = 0;
      let signedIn = false;
      const failing: OpenTransport = (origin, credential) => {
        const real = openHttpsTransport(origin, credential);
        return {
          origin,
          send: async (request) => {
            if (signedIn) seen += 1;
            if (signedIn && seen === position) return { status: 500, header: () => undefined, text: 'oops' };
            const answer = await real.send(request);
            if (/authenticate|oauth\/token/.test(request.path)) signedIn = true;
            return answer;
          },
          [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
        };
      };
      const member = await open(alice.id, { ...alice.options, open: failing });
      expect(seen).toBeGreaterThanOrEqual(position);
      await works(member);
      await member.context[Symbol.asyncDispose]();
    }, 60_000);
  }

  test('an unreachable controller is told as that, and retried', async () => {
    const [port] = await freePorts(1);
    const member = await open(
      alice.id,
      { ...alice.options, apis: [`https://127.0.0.1:${port}/edge/client/v1`] },
      false,
    );
    await until(() => member.context.state().kind === 'degraded', 20_000);
    expect(member.context.state()).toMatchObject({ error: { code: 'ziti.controller.unreachable' } });
    await expect(member.context.dial(echoing.serviceId, { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'ziti.controller.unreachable',
    });
    await member.context[Symbol.asyncDispose]();
  });

  test('a controller with a certificate of another authority is refused', async () => {
    const impostor = createServer(await selfSigned('127.0.0.1'));
    const port = await listening(impostor);
    const member = await open(
      alice.id,
      { ...alice.options, apis: [`https://127.0.0.1:${port}/edge/client/v1`] },
      false,
    );
    await until(() => member.context.state().kind === 'degraded', 20_000);
    expect(member.context.state()).toMatchObject({ error: { code: 'ziti.controller.certificate' } });
    await member.context[Symbol.asyncDispose]();
    impostor.close();
  });

  test('of two controllers the one that answers is used', async () => {
    const [port] = await freePorts(1);
    const apis = [`https://127.0.0.1:${port}/edge/client/v1`, ...alice.options.apis];
    const member = await open(alice.id, { ...alice.options, apis });
    expect(member.context.controller().url).toBe(network().controllerUrl);
    await works(member);
    await member.context[Symbol.asyncDispose]();
  });

  test('a context that is closed ends its session and answers nothing more', async () => {
    const member = await open(alice.id, alice.options);
    await member.context[Symbol.asyncDispose]();
    await member.context[Symbol.asyncDispose]();
    expect(member.context.state().kind).toBe('closed');
    await expect(member.context.dial(echoing.serviceId)).rejects.toMatchObject({ code: 'base.closed' });
  });
});
