/** What the forwarder takes for an answer: the resolver's, to this very question. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import * as dns from 'dns-packet';
import { systemClock } from '../../main/base/clock.ts';
import { Forwarder } from '../../main/net/dns/forwarder.ts';

const open: Socket[] = [];
afterEach(() => open.splice(0).forEach((socket) => socket.close()));

type Reply = (id: number) => Buffer;

/** A resolver that answers each query with these messages, one after the other. */
async function upstream(...replies: readonly Reply[]): Promise<string> {
  const socket = createSocket('udp4');
  open.push(socket);
  socket.on('message', (query, from) => {
    for (const reply of replies) socket.send(reply(query.readUInt16BE(0)), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return `127.0.0.1#${socket.address().port}`;
}

const answer =
  (name: string, data: string, type: 'A' | 'AAAA' = 'A', asType: 'response' | 'query' = 'response'): Reply =>
  (id) =>
    dns.encode({
      type: asType,
      id,
      questions: [{ type, name }],
      answers: [{ type, name, ttl: 1, data }] as dns.Answer[],
    });

async function ask(...replies: readonly Reply[]): Promise<dns.DecodedPacket | undefined> {
  const place = await upstream(...replies);
  const abort = new AbortController();
  const forwarder = new Forwarder({
    upstreams: () => [place],
    clock: systemClock,
    signal: abort.signal,
    timeoutMs: 500,
  });
  const query = dns.encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'www.example.org' }] });
  const found = await forwarder.forward(query, 'udp');
  return found === undefined ? undefined : dns.decode(Buffer.from(found));
}

it('passes over what has the right id and answers another question', async () => {
  const found = await ask(
    answer('www.example.com', '192.0.2.66'),
    answer('www.example.org', '2001:db8::66', 'AAAA'),
    answer('www.example.org', '192.0.2.67', 'A', 'query'),
    answer('WWW.Example.ORG', '192.0.2.1'),
  );
  expect(found?.id).toBe(7);
  expect(found?.answers).toMatchObject([{ data: '192.0.2.1' }]);
});

it('has no answer where only such came', async () => {
  expect(await ask(answer('www.example.com', '192.0.2.66'))).toBeUndefined();
});

it('passes on that a resolver could not read the question', async () => {
  const found = await ask((id) => Buffer.from([id >> 8, id & 0xff, 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]));
  expect(found).toMatchObject({ rcode: 'FORMERR' });
});
