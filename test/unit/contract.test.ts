import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { createClient, type Transport } from '../../main/api/client.ts';
import { LineSplitter } from '../../main/api/lines.ts';
import { schema } from '../../main/api/schema.ts';
import { maxLineBytes } from '../../main/api/wire.ts';
import { createFakeEngine, emptyState } from '../support/fake-engine.ts';
import { memoryTransport } from '../support/memory-transport.ts';
import { rawConnection } from '../support/raw-connection.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

const utf8 = new TextEncoder();
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a client of the contract', () => {
  it('offers exactly the names in the schema', () => {
    const { client } = createClient(schema, memoryTransport(createFakeEngine().dispatcher));
    for (const [group, entries] of Object.entries(schema)) {
      expect(Object.keys(client[group as keyof typeof client])).toEqual(Object.keys(entries));
    }
    expect(Object.keys(client)).toEqual(Object.keys(schema));
  });

  it('gets results, and errors with the code of the engine', async () => {
    const { client, greeting } = createClient(schema, memoryTransport(createFakeEngine().dispatcher));
    expect(await greeting).toMatchObject({ greeting: 'culvert', protocol: 1, permission: 'administer' });
    expect((await client.engine.status()).mode).toBe('proxy');
    await expect(client.identity.enable({ name: 'nobody' })).rejects.toMatchObject({ code: 'identity.unknown' });
  });

  it('follows a stream until it leaves the loop, which cancels at the engine', async () => {
    const engine = createFakeEngine();
    const { client } = createClient(schema, memoryTransport(engine.dispatcher));
    const seen: number[] = [];
    const reading = (async () => {
      for await (const delta of client.state.changes({ after: 0 })) {
        seen.push(delta.seq);
        if (seen.length === 2) break;
      }
    })();
    await settle();
    for (let index = 0; index < 3; index++) {
      engine.push({ kind: 'dns-changed', value: emptyState().dns });
    }
    await reading;
    expect(seen).toEqual([1, 2]);
  });

  it('rejects a cancelled call at once and tells the engine', async () => {
    let aborted = false;
    const engine = createFakeEngine(emptyState(), {
      engine: {
        stop: (_request, { signal }) =>
          new Promise<void>(() => signal.addEventListener('abort', () => (aborted = true))),
      },
    });
    const { client, greeting } = createClient(schema, memoryTransport(engine.dispatcher));
    await greeting;
    const abort = new AbortController();
    const call = client.engine.stop(undefined, { signal: abort.signal });
    await settle();
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: 'base.cancelled' });
    await settle();
    expect(aborted).toBe(true);
  });

  it('rejects what is pending when the transport closes, and everything after', async () => {
    const engine = createFakeEngine(emptyState(), { engine: { stop: () => new Promise<void>(() => {}) } });
    const connection = createClient(schema, memoryTransport(engine.dispatcher));
    const call = connection.client.engine.stop();
    await settle();
    connection.close();
    await expect(call).rejects.toMatchObject({ code: 'base.closed' });
    await expect(connection.client.engine.status()).rejects.toMatchObject({ code: 'base.closed' });
    expect(await connection.closed).toBeUndefined();
  });

  it('refuses an engine of another protocol version, naming both', async () => {
    const transport: Transport = {
      send: () => {},
      start: (sink) =>
        sink.message(JSON.stringify({ greeting: 'culvert', protocol: 99, version: '9.9', permission: 'observe' })),
      close: () => {},
    };
    const { greeting, client } = createClient(schema, transport);
    await expect(greeting).rejects.toThrow(/9\.9 speaks protocol 99/);
    await expect(client.engine.status()).rejects.toMatchObject({ code: 'engine.protocol' });
  });
});

describe('the dispatcher', () => {
  const send = (raw: ReturnType<typeof rawConnection>, line: string): void => raw.push(utf8.encode(`${line}\n`));

  it.each([
    ['no JSON', 'hello', 'engine.protocol'],
    ['an array', '[1]', 'engine.protocol'],
    ['no id', '{"call":"engine.status"}', 'engine.protocol'],
    ['a negative id', '{"id":-1,"call":"engine.status"}', 'engine.protocol'],
    ['no call', '{"id":1}', 'engine.protocol'],
    ['an unknown call', '{"id":1,"call":"engine.selfDestruct"}', 'engine.unknown_call'],
    ['a name of the prototype', '{"id":1,"call":"constructor.name"}', 'engine.unknown_call'],
    ['__proto__', '{"id":1,"call":"__proto__.toString"}', 'engine.unknown_call'],
    ['an unknown field', '{"id":1,"call":"identity.enable","request":{"name":"a","x":1}}', 'base.invalid'],
    ['a path as a name', '{"id":1,"call":"identity.enable","request":{"name":"../etc"}}', 'base.invalid'],
    ['a missing request', '{"id":1,"call":"identity.enable"}', 'base.invalid'],
  ])('answers %s with its code and lives', async (_what, line, code) => {
    const raw = rawConnection(createFakeEngine().dispatcher);
    send(raw, line);
    await settle();
    expect(raw.answers.at(-1)).toMatchObject({ error: { code } });
    send(raw, '{"id":7,"call":"engine.status"}');
    await settle();
    expect(raw.answers.at(-1)).toMatchObject({ id: 7, result: { mode: 'proxy' } });
  });

  it('checks the permission before it parses or runs anything', async () => {
    const engine = createFakeEngine();
    const raw = rawConnection(engine.dispatcher, { permission: 'observe', via: 'socket' });
    send(raw, '{"id":1,"call":"identity.remove","request":{"name":"a"}}');
    send(raw, '{"id":2,"call":"session.close","request":{"ids":["a"]}}');
    send(raw, '{"id":3,"call":"session.list"}');
    await settle();
    expect(raw.answers.slice(1)).toEqual([
      expect.objectContaining({ id: 1, error: expect.objectContaining({ code: 'engine.forbidden' }) as unknown }),
      expect.objectContaining({ id: 2, error: expect.objectContaining({ code: 'engine.forbidden' }) as unknown }),
      { id: 3, result: [] },
    ]);
    expect(engine.calls.map((call) => call.name)).toEqual(['session.list']);
  });

  it('answers a request split into single bytes, and many in one chunk', async () => {
    const raw = rawConnection(createFakeEngine().dispatcher);
    for (const byte of utf8.encode('{"id":1,"call":"session.list"}\n')) raw.push(Uint8Array.of(byte));
    raw.push(utf8.encode(Array.from({ length: 50 }, (_, i) => `{"id":${i + 2},"call":"session.list"}\n`).join('')));
    await settle();
    expect(raw.answers.slice(1).map((answer) => answer['id'])).toEqual(Array.from({ length: 51 }, (_, i) => i + 1));
  });

  it('answers an id in use, and more requests than one client may have open', async () => {
    const engine = createFakeEngine(emptyState(), { engine: { stop: () => new Promise<void>(() => {}) } });
    const raw = rawConnection(engine.dispatcher);
    send(raw, '{"id":1,"call":"engine.stop"}');
    send(raw, '{"id":1,"call":"engine.stop"}');
    for (let id = 2; id <= 257; id++) send(raw, `{"id":${id},"call":"engine.stop"}`);
    await settle();
    expect(raw.answers.slice(1)).toEqual([
      expect.objectContaining({ id: 1, error: expect.objectContaining({ code: 'engine.protocol' }) as unknown }),
      expect.objectContaining({ id: 257, error: expect.objectContaining({ code: 'engine.busy' }) as unknown }),
    ]);
  });

  it('never shows a stack or the text of a foreign cause, and reports defects', async () => {
    const engine = createFakeEngine(emptyState(), {
      engine: {
        status: () => {
          throw new TunnelerError('base.timeout', 'too late', { cause: new Error('secret'), details: { after: 5 } });
        },
      },
    });
    const raw = rawConnection(engine.dispatcher);
    send(raw, '{"id":1,"call":"engine.status"}');
    await settle();
    expect(raw.answers.at(-1)).toEqual({
      id: 1,
      error: { code: 'base.timeout', message: 'too late', details: { after: 5 } },
    });
  });

  it('answers a line over 16 MiB and reads on behind it', async () => {
    const raw = rawConnection(createFakeEngine().dispatcher);
    const block = new Uint8Array(1024 * 1024).fill(0x61);
    for (let sent = 0; sent <= maxLineBytes; sent += block.length) raw.push(block);
    raw.push(utf8.encode('\n{"id":1,"call":"session.list"}\n'));
    await settle();
    expect(raw.answers.slice(1)).toEqual([
      { id: null, error: { code: 'engine.protocol', message: 'oversized' } },
      { id: 1, result: [] },
    ]);
  });

  it('lives through thousands of fuzzed lines, each answered or ignored', async () => {
    const raw = rawConnection(createFakeEngine().dispatcher);
    const names = Object.entries(schema)
      .flatMap(([group, entries]) => Object.keys(entries).map((name) => `${group}.${name}`))
      .filter((name) => name !== 'state.changes' && name !== 'audit.tail');
    const line = fc.oneof(
      { weight: 3, arbitrary: fc.record({ id: fc.nat(), call: fc.constantFrom(...names), request: fc.jsonValue() }) },
      { weight: 1, arbitrary: fc.record({ id: fc.jsonValue(), call: fc.jsonValue() }) },
      { weight: 1, arbitrary: fc.record({ id: fc.nat(100), cancel: fc.boolean() }) },
    );
    const text = fc.oneof(
      line.map((value) => JSON.stringify(value)),
      fc.string(),
      fc.tuple(line, fc.nat(80), fc.nat(255)).map(([value, at, byte]) => {
        const letters = JSON.stringify(value).split('');
        letters[at % letters.length] = String.fromCharCode(byte);
        return letters.join('');
      }),
    );
    let sent = 0;
    for (const batch of fc.sample(fc.array(text, { minLength: 1000, maxLength: 1000 }), {
      numRuns: Math.ceil(fuzzRounds(5_000) / 1000),
      seed: 7,
    })) {
      for (const one of batch) {
        raw.push(utf8.encode(`${one}\n`));
        sent += 1;
      }
      await settle();
      for (const answer of raw.answers.splice(0)) {
        if ('error' in answer) expect(answer['error']).toMatchObject({ code: expect.any(String) as string });
      }
    }
    expect(sent).toBeGreaterThanOrEqual(5_000);
    send(raw, '{"id":1,"call":"session.list"}');
    await settle();
    expect(raw.answers).toEqual([{ id: 1, result: [] }]);
  }, 120_000);
});

describe('the line splitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.array(fc.integer({ min: 1, max: 9 })),
        (texts, cuts) => {
          const wanted = texts.flatMap((text) => text.split('\n')).filter((text) => text.trim() !== '');
          const bytes = utf8.encode(texts.map((text) => `${text}\n`).join(''));
          const splitter = new LineSplitter();
          const got = [];
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const step = cuts[turn % Math.max(1, cuts.length)] ?? bytes.length;
            got.push(...splitter.push(bytes.subarray(at, at + step)));
            at += step;
          }
          expect(got).toEqual(wanted.map((text) => ({ kind: 'line', text })));
        },
      ),
    );
  });

  it('says what is no UTF-8', () => {
    expect(new LineSplitter().push(Uint8Array.of(0xff, 0xfe, 0x0a))).toEqual([{ kind: 'not-utf8' }]);
  });
});
