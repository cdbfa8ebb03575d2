import { describe, expect, it } from 'vitest';
import { rowAfterKey } from '../../app/parts/table-keys.ts';
import { auditSearch, fromLocalField, presetSpan, toLocalField } from '../../app/screens/audit/audit-filter.ts';
import { auditBody, auditDecision, auditLine } from '../../app/screens/audit/audit-words.ts';
import { enrolRequest } from '../../app/screens/enrol/enrol-request.ts';
import { needsCertificate, recogniseSource, suggestName } from '../../app/screens/enrol/enrol-source.ts';
import { expiryTone } from '../../app/screens/identities/identity-words.ts';
import { secretOf } from '../../app/screens/identities/otp-url.ts';
import { parseRoute, routeTo } from '../../app/screens/route.ts';
import { addressLine, needsAttention, whyDestination } from '../../app/screens/services/service-words.ts';
import { contractShares } from '../../app/screens/sessions/contract-shares.ts';
import {
  ageMs,
  programSub,
  programText,
  searchableText,
  sessionTone,
} from '../../app/screens/sessions/session-words.ts';
import { createText } from '../../app/text/text.ts';
import { schema } from '../../main/api/schema.ts';
import { sceneState } from '../support/window/scene.ts';

const nowMs = Date.UTC(2026, 0, 1);
const state = sceneState(nowMs);
const sessions = Object.values(state.sessions);
const services = Object.values(state.services);
const t = createText('en');

function token(claims: Record<string, unknown>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2ln`;
}

describe('what a person brings to enrol', () => {
  it('is recognised: a token, an address, an identity file', () => {
    const jwt = token({ iss: 'https://ctrl.example:1280', em: 'ottca', sub: 'x1', exp: 1_800_000_000 });
    const source = recogniseSource(`\n ${jwt} \n`);
    expect(source).toMatchObject({
      kind: 'token',
      text: jwt,
      facts: { controller: 'https://ctrl.example:1280', method: 'ottca', subject: 'x1' },
    });
    expect(needsCertificate(source)).toBe(true);
    expect(recogniseSource('https://ctrl.example')).toEqual({ kind: 'url', url: 'https://ctrl.example' });
    const file = JSON.stringify({ ztAPI: 'https://ctrl.example/edge/client/v1', id: { key: 'pem:x', cert: 'pem:y' } });
    expect(recogniseSource(file)).toMatchObject({ kind: 'identity-file' });
  });

  it.each([
    '',
    'hello',
    'http://ctrl.example',
    'a.b.c',
    '{}',
    '[]',
    '{"ztAPI":7}',
    `${'x'.repeat(20)}.%%%.y`,
    'https://',
    token({ sub: 'no issuer' }),
  ])('is not taken for one: %s', (text) => expect(recogniseSource(text)).toEqual({ kind: 'unknown' }));

  it('becomes a request the engine’s own parser accepts', () => {
    const form = { name: ' mira ', keystore: 'file', passphrase: 'x', pkcs11: '', certificate: '', key: '' } as const;
    for (const text of [
      token({ iss: 'https://c' }),
      'https://c.example',
      JSON.stringify({ ztAPI: 'https://c', id: {} }),
    ]) {
      const source = recogniseSource(text);
      if (source.kind === 'unknown') throw new Error(text);
      const request = enrolRequest(source, form);
      expect(schema.identity.enroll.parse(request)).toEqual(request);
      expect(request).toMatchObject({ name: 'mira', keystore: 'file', passphrase: 'x' });
    }
    const source = recogniseSource('https://c.example');
    if (source.kind === 'unknown') throw new Error('url');
    expect(enrolRequest(source, { ...form, keystore: 'auto' })).toEqual({
      source: 'https://c.example',
      method: 'url',
      name: 'mira',
    });
    expect(enrolRequest(source, { ...form, keystore: 'pkcs11', pkcs11: 'pkcs11:token=x' }).keystore).toBe(
      'pkcs11:token=x',
    );
  });

  it('suggests a name the engine accepts', () => {
    const source = recogniseSource(token({ iss: 'https://ctrl.example:1280' }));
    expect(suggestName('mira laptop.jwt', source)).toBe('mira laptop');
    expect(suggestName(undefined, source)).toBe('ctrl.example');
    for (const name of ['../../etc.jwt', '.hidden.jwt', 'ä/ö.jwt', 'x'.repeat(300)]) {
      const suggested = suggestName(name, source);
      if (suggested !== '') expect(schema.identity.enable.parse({ name: suggested })).toEqual({ name: suggested });
    }
  });
});

describe('sessions in words', () => {
  it('name the agent before the program, and say who calls a hosted service', () => {
    const agent = sessions.find(({ app }) => app.agent === 'claude-code')!;
    expect(programText(agent, t)).toBe('claude-code');
    expect(programSub(agent, t)).toBe('AI agent · mira');
    const hosted = sessions.find(({ direction }) => direction === 'host')!;
    expect(programText(hosted, t)).toBe('ops.kowalski');
    expect(programText({ ...agent, app: { attribution: 'unknown' } }, t)).toBe('Unknown program');
    expect(programText({ ...agent, app: { path: 'C:\\Tools\\plc.exe', attribution: 'exact' } }, t)).toBe('plc.exe');
    const script = { path: '/usr/bin/python3', script: '/opt/poll.py', attribution: 'exact' } as const;
    expect(programText({ ...agent, app: script }, t)).toBe('poll.py');
  });

  it('tell ends a person chose from ends that were made', () => {
    const tones = new Map(sessions.map((session) => [session.closeReason, sessionTone(session)]));
    expect(tones.get('consumer_close')).toBe('off');
    expect(tones.get('policy_revoked')).toBe('bad');
    expect(tones.get(undefined)).toBe('live');
  });

  it('are found by what a person remembers of them', () => {
    const revoked = sessions.find(({ closeReason }) => closeReason === 'policy_revoked')!;
    for (const word of ['billing', 'psql', 'mira', 'policy_revoked', 'router-fra'])
      expect(searchableText(revoked)).toContain(word);
  });

  it('stop ageing when they end', () => {
    const over = sessions.find(({ endedAt }) => endedAt !== undefined)!;
    expect(ageMs(over, nowMs)).toBe(ageMs(over, nowMs + 1e9));
  });

  it('show what is left of the contract, tightest first, and count time on', () => {
    const session = sessions.find(({ id }) => id === 's-02')!;
    const contract = services.find(
      ({ name, identity }) => name === session.service && identity === session.identity,
    )?.contract;
    const shares = contractShares(session, contract, nowMs);
    expect(shares.map(({ kind }) => kind).sort()).toEqual(['calls', 'seconds']);
    expect(shares[0]!.share).toBeLessThanOrEqual(shares[1]!.share);
    const later = contractShares(session, contract, nowMs + 3_600_000).find(({ kind }) => kind === 'seconds');
    expect(later!.left).toBeLessThan(shares.find(({ kind }) => kind === 'seconds')!.left - 3_000);
    expect(contractShares({ ...session, state: 'closed' }, contract, nowMs)).toEqual([]);
  });
});

describe('services in words', () => {
  it('ask for attention only where a person can do something', () => {
    const asking = services.filter(needsAttention).map(({ name }) => name);
    expect(asking).toContain('billing-db');
    expect(asking).not.toContain('build-farm');
    expect(asking).not.toContain('git-forge');
  });

  it('name an address, and ask why about one that can be asked', () => {
    const llm = services.find(({ name }) => name === 'llm-gateway')!;
    expect(addressLine(llm)).toBe('llm.northwind:443 +1');
    const staging = services.find(({ name }) => name === 'staging-api')!;
    expect(whyDestination(staging)).toBe('staging.northwind:80');
    expect(whyDestination({ ...staging, addresses: [], ports: [] })).toBe('staging-api');
  });
});

describe('the address bar', () => {
  it('names a screen and what is open in it', () => {
    expect(parseRoute(routeTo('services', 'mira/svc 1%'))).toEqual({
      screen: 'services',
      item: 'mira/svc 1%',
      query: {},
    });
    expect(parseRoute('#/audit')).toEqual({ screen: 'audit', query: {} });
    const narrowed = { agent: 'a b', text: '?&=' };
    expect(parseRoute(routeTo('audit', '7', narrowed))).toEqual({ screen: 'audit', item: '7', query: narrowed });
    for (const hash of ['', '#', '#/nowhere', '#/../x'])
      expect(parseRoute(hash)).toEqual({ screen: 'sessions', query: {} });
    expect(parseRoute('#/services/%E0%A4%A')).toEqual({ screen: 'services', query: {} });
  });
});

describe('rows and keys', () => {
  it('walk within the list', () => {
    expect(rowAfterKey('ArrowDown', 0, 3, 10)).toBe(1);
    expect(rowAfterKey('ArrowDown', 2, 3, 10)).toBe(2);
    expect(rowAfterKey('PageDown', 5, 5_000, 10)).toBe(15);
    expect(rowAfterKey('End', 0, 5_000, 10)).toBe(4_999);
    expect(rowAfterKey('Home', 9, 5_000, 10)).toBe(0);
    expect(rowAfterKey('a', 0, 3, 10)).toBeUndefined();
    expect(rowAfterKey('ArrowDown', 0, 0, 10)).toBeUndefined();
  });
});

describe('the audit', () => {
  const record = {
    seq: 7,
    at: '2026-01-01T00:00:00Z',
    kind: 'verdict',
    decision: 'deny',
    service: 'billing-db',
    app: { agent: 'codex' },
    agent: 'codex',
    hash: 'ff',
  };

  it('is read in one line, with its decision', () => {
    expect(auditLine(record)).toBe('billing-db · codex');
    expect(auditDecision(record)).toBe('deny');
    expect(auditDecision({ ...record, decision: 'later' })).toBeUndefined();
    expect(JSON.parse(auditBody(record))).not.toHaveProperty('hash');
  });

  it('is narrowed by the address, whose nonsense is passed over', () => {
    const query = {
      agent: 'codex',
      decision: 'maybe',
      since: 'yesterday',
      until: '2026-01-02T03:04:05.000Z',
      text: ' ',
    };
    expect(auditSearch(query)).toEqual({ agent: 'codex', until: '2026-01-02T03:04:05.000Z' });
  });

  it('has yesterday from midnight to midnight, by the clock that is shown', () => {
    const at = Date.parse('2026-03-02T10:00:00Z');
    expect(presetSpan('yesterday', at, true)).toEqual({
      since: '2026-03-01T00:00:00.000Z',
      until: '2026-03-01T23:59:59.999Z',
    });
    expect(presetSpan('all', at, true)).toEqual({});
    expect(toLocalField('2026-03-01T23:59:59.999Z', true)).toBe('2026-03-01T23:59:59');
    expect(fromLocalField('2026-03-01T23:59:59', true)).toBe('2026-03-01T23:59:59.000Z');
    expect(fromLocalField(toLocalField('2026-03-01T23:59:59Z', false), false)).toBe('2026-03-01T23:59:59.000Z');
    expect(fromLocalField('', true)).toBeUndefined();
  });
});

describe('identities', () => {
  it('warn two weeks before a certificate ends', () => {
    const at = (days: number): string => new Date(nowMs + days * 86_400_000).toISOString();
    expect(expiryTone(at(30), nowMs)).toBe('plain');
    expect(expiryTone(at(13), nowMs)).toBe('warn');
    expect(expiryTone(at(-1), nowMs)).toBe('bad');
  });

  it('show the secret behind a QR code in groups', () => {
    expect(secretOf('otpauth://totp/a:b?secret=JBSWY3DPEHPK&issuer=a')).toBe('JBSW Y3DP EHPK');
    expect(secretOf(undefined)).toBe('');
    expect(secretOf('nonsense')).toBe('');
  });
});
