import { describe, expect, it } from 'vitest';
import type { Caller } from '../../main/api/call.ts';
import type { EngineHandlers } from '../../main/api/schema.ts';
import { offeredAs, offeredCard, readCard, signedText, skillsOf } from '../../main/agora/card.ts';
import type { EngagementContract } from '../../main/base/engagement.ts';
import { disposable } from '../../main/base/lifecycle.ts';
import { silentLog } from '../../main/base/log.ts';
import { openOffers } from '../../main/engine/agora/offers.ts';
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
      checkCard(card as typeof signed, service, pem, at).kind;
    // Numbers of a signature begin with nought bytes now and then.
    for (let times = 0; times < 40; times += 1) expect(check(await signCard(shown(), signer))).toBe('signed');
    expect(checkCard(signed, 'broker', network.pem, now)).toEqual({ kind: 'signed', by: 'box' });
    expect(check({ ...signed, name: 'other' })).toBe('invalid');
    expect(check({ ...signed, skills: plain.skills })).toBe('invalid');
    expect(check(signed, 'bank')).toBe('invalid');
    expect(check(signed, 'broker', (await authority('another')).pem)).toBe('invalid');
    expect(check(signed, 'broker', network.pem, now + 400 * 86_400_000)).toBe('invalid');
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
    expect(asked.pop()).toEqual({ service: 'mine' });
    for (const service of ['yours', 'both', 'nosuch']) {
      await expect(agora.withdraw({ service }, as('helper'))).rejects.toMatchObject({
        code: 'agora.unknown_offer',
        message: `no agent is offered here as ${service}`,
      });
    }
    expect(asked).toEqual([]);
  });
});

describe('an agent on offer', () => {
  it('is opened to nobody once its contract says nothing of a2a any more', async () => {
    let contract: EngagementContract | undefined = { a2a: {} };
    let open: HostedAnswer['open'] | undefined;
    const offers = openOffers({
      answered: {
        answer: (_service, answer) => {
          open = answer.open;
          return disposable(() => undefined);
        },
      },
      processes: {
        lend: () => ({ ...disposable(() => undefined), items: (async function* () {})(), take: () => undefined }),
      },
      binders: () => new Map([['robot', 'id-robot']]),
      contractOf: () => contract,
      signerOf: () => Promise.resolve(undefined),
      authorities: () => [],
      audit: new MemoryAudit(),
      clock: new ManualClock(),
      log: silentLog,
    });
    const card = JSON.stringify(plain);
    const offer = offers.offer({ service: 'broker', card, path: '/' }, new AbortController().signal);
    await offer[Symbol.asyncIterator]().next();
    expect(offers.list()).toHaveLength(1);
    const request = { serviceName: 'broker', identity: 'robot' } as HostedRequest;
    expect(() => open?.(request, {} as never)).not.toThrow();
    contract = {};
    expect(() => open?.(request, {} as never)).toThrow(expect.objectContaining({ code: 'agora.no_contract' }) as Error);
  });
});
