import { randomBytes } from 'node:crypto';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IncomingDial } from '../../main/ziti/ziti.ts';
import { describeReleases } from '../support/networks.ts';
import { until } from '../support/until.ts';
import { arrange, drain, echo, host, join, pour, uniqueName, type Member } from '../support/ziti-world.ts';

const mebibyte = 1024 * 1024;

describeReleases('dialling and hosting', (network) => {
  let alice: Member;
  let bob: Member;

  beforeAll(async () => {
    alice = await join(network());
    bob = await join(network());
  });

  afterAll(async () => {
    await alice?.context[Symbol.asyncDispose]();
    await bob?.context[Symbol.asyncDispose]();
  });

  test('the way of authentication follows what the release enforces', async () => {
    const dispatcher = new Agent({ connect: { ca: network().caPem } });
    const answer = await request(`${network().controllerUrl}/version`, { dispatcher });
    const { data } = (await answer.body.json()) as { data: { version: string; capabilities?: string[] } };
    await dispatcher.close();
    expect(alice.context.controller()).toMatchObject({
      url: network().controllerUrl,
      version: data.version,
      authentication: data.capabilities?.includes('OIDC_AUTH_WITH_CSR') === true ? 'oidc' : 'legacy',
    });
  });

  test('the identity, its router and its latency are known', async () => {
    expect(alice.context.identity()?.id).toBe(alice.id);
    await until(() => alice.context.routers().some((router) => router.state === 'connected'));
    const [router] = alice.context.routers();
    expect(router?.latencyMs).toBeGreaterThan(0);
  });

  test('a service appears with its configs and permissions, and is gone once deleted', async () => {
    const config = { maxBytes: 12 };
    const { serviceId } = await arrange(network(), alice, bob, { configs: { 'culvert.contract.v1': config } });
    const service = alice.context.services().find(({ id }) => id === serviceId);
    expect(service).toMatchObject({
      permissions: ['Dial'],
      configs: { 'culvert.contract.v1': config },
      encryptionRequired: true,
    });
    await network().admin.deleteService(serviceId);
    await until(() => !alice.context.services().some(({ id }) => id === serviceId), 15_000);
  });

  for (const encryptionRequired of [true, false]) {
    test(`bytes come back from a${encryptionRequired ? 'n encrypted' : ' plain'} service`, async () => {
      const { serviceId } = await arrange(network(), alice, bob, { encryptionRequired });
      await using _ = await host(network(), bob, serviceId, echo);
      const stream = await alice.context.dial(serviceId);
      expect(stream.encrypted).toBe(encryptionRequired);
      const over = drain(stream);
      stream.write(Buffer.from('hello '));
      stream.write(Buffer.from('dark world'));
      stream.end();
      expect(await over).toMatchObject({ text: 'hello dark world', error: undefined });
    });
  }

  test('app data and the caller reach the host', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    const dials: IncomingDial[] = [];
    await using _ = await host(network(), bob, serviceId, (stream, dial) => {
      dials.push(dial);
      echo(stream);
    });
    const stream = await alice.context.dial(serviceId, { appData: Buffer.from('{"dst_port":"80"}') });
    const [dial] = dials;
    expect(Buffer.from(dial?.appData ?? []).toString()).toBe('{"dst_port":"80"}');
    expect(dial?.caller.name).toBe(alice.context.identity()?.name);
    expect(dial?.circuitId).toBe(stream.circuitId);
    stream.reset();
  });

  test('half-close crosses from dialler to host and from host to dialler', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    const hosted: string[] = [];
    await using _ = await host(network(), bob, serviceId, (stream) => {
      // The host speaks and ends first, then still hears the dialler to its end.
      stream.start({
        data: (chunk) => hosted.push(Buffer.from(chunk).toString()),
        end: () => hosted.push('END'),
        drain: () => undefined,
        closed: () => undefined,
      });
      stream.write(Buffer.from('from host'));
      stream.end();
    });
    const stream = await alice.context.dial(serviceId);
    const heard: string[] = [];
    const over = new Promise<unknown>((resolve) => {
      stream.start({
        data: (chunk) => heard.push(Buffer.from(chunk).toString()),
        end: () => {
          heard.push('END');
          stream.write(Buffer.from('after your end'));
          stream.end();
        },
        drain: () => undefined,
        closed: resolve,
      });
    });
    expect(await over).toBeUndefined();
    expect(heard).toEqual(['from host', 'END']);
    await until(() => hosted.includes('END'));
    expect(hosted.join('|')).toBe('after your end|END');
  });

  test('64 MiB each way arrive unharmed', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    await using _ = await host(network(), bob, serviceId, echo);
    const stream = await alice.context.dial(serviceId);
    const way = pour(stream, randomBytes(60_000), 64 * mebibyte);
    const received = await way.received;
    expect(received.error).toBeUndefined();
    expect(received.bytes).toBe(64 * mebibyte);
    expect(received.sha256).toBe(way.sha256);
  }, 120_000);

  test('1,000 connections at one time all carry their own bytes', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    await using _ = await host(network(), bob, serviceId, echo);
    const streams = await Promise.all(
      Array.from({ length: 1000 }, () => alice.context.dial(serviceId, { timeoutMs: 60_000 })),
    );
    const answers = streams.map(async (stream, index) => {
      const over = drain(stream);
      stream.write(Buffer.from(`connection ${index}`));
      stream.end();
      return (await over).text === `connection ${index}`;
    });
    expect((await Promise.all(answers)).filter(Boolean).length).toBe(1000);
  }, 120_000);

  test('a refused dial is refused, with the reason', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    await using _ = await bob.context.bind(serviceId, {}, (dial) => dial.reject('no backend'));
    await until(async () => (await network().admin.terminators(serviceId)).length > 0, 15_000);
    await expect(alice.context.dial(serviceId)).rejects.toMatchObject({ code: 'ziti.dial.refused' });
  });

  test('a service nobody hosts is refused as that', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    await expect(alice.context.dial(serviceId)).rejects.toMatchObject({ code: 'ziti.dial.no_terminator' });
  });

  test('a service without a dial policy is not dialled', async () => {
    const serviceId = await network().admin.createService({ name: uniqueName('unseen') });
    await expect(alice.context.dial(serviceId)).rejects.toMatchObject({ code: 'ziti.dial.service_unknown' });
  });

  test('a terminator identity picks its host', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    const onDial = (name: string) => (dial: IncomingDial) => {
      const stream = dial.accept();
      echo(stream);
      stream.write(Buffer.from(name));
      stream.end();
    };
    await using one = await bob.context.bind(serviceId, { terminatorIdentity: 'one' }, onDial('one'));
    await using two = await bob.context.bind(serviceId, { terminatorIdentity: 'two' }, onDial('two'));
    await until(async () => (await network().admin.terminators(serviceId)).length === 2, 15_000);
    for (const wanted of ['one', 'two']) {
      const stream = await alice.context.dial(serviceId, { terminatorIdentity: wanted });
      expect((await drain(stream, 'end')).text).toBe(wanted);
      stream.reset();
    }
    await expect(alice.context.dial(serviceId, { terminatorIdentity: 'three' })).rejects.toMatchObject({
      code: 'ziti.dial.no_terminator',
    });
    expect(one.terminators() + two.terminators()).toBe(2);
  });

  test('a binding disposed leaves no terminator', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    const binding = await host(network(), bob, serviceId, echo);
    await binding[Symbol.asyncDispose]();
    await until(async () => (await network().admin.terminators(serviceId)).length === 0, 15_000);
  });

  test('datagrams keep their boundaries', async () => {
    const { serviceId } = await arrange(network(), alice, bob);
    const sizes = [1, 100, 1400, 9000];
    const binding = await bob.context.bind(serviceId, {}, (dial) => echo(dial.accept('datagram')));
    await until(async () => (await network().admin.terminators(serviceId)).length > 0, 15_000);
    const stream = await alice.context.dial(serviceId, { kind: 'datagram' });
    const seen: number[] = [];
    stream.start({
      data: (chunk) => seen.push(chunk.length),
      end: () => undefined,
      drain: () => undefined,
      closed: () => undefined,
    });
    for (const size of sizes) stream.write(randomBytes(size));
    await until(() => seen.length === sizes.length);
    expect(seen).toEqual(sizes);
    stream.reset();
    await binding[Symbol.asyncDispose]();
  });
});
