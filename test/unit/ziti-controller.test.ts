import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { apiSessionAnswer, readData, serviceListAnswer, versionAnswer } from '../../main/ziti/controller/answers.ts';
import { apiError } from '../../main/ziti/controller/api-error.ts';
import { Backoff, jittered } from '../../main/ziti/controller/backoff.ts';
import { Endpoints } from '../../main/ziti/controller/endpoints.ts';
import { transportError } from '../../main/ziti/controller/transport-error.ts';
import type { HttpAnswer, OpenTransport } from '../../main/ziti/controller/transport.ts';
import { chooseAuthentication } from '../../main/ziti/controller/version.ts';
import { encodePosture, strictVersion } from '../../main/ziti/context/posture-message.ts';

const answer = (status: number, body: unknown): HttpAnswer => ({
  status,
  header: () => undefined,
  text: typeof body === 'string' ? body : JSON.stringify(body),
});
const refusal = (code: string, cause?: object): object => ({
  error: { code, message: 'words', ...(cause ? { cause } : {}) },
});

describe('refusals', () => {
  test.each([
    [401, refusal('INVALID_AUTH'), 'ziti.controller.unauthenticated'],
    [401, refusal('UNAUTHORIZED'), 'ziti.controller.session_expired'],
    [400, refusal('MFA_INVALID_TOKEN'), 'ziti.controller.mfa_code_wrong'],
    [400, { code: 'INVALID TOTP CODE', message: 'x' }, 'ziti.controller.mfa_code_wrong'],
    [409, refusal('MFA_EXISTS'), 'identity.mfa_exists'],
    [404, refusal('MFA_ENROLLMENT_NOT_STARTED'), 'identity.mfa_not_enrolled'],
    [404, refusal('NOT_FOUND'), 'ziti.controller.not_found'],
    [
      400,
      refusal('COULD_NOT_VALIDATE', { field: 'ServiceId', reason: 'service not found' }),
      'ziti.controller.not_found',
    ],
    [409, refusal('INVALID_POSTURE'), 'ziti.controller.posture_failed'],
    [400, refusal('NO_EDGE_ROUTERS_AVAILABLE'), 'ziti.controller.no_edge_routers'],
    [429, refusal('RATE_LIMITED'), 'ziti.controller.busy'],
    [503, refusal('CLUSTER_NO_LEADER'), 'ziti.controller.busy'],
    [502, '<html>bad gateway</html>', 'ziti.controller.busy'],
    [400, { error: 'invalid_grant', error_description: 'x' }, 'ziti.controller.session_expired'],
    [400, { error: 'server_error' }, 'ziti.controller.busy'],
    [400, refusal('INVALID_ENROLLMENT_TOKEN'), 'ziti.enroll.token_reused'],
    [400, refusal('ENROLLMENT_EXPIRED'), 'ziti.enroll.token_expired'],
    [400, refusal('SOMETHING_NEW'), 'ziti.controller.refused'],
    [418, 'tea', 'ziti.controller.refused'],
  ])('HTTP %i %j is %s', (status, body, code) => {
    const error = apiError(answer(status, body), 'doing this');
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^doing this: /);
  });
});

describe('what stops a request', () => {
  test.each([
    ['ECONNREFUSED', 'ziti.controller.unreachable'],
    ['ENOTFOUND', 'ziti.controller.unreachable'],
    ['CONNECT_TIMED_OUT', 'ziti.controller.unreachable'],
    ['EPROTO', 'ziti.controller.unreachable'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'ziti.controller.certificate'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ziti.controller.certificate'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ziti.controller.certificate'],
    ['CERT_HAS_EXPIRED', 'ziti.controller.certificate'],
    ['CERT_NOT_YET_VALID', 'ziti.controller.clock_skew'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'ziti.controller.certificate'],
    ['ANSWER_TOO_LARGE', 'ziti.controller.malformed'],
  ])('%s is %s', (code, expected) => {
    const nested = new Error('outer', { cause: Object.assign(new Error('inner'), { code }) });
    const error = transportError('https://127.0.0.1:1280', nested);
    expect(error.code).toBe(expected);
    expect(error.message).toContain('127.0.0.1:1280');
  });
});

describe('answers', () => {
  test('unknown fields are ignored, null lists are empty', () => {
    const body = { data: { version: 'v1', news: 1, capabilities: null, apiVersions: null }, meta: {} };
    expect(readData(answer(200, body), versionAnswer, 'x')).toEqual({
      version: 'v1',
      capabilities: [],
      apiVersions: {},
    });
  });

  test('a missing field is named', () => {
    const read = (): unknown =>
      readData(answer(200, { data: { id: 'a', identityId: 'b' } }), apiSessionAnswer, 'signing in');
    expect(read).toThrow(/signing in: .*token/);
    const services = (): unknown => readData(answer(200, { data: [{ id: 'a' }] }), serviceListAnswer, 'listing');
    expect(services).toThrow(/0\.name/);
  });

  test('whatever comes is read or refused as malformed', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        try {
          readData(answer(200, text), serviceListAnswer, 'listing');
        } catch (error) {
          expect((error as TunnelerError).code).toBe('ziti.controller.malformed');
        }
      }),
    );
  });
});

describe('the way of authentication', () => {
  const offer = (capabilities: string[], oidcPath?: string): 'oidc' | 'legacy' =>
    chooseAuthentication({ version: 'v', capabilities, clientApis: [], oidcPath });

  test('OIDC only where revocation holds for it', () => {
    expect(offer(['OIDC_AUTH', 'OIDC_AUTH_WITH_CSR'], '/oidc')).toBe('oidc');
    expect(offer(['OIDC_AUTH'], '/oidc')).toBe('legacy');
    expect(offer(['OIDC_AUTH_WITH_CSR'])).toBe('legacy');
    expect(offer([])).toBe('legacy');
  });
});

describe('several controllers', () => {
  function endpoints(failing: ReadonlySet<string>): Endpoints {
    const open: OpenTransport = (origin) => ({
      origin,
      send: () => {
        if (failing.has(origin))
          return Promise.reject(new TunnelerError('ziti.controller.unreachable', `${origin} is away`));
        return Promise.resolve(answer(200, { data: origin }));
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
    const apis = ['a', 'b', 'c'].map((name) => `https://${name}/edge/client/v1`);
    return new Endpoints({ apis, credential: { caPem: '' }, open });
  }
  const ask = (set: Endpoints): Promise<string> =>
    set.run(
      async (http) => (JSON.parse((await http.send({ method: 'GET', path: '/' })).text) as { data: string }).data,
    );

  test('the one that works is found and kept', async () => {
    const failing = new Set(['https://a', 'https://b']);
    const set = endpoints(failing);
    expect(await ask(set)).toBe('https://c');
    failing.clear();
    expect(await ask(set)).toBe('https://c');
    failing.add('https://c');
    expect(await ask(set)).not.toBe('https://c');
  });

  test('where none works the first failure is told', async () => {
    const set = endpoints(new Set(['https://a', 'https://b', 'https://c']));
    await expect(ask(set)).rejects.toThrow('https://a is away');
  });

  test('a refusal is the same everywhere, so the others are not asked', async () => {
    const set = endpoints(new Set());
    let asked = 0;
    const refused = set.run(() => {
      asked += 1;
      return Promise.reject(new TunnelerError('ziti.controller.unauthenticated', 'no'));
    });
    await expect(refused).rejects.toMatchObject({ code: 'ziti.controller.unauthenticated' });
    expect(asked).toBe(1);
  });
});

describe('back-off', () => {
  test('stays below a doubling ceiling and within its bounds', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), (random) => {
        const backoff = new Backoff({ firstMs: 100, maxMs: 1000, minMs: 10, random: () => random });
        for (let failures = 0; failures < 50; failures += 1) {
          const waitMs = backoff.next();
          expect(waitMs).toBeGreaterThanOrEqual(10);
          expect(waitMs).toBeLessThanOrEqual(Math.min(1000, 100 * 2 ** failures));
        }
      }),
    );
    expect(jittered(1000, 0.1, () => 0)).toBe(900);
    expect(jittered(1000, 0.1, () => 1)).toBe(1100);
  });
});

describe('posture for routers', () => {
  test('is the protobuf that their schema describes', () => {
    const message = encodePosture({
      domain: 'corp',
      processes: [{ path: '/a', isRunning: true, hash: 'AB', signerFingerprints: ['CD'] }],
    });
    // responses=1 { domain=4 { name=1 "corp" } }, responses=1 { processList=3 { 1 { path, isRunning, hash, signer, no signer } } }
    expect(Buffer.from(message).toString('hex')).toBe(
      '0a08' +
        '2206' +
        '0a04' +
        '636f7270' +
        '0a14' +
        '1a12' +
        '0a10' +
        '0a022f61' +
        '1001' +
        '1a026162' +
        '22026364' +
        '2200',
    );
  });

  test('the answer of MFA goes twice in one message, and the process list after it', () => {
    const hex = Buffer.from(encodePosture({ processes: [{ path: '/a', isRunning: true }] }, 't')).toString('hex');
    const answer = '0a05' + '4203' + '0a0174';
    expect(hex).toBe(answer + answer + '0a0c' + '1a0a' + '0a08' + '0a022f61' + '1001' + '2200');
  });

  test.each([
    ['22.04.3', '22.4.3'],
    ['10.0.19045', '10.0.19045'],
    ['6.1.0-13-amd64', '6.1.0'],
    ['14', '14.0.0'],
    ['', '0.0.0'],
  ])('version %s is sent as %s', (given, sent) => {
    expect(strictVersion(given)).toBe(sent);
  });
});
