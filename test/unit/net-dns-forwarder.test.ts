import { createSocket, type Socket } from 'node:dgram';
import { decode, encode } from 'dns-packet';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { Forwarder } from '../../main/net/dns/forwarder.ts';

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** A resolver that answers every question with `code`, naming itself in the answer. */
async function upstream(code: number, asked: string[], name: string): Promise<string> {
  const socket = createSocket('udp4');
  open.push(socket);
  socket.on('message', (message, from) => {
    asked.push(name);
    const { id = 0, questions = [] } = decode(message);
    socket.send(encode({ type: 'response', id, flags: 0x8180 | code, questions }), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return `127.0.0.1#${socket.address().port}`;
}

const query = encode({ type: 'query', id: 7, flags: 256, questions: [{ name: 'a.example', type: 'A', class: 'IN' }] });

async function ask(upstreams: readonly string[]): Promise<number | undefined> {
  const forwarder = new Forwarder({
    upstreams: () => upstreams,
    clock: systemClock,
    signal: new AbortController().signal,
  });
  const answer = await forwarder.forward(query, 'udp');
  return answer === undefined ? undefined : (decode(Buffer.from(answer)).flags ?? 0) & 15;
}

it('a resolver that will not or cannot is followed by the next, a fourth included', async () => {
  const asked: string[] = [];
  const [refusing, failing, lacking, good] = [
    await upstream(5, asked, 'refusing'),
    await upstream(2, asked, 'failing'),
    await upstream(4, asked, 'lacking'),
    await upstream(0, asked, 'good'),
  ];
  expect(await ask([refusing, failing, lacking, good])).toBe(0);
  expect(asked).toEqual(['refusing', 'failing', 'lacking', 'good']);
});

it('that a name is not there is an answer', async () => {
  const asked: string[] = [];
  expect(await ask([await upstream(3, asked, 'knows'), await upstream(0, asked, 'other')])).toBe(3);
  expect(asked).toEqual(['knows']);
});

it('where none can, the first one says so', async () => {
  expect(await ask([await upstream(5, [], 'refusing'), await upstream(2, [], 'failing')])).toBe(5);
});
