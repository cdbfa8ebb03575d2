import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { GoPeer } from '../support/go-peer.ts';
import { describeNetworks } from '../support/networks.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { until } from '../support/until.ts';
import { arrange, drain, echo, host, join, pour, type Arranged, type Member } from '../support/ziti-world.ts';
import { listening } from '../support/listening.ts';

const mebibyte = 1024 * 1024;

describe.skipIf(mustSkip(openZitiMissing()))('with Go tunnelers', () => {
  describeNetworks('across', (network) => {
    let alice: Member;
    let bob: Member;
    let peer: GoPeer;
    let goId: string;
    let backend: Server;
    let hosted: Arranged;

    beforeAll(async () => {
      alice = await join(network());
      bob = await join(network());
      const { id, jwt } = await network().admin.createIdentity('go-peer');
      goId = id;
      peer = await GoPeer.enrol(jwt);
      backend = createServer({ allowHalfOpen: true }, (socket) =>
        socket.on('error', () => socket.destroy()).pipe(socket),
      );
      const port = await listening(backend);
      hosted = await arrange(
        network(),
        alice,
        { id: goId },
        {
          name: 'go-hosted',
          configs: { 'host.v1': { protocol: 'tcp', address: '127.0.0.1', port } },
        },
      );
      const child = peer.host();
      await child.until(
        'a terminator',
        async () => (await network().admin.terminators(hosted.serviceId)).length > 0,
        30_000,
      );
    }, 120_000);

    afterAll(async () => {
      await peer?.[Symbol.asyncDispose]();
      backend?.close();
      await alice?.context[Symbol.asyncDispose]();
      await bob?.context[Symbol.asyncDispose]();
    }, 60_000);

    test('Culvert dials what a Go tunneler hosts', async () => {
      const stream = await alice.context.dial(hosted.serviceId);
      expect(stream.encrypted).toBe(true);
      const over = drain(stream);
      stream.write(Buffer.from('hello gopher'));
      stream.end();
      // The Go host half-closes its own way; both ends have to come through for this to end without an error.
      expect(await over).toMatchObject({ text: 'hello gopher', error: undefined });
    });

    test('64 MiB each way through a Go host arrive unharmed', async () => {
      const stream = await alice.context.dial(hosted.serviceId);
      const way = pour(stream, randomBytes(60_000), 64 * mebibyte);
      const received = await way.received;
      expect(received).toMatchObject({ bytes: 64 * mebibyte, sha256: way.sha256, error: undefined });
    }, 120_000);

    test('100 connections to a Go host at one time all carry their own bytes', async () => {
      const answers = Array.from({ length: 100 }, async (_, index) => {
        const stream = await alice.context.dial(hosted.serviceId, { timeoutMs: 30_000 });
        const over = drain(stream);
        stream.write(Buffer.from(`connection ${index}`));
        stream.end();
        return (await over).text === `connection ${index}`;
      });
      expect((await Promise.all(answers)).filter(Boolean).length).toBe(100);
    }, 60_000);

    test('a Go tunneler proxies to what Culvert hosts', async () => {
      const name = `culvert-hosted-${process.pid}`;
      const serviceId = await network().admin.createService({ name });
      await network().admin.createServicePolicy({ type: 'Dial', services: [serviceId], identities: [goId] });
      await network().admin.createServicePolicy({ type: 'Bind', services: [serviceId], identities: [bob.id] });
      await bob.context.refresh();
      const callers: (string | undefined)[] = [];
      await using _ = await host(network(), bob, serviceId, (stream, dial) => {
        callers.push(dial.caller.name);
        echo(stream);
      });
      const { port } = await peer.proxy(name);
      const sent = randomBytes(4 * mebibyte);
      const hash = createHash('sha256');
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      let bytes = 0;
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        hash.update(chunk);
      });
      const startedAt = systemClock.monotonic();
      socket.end(sent);
      await once(socket, 'end');
      expect(bytes).toBe(sent.length);
      expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
      expect(systemClock.monotonic() - startedAt).toBeLessThan(20_000);
      expect(callers).toContain('go-peer');
      socket.destroy();
    }, 60_000);

    test('a Go host that goes away is told as nobody hosting', async () => {
      const { jwt, id } = await network().admin.createIdentity('go-peer-leaving');
      await using leaving = await GoPeer.enrol(jwt);
      const service = await arrange(
        network(),
        alice,
        { id },
        {
          configs: {
            'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: (backend.address() as AddressInfo).port },
          },
        },
      );
      const child = leaving.host();
      await child.until(
        'a terminator',
        async () => (await network().admin.terminators(service.serviceId)).length > 0,
        30_000,
      );
      await child.stop();
      await until(async () => (await network().admin.terminators(service.serviceId)).length === 0, 20_000);
      await expect(alice.context.dial(service.serviceId)).rejects.toMatchObject({ code: 'ziti.dial.no_terminator' });
    }, 90_000);
  });
});
