import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, connect, Socket } from 'node:net';
import { expect, it } from 'vitest';
import { addressesOf, firstToConnect, type LookUp } from '../../main/sockets/address-race.ts';
import { connectUdp } from '../../main/sockets/connect-udp.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { listening } from '../support/listening.ts';

const found: LookUp = () =>
  Promise.resolve([
    { address: '2001:db8::1', family: 6 },
    { address: '2001:db8::2', family: 6 },
    { address: '192.0.2.1', family: 4 },
  ]);

/** A socket that is still connecting until the test says otherwise. */
class Attempt extends Socket {
  readonly target: string;
  constructor(address: string) {
    super();
    this.target = address;
  }
}

function race(addresses: readonly string[]) {
  const clock = new ManualClock();
  const attempts: Attempt[] = [];
  const won = firstToConnect(
    addresses,
    (address) => {
      const attempt = new Attempt(address);
      attempts.push(attempt);
      return attempt;
    },
    { clock },
  );
  return { clock, attempts, won };
}

it('families take turns, the system’s first choice first; an address is its own', async () => {
  expect(await addressesOf('name.example', 0, found)).toEqual(['2001:db8::1', '192.0.2.1', '2001:db8::2']);
  expect(await addressesOf('192.0.2.9', 0, found)).toEqual(['192.0.2.9']);
});

it('a slow address is not given up while the next is tried, however long its line is', async () => {
  const { clock, attempts, won } = race(['2001:db8::1', '192.0.2.1']);
  expect(attempts.map(({ target }) => target)).toEqual(['2001:db8::1']);
  clock.advance(250);
  expect(attempts).toHaveLength(2);
  clock.advance(5000);
  expect(attempts.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  attempts[0]?.emit('connect');
  expect(await won).toBe(attempts[0]);
  expect(attempts[1]?.destroyed).toBe(true);
});

it('an address that fails is followed by the next at once, and the first failure is told where all fail', async () => {
  const { attempts, won } = race(['2001:db8::1', '192.0.2.1']);
  attempts[0]?.emit('error', new Error('no way there'));
  expect(attempts).toHaveLength(2);
  attempts[1]?.emit('error', new Error('refused'));
  await expect(won).rejects.toThrow('no way there');
});

it('a dead address before a living one is got over', async () => {
  const server = createServer((socket) => socket.end());
  const port = await listening(server);
  const won = await firstToConnect(['127.0.0.2', '127.0.0.1'], (host) =>
    connect({ host, port: host === '127.0.0.1' ? port : 1 }),
  );
  expect(won.remoteAddress).toBe('127.0.0.1');
  won.destroy();
  server.close();
});

it('UDP at a name goes to the first address there is a way to', async () => {
  const peer = createSocket('udp4');
  await new Promise<void>((resolve) => peer.bind(0, '127.0.0.1', resolve));
  const arrived = once(peer, 'message');
  const stream = await connectUdp({
    host: 'name.example',
    port: peer.address().port,
    localAddress: '127.0.0.1',
    // A broadcast address is refused to a socket that did not ask for it.
    lookUp: () =>
      Promise.resolve([
        { address: '255.255.255.255', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]),
  });
  stream.write(Buffer.from('here'));
  const [message] = (await arrived) as [Buffer];
  expect(message.toString()).toBe('here');
  stream.reset();
  peer.close();
});
