import { describe, expect, it, vi } from 'vitest';
import type { Caller } from '../../main/api/call.ts';
import type { EngineHandlers } from '../../main/api/schema.ts';
import { offeredAs, offeredCard, readCard, signedText, skillsOf } from '../../main/agora/card.ts';
import type { EngagementContract } from '../../main/base/engagement.ts';
import { disposable } from '../../main/base/lifecycle.ts';
import { silentLog } from '../../main/base/log.ts';
import type { ByteStream } from '../../main/base/stream.ts';
import { openOffers, type Offers } from '../../main/engine/agora/offers.ts';
import type { HostedAnswer } from '../../main/hosting/hosting.ts';
import type { HostedRequest } from '../../main/hosting/hosting.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryAudit } from '../support/session-world.ts';
import { ownCalls } from '../../main/engine/calls/own-calls.ts';
import { checkCard, signCard } from '../../main/engine/agora/card-signing.ts';
import { certificateSigner } from '../../main/engine/identities/certificate-signer.ts';
import { agentCard } from '../support/a2a-programs.ts';
import { authority, issue } from '../support/network-certificates.ts';

const plain = agentCard('broker', 'http://inside/', ['quote', 'transfer']);
const shown = (service = 'broker', card = plain): ReturnType<typeof offeredCard> =>
  offeredCard(card, { service, url: 'http://broker.dark/', shows: (skill) => skill === 'quote' });

describe('a card that is offered', () => {
  it('is read only as every reader reads it', () => {
    expect(readCard(JSON.stringify(plain))).toEqual(plain);
    for (const text of [
      '[]',
      '{}',
      '{"name":"x"}',
      '{"name":"x","skills":[{}]}',
      '{"name":"x","Name":"y","skills":[]}',
    ]) {
      expect(() => readCard(text)).toThrow(expect.objectContaining({ code: 'agora.card_invalid' }) as Error);
    }
  });

  it('shows the skills of the contract, one way in, and the service it is offered as', () => {
    const grpc = { protocolBinding: 'GRPC', url: 'http://inside:1', protocolVersion: '1.0' };
    const ways = [...(plain.supportedInterfaces as object[]), grpc];
    const old = { url: 'http://inside/old', preferredTransport: 'GRPC' };
    const card = shown('broker', { ...plain, ...old, supportedInterfaces: ways, signatures: [{ protected: 'a' }] });
    expect(card).toMatchObject({ url: 'http://broker.dark/', preferredTransport: 'JSONRPC' });
    expect(skillsOf(card)).toEqual(['quote']);
    expect(card.supportedInterfaces).toEqual([
      { url: 'http://broker.dark/', protocolBinding: 'JSONRPC', tenant: '', protocolVersion: '1.0' },
    ]);
    expect(card).not.toHaveProperty('signatures');
    expect(offeredAs(card)).toBe('broker');
    expect(JSON.stringify(card)).not.toContain('inside');
  });

  it('keeps the form of revision 0.3', () => {
    const { supportedInterfaces: _ways, ...old } = plain;
    const additionalInterfaces = [{ transport: 'JSONRPC', url: 'http://inside/2' }];
    const card = shown('broker', { ...old, url: 'http://inside/', preferredTransport: 'GRPC', additionalInterfaces });
    expect(card).toMatchObject({ url: 'http://broker.dark/', preferredTransport: 'JSONRPC' });
    expect(JSON.stringify(card)).not.toContain('inside');
  });

  it('is signed without signatures and empty values, whatever the order', () => {
    expect(signedText({ b: 1, a: { c: '', d: [] }, signatures: [1], e: false })).toBe('{"b":1,"e":false}');
  });
});

describe('the signature on a card', () => {
  it('is good for that card of that service, under the authority that issued the identity, and no longer than it', async () => {
    const network = await authority('a network');
    const { certPem, keyPem } = await issue(network, 'box');
    const signer = { certPem, signer: certificateSigner(certPem, { kind: 'software', privateKeyPem: keyPem }) };
    const now = Date.now();
    const signed = await signCard(shown(), signer);
    const check = (card: object, service = 'broker', pem = network.pem, at = now): string =>
      checkCard(card as typeof signed, service, [pem], at).kind;
    // Numbers of a signature begin with nought bytes now and then.
    for (let times = 0; times < 40; times += 1) expect(check(await signCard(shown(), signer))).toBe('signed');
    expect(checkCard(signed, 'broker', [network.pem], now)).toEqual({ kind: 'signed', by: 'box' });
    expect(check({ ...signed, name: 'other' })).toBe('invalid');
    expect(check({ ...signed, skills: plain.skills })).toBe('invalid');
    expect(check(signed, 'bank')).toBe('invalid');
    expect(check(signed, 'broker', (await authority('another')).pem)).toBe('invalid');
    expect(check(signed, 'broker', network.pem, now + 400 * 86_400_000)).toBe('invalid');
    // Neither of two networks signs for the other.
    const two = [network.pem, (await authority('another')).pem];
    for (const networks of [two, [...two].reverse(), []]) {
      expect(checkCard(signed, 'broker', networks, now).kind).toBe('invalid');
    }
    expect(check(shown())).toBe('invalid');
    expect(check(plain)).toBe('none');
    const [one] = signed.signatures as { protected: string; signature: string }[];
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    for (const broken of [{ protected: none, signature: '' }, { ...one, signature: 'AAAA' }, { protected: 'x' }, 7]) {
      expect(check({ ...signed, signatures: [broken] })).toBe('invalid');
    }
  });
});

describe('an agent that offers', () => {
  const asked: unknown[] = [];
  const handlers = {
    agora: {
      offer: (request: unknown) => (asked.push(request), { [Symbol.asyncIterator]: () => ({}) }),
      offers: () => [
        { service: 'mine', identities: ['robot'] },
        { service: 'yours', identities: ['laptop'] },
        { service: 'both', identities: ['robot', 'laptop'] },
      ],
      withdraw: (request: unknown) => void asked.push(request),
      check: () => ({}),
    },
  } as unknown as EngineHandlers;
  const { agora } = ownCalls(new Proxy(handlers, { get: (target, name) => target[name as 'agora'] ?? {} }), {
    identitiesOfAgent: (agent) => (agent === 'many' ? ['robot', 'other'] : ['robot']),
    ownerUidOf: () => undefined,
    userName: String,
  });
  const as = (agent: string): { caller: Caller; signal: AbortSignal } => ({
    caller: { permission: 'administer', via: 'socket', standing: { kind: 'agent', agent } },
    signal: new AbortController().signal,
  });
  const offer = { service: 'mine', card: '{}', path: '/' };

  it('does so as its own identity alone', () => {
    agora.offer(offer, as('helper'));
    expect(asked.pop()).toEqual({ ...offer, identity: 'robot' });
    for (const refused of [
      () => agora.offer({ ...offer, identity: 'laptop' }, as('helper')),
      () => agora.offer(offer, as('many')),
    ]) {
      expect(refused).toThrow(expect.objectContaining({ code: 'engine.not_permitted' }) as Error);
    }
  });

  it('sees and takes back what is its own, and cannot tell the rest from what is not there', async () => {
    expect((await agora.offers(undefined, as('helper'))).map(({ service }) => service)).toEqual(['mine']);
    await agora.withdraw({ service: 'mine' }, as('helper'));
    expect(asked.pop()).toEqual({ service: 'mine', identities: ['robot'] });
    await agora.withdraw({ service: 'yours', identities: ['laptop', 'robot'] }, as('helper'));
    expect(asked.pop()).toEqual({ service: 'yours', identities: ['robot'] });
    expect(asked).toEqual([]);
  });
});

describe('agents on offer', () => {
  interface World {
    readonly offers: Offers;
    readonly open: Map<string | undefined, HostedAnswer['open']>;
    contract: EngagementContract | undefined;
  }
  const world = (networks: Readonly<Record<string, string>> = {}): World => {
    const open: World['open'] = new Map();
    const made: World = {
      contract: { a2a: {} },
      open,
      offers: openOffers({
        answered: {
          answer: (_service, answer) => {
            open.set(answer.identity, answer.open);
            return disposable(() => void open.delete(answer.identity));
          },
        },
        processes: {
          lend: (signal) => ({
            ...disposable(() => undefined),
            items: (async function* () {
              await new Promise((resolve) => signal.addEventListener('abort', resolve));
              yield* [];
            })(),
            take: (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsaid'),
          }),
        },
        binders: () => new Map(['robot', 'other'].map((name) => [name, `id-${name}`])),
        contractOf: () => made.contract,
        signerOf: () => Promise.resolve(undefined),
        authorities: (_service, identity) =>
          Object.entries(networks).flatMap(([name, pem]) => (identity === undefined || name === identity ? [pem] : [])),
        audit: new MemoryAudit(),
        clock: new ManualClock(Date.now()),
        log: silentLog,
      }),
    };
    return made;
  };
  const card = JSON.stringify(plain);
  /** Resolves once it stands. */
  const begin = async ({ offers }: World, identity?: string): Promise<{ readonly over: Promise<unknown> }> => {
    const offer = offers.offer({ service: 'broker', card, path: '/', identity }, new AbortController().signal);
    const items = offer[Symbol.asyncIterator]();
    await items.next();
    return { over: items.next() };
  };
  const request = { serviceName: 'broker', identity: 'robot' } as HostedRequest;
  /** Each answer in turn, all on one connection. */
  const connected = (made: World): ((asked: string) => Promise<string>) => {
    const stream = made.open.get(undefined)?.(request, new AbortController().signal) as ByteStream;
    let heard = '';
    let wake: () => void = () => undefined;
    stream.start({
      data: (chunk) => {
        heard += Buffer.from(chunk).toString();
        wake();
      },
      end: () => undefined,
      drain: () => undefined,
      closed: () => undefined,
    });
    return async (asked) => {
      heard = '';
      stream.write(Buffer.from(asked));
      while (!/\r\n\r\n[^]/.test(heard)) await new Promise<void>((resolve) => (wake = resolve));
      return heard;
    };
  };
  const said = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}';

  it('are opened to nobody once their contract says nothing of a2a any more', async () => {
    const made = world();
    await begin(made);
    const { open, offers } = made;
    expect(offers.list()).toHaveLength(1);
    expect(() => open.get(undefined)?.(request, {} as never)).not.toThrow();
    made.contract = {};
    expect(() => open.get(undefined)?.(request, {} as never)).toThrow(
      expect.objectContaining({ code: 'agora.no_contract' }) as Error,
    );
  });

  it.each([{}, { a2a: { skills: ['quote'] } }])(
    'are asked no more on a connection that came under another contract (%j)',
    async (contract) => {
      const made = world();
      await begin(made);
      const ask = connected(made);
      expect(await ask(said)).toContain('said');
      made.contract = contract;
      const refused = await ask(said);
      expect(refused).toContain('HTTP/1.1 503');
      expect(refused).toContain('Connection: close');
      expect(refused).not.toContain('said');
    },
  );

  it.each([
    'GET / HTTP/1.1',
    'POST /admin HTTP/1.1',
    'POST /?x=1 HTTP/1.1',
    'PUT / HTTP/1.1',
    'GET /.well-known/x HTTP/1.1',
  ])('answer %s with 404 by themselves', async (line) => {
    const made = world();
    await begin(made);
    const answered = await connected(made)(`${line}\r\nHost: a\r\n\r\n`);
    expect(answered).toContain('HTTP/1.1 404');
    expect(answered).not.toContain('said');
  });

  it('are taken back one identity at a time', async () => {
    const made = world();
    const { offers } = made;
    const ended: string[] = [];
    for (const name of ['robot', 'other']) void (await begin(made, name)).over.then(() => ended.push(name));
    expect(() => offers.withdraw('broker')).toThrow(expect.objectContaining({ code: 'agora.several_offers' }) as Error);
    expect(() => offers.withdraw('broker', ['nobody'])).toThrow(
      expect.objectContaining({ code: 'agora.unknown_offer' }) as Error,
    );
    offers.withdraw('broker', ['other']);
    await vi.waitFor(() => expect(ended).toEqual(['other']));
    expect(offers.list().map(({ identities }) => identities)).toEqual([['robot']]);
    offers.withdraw('broker');
    await vi.waitFor(() => expect(offers.list()).toEqual([]));
  });

  it('have their cards checked by the network they were asked in', async () => {
    const [one, other] = [await authority('one'), await authority('other')];
    const { certPem, keyPem } = await issue(one, 'box');
    const signer = { certPem, signer: certificateSigner(certPem, { kind: 'software', privateKeyPem: keyPem }) };
    const { offers } = world({ laptop: one.pem, phone: other.pem });
    const signed = JSON.stringify(await signCard(shown(), signer));
    const check = (identity?: string): string => offers.check({ service: 'broker', card: signed, identity }).signature;
    expect(check('laptop')).toBe('valid');
    expect(check('phone')).toBe('invalid');
    expect(check()).toBe('invalid');
    const alone = world({ laptop: one.pem, tablet: one.pem }).offers;
    expect(alone.check({ service: 'broker', card: signed })).toMatchObject({ signature: 'valid', offeredBy: 'box' });
  });
});
