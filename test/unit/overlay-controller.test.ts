import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openOverlay, type Overlay } from '../../main/overlay/overlay.ts';
import {
  authorizeQuery,
  codeOf,
  ControllerClient,
  enrolClient,
  newKey,
  type Answer,
} from '../support/overlay-client.ts';

let overlay: Overlay;

beforeAll(async () => {
  overlay = await openOverlay({ release: '2.0' });
});

afterAll(async () => {
  await overlay.close();
});

describe('the controller of the embedded overlay', () => {
  test('says what release it imitates and that it offers OIDC with certificates', async () => {
    const answer = await new ControllerClient(overlay).call('GET', '/version');
    expect(answer.at('data.version')).toBe('v2.0.3');
    expect(answer.at('data.capabilities')).toEqual(['OIDC_AUTH', 'OIDC_AUTH_WITH_CSR']);
    expect(answer.at('data.apiVersions.edge-oidc.v1.path')).toBe('/oidc');
  });

  test('takes a one-time token once', async () => {
    const { jwt } = await overlay.admin.createIdentity('once');
    const { jti } = JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as { jti: string };
    const client = new ControllerClient(overlay);
    const { csr } = await newKey();
    const bad = await client.call('POST', 'enroll/ott', { json: { token: jti, clientCsr: 'rubbish' } });
    expect([bad.status, bad.at('error.code')]).toEqual([400, 'COULD_NOT_PROCESS_CSR']);
    const first = await client.call('POST', 'enroll/ott', { json: { token: jti, clientCsr: csr } });
    expect(new X509Certificate(first.text('data.cert')).subjectAltName).toMatch(/^URI:spiffe:\/\/.+\/identity\//);
    const second = await client.call('POST', 'enroll/ott', { json: { token: jti, clientCsr: csr } });
    expect([second.status, second.at('error.code')]).toEqual([400, 'INVALID_ENROLLMENT_TOKEN']);
  });

  test('signs in by password once enrolled so', async () => {
    const { jwt } = await overlay.admin.createIdentity('by-password', { enrollment: 'updb', username: 'pat' });
    const { jti } = JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as { jti: string };
    const client = new ControllerClient(overlay);
    const enrolled = await client.call('POST', `enroll?method=updb&token=${jti}`, {
      json: { password: 'open sesame' },
    });
    expect(enrolled.at('data.username')).toBe('pat');
    const wrong = await client.call('POST', 'authenticate?method=password', {
      json: { username: 'pat', password: 'x' },
    });
    expect([wrong.status, wrong.at('error.code')]).toEqual([401, 'INVALID_AUTH']);
    const right = await client.call('POST', 'authenticate?method=password', {
      json: { username: 'pat', password: 'open sesame' },
    });
    expect(right.status).toBe(200);
  });

  test('lists services by permission, with the configs asked for, in pages and by name', async () => {
    const client = await enrolClient(overlay, 'lister');
    for (const name of ['a', 'b', 'c']) {
      await overlay.admin.createService({
        name,
        configs: { 'intercept.v1': { addresses: [name] }, 'host.v1': { port: 1 } },
      });
    }
    await overlay.admin.createPolicy({ type: 'Dial', identities: ['lister'], services: ['a', 'b'] });
    await overlay.admin.createPolicy({ type: 'Bind', identities: ['lister'], services: ['b'] });
    await client.signIn();
    const all = await client.call('GET', 'services?limit=1&offset=1&configTypes=intercept.v1');
    expect(all.at('meta.pagination')).toEqual({ limit: 1, offset: 1, totalCount: 2 });
    expect(all.at('data.0')).toMatchObject({
      name: 'b',
      permissions: ['Dial', 'Bind'],
      config: { 'intercept.v1': { addresses: ['b'] } },
    });
    const one = await client.call('GET', `services?filter=${encodeURIComponent('name="a"')}`);
    expect(one.at('data.length')).toBe(1);
    const hidden = await client.call('POST', 'sessions', { json: { serviceId: idOf('c'), type: 'Dial' } });
    expect([hidden.status, hidden.at('error.code')]).toEqual([404, 'NOT_FOUND']);
    const notBind = await client.call('POST', 'sessions', { json: { serviceId: idOf('a'), type: 'Bind' } });
    expect([notBind.status, notBind.at('error.cause.field')]).toEqual([400, 'ServiceId']);
  });

  test('gives the same service session for the same question, and tells of changes', async () => {
    const client = await enrolClient(overlay, 'asker');
    const serviceId = await overlay.admin.createService({ name: 'asked' });
    const policy = await overlay.admin.createPolicy({ type: 'Dial', identities: ['asker'], services: ['asked'] });
    await client.signIn();
    const before = (await client.call('GET', 'current-api-session/service-updates')).at('data.lastChangeAt');
    expect(await client.sessionToken(serviceId, 'Dial')).toBe(await client.sessionToken(serviceId, 'Dial'));
    await overlay.admin.deletePolicy(policy);
    expect((await client.call('GET', 'current-api-session/service-updates')).at('data.lastChangeAt')).not.toBe(before);
    expect((await client.call('POST', 'sessions', { json: { serviceId, type: 'Dial' } })).status).toBe(404);
  });

  test('holds a session back until its posture is told, and takes it away when it no longer holds', async () => {
    const client = await enrolClient(overlay, 'postured');
    const serviceId = await overlay.admin.createService({ name: 'guarded' });
    const os = { kind: 'OS', operatingSystems: [{ type: 'Linux', versions: ['>=6.0.0'] }] } as const;
    const check = await overlay.admin.createPostureCheck(os);
    const process = { path: '/usr/bin/edr', osType: 'Linux', hashes: ['ab'], signerFingerprints: [] };
    const running = await overlay.admin.createPostureCheck({ kind: 'PROCESS', processes: [process] });
    await overlay.admin.createPolicy({
      type: 'Dial',
      identities: ['postured'],
      services: ['guarded'],
      postureChecks: [check, running],
    });
    await client.signIn();
    const ask = (): Promise<Answer> => client.call('POST', 'sessions', { json: { serviceId, type: 'Dial' } });
    const tell = (version: string): Promise<Answer> =>
      client.call('POST', 'posture-response-bulk', {
        json: [
          { id: check, typeId: 'OS', type: 'linux', version, build: '' },
          { id: running, typeId: 'PROCESS', path: '/usr/bin/edr', isRunning: true, hash: 'ab', signerFingerprints: [] },
        ],
      });
    expect([(await ask()).status, (await ask()).at('error.code')]).toEqual([409, 'INVALID_POSTURE']);
    expect((await tell('5.9.0')).status).toBe(200);
    expect((await ask()).status).toBe(409);
    await tell('6.1.0');
    const granted = await ask();
    expect(granted.status).toBe(201);
    const listed = await client.call('GET', 'services');
    expect(listed.at('data.0.postureQueries.0.isPassing')).toBe(true);
    await tell('5.9.0');
    expect((await client.call('GET', `sessions/${granted.text('data.id')}`)).status).toBe(404);
  });

  test('asks for one-time passwords once enrolled, takes recovery codes once', async () => {
    const client = await enrolClient(overlay, 'cautious');
    await client.signIn();
    expect((await client.call('POST', 'current-identity/mfa')).status).toBe(201);
    expect((await client.call('POST', 'current-identity/mfa')).at('error.code')).toBe('MFA_EXISTS');
    const started = await client.call('GET', 'current-identity/mfa');
    const url = started.text('data.provisioningUrl');
    const codes = started.at('data.recoveryCodes') as string[];
    const wrong = await client.call('POST', 'current-identity/mfa/verify', { json: { code: '000000x' } });
    expect([wrong.status, wrong.at('error.code')]).toEqual([400, 'MFA_INVALID_TOKEN']);
    expect((await client.call('POST', 'current-identity/mfa/verify', { json: { code: codeOf(url) } })).status).toBe(
      200,
    );
    const again = await client.signIn();
    expect(again.at('data.authQueries.0.typeId')).toBe('MFA');
    expect((await client.call('GET', 'services')).status).toBe(401);
    expect((await client.call('POST', 'authenticate/mfa', { json: { code: codes[0] } })).status).toBe(200);
    expect((await client.call('GET', 'services')).status).toBe(200);
    await client.signIn();
    expect((await client.call('POST', 'authenticate/mfa', { json: { code: codes[0] } })).status).toBe(400);
    expect((await client.call('POST', 'authenticate/mfa', { json: { code: codeOf(url) } })).status).toBe(200);
    const removed = await client.call('DELETE', 'current-identity/mfa', {
      headers: { 'mfa-validation-code': codeOf(url) },
    });
    expect(removed.status).toBe(200);
    expect((await client.signIn()).at('data.authQueries')).toEqual([]);
  });

  test('renews a certificate; the old one works until the new one is confirmed', async () => {
    const client = await enrolClient(overlay, 'renewer');
    await overlay.admin.requestRenewal('renewer', { rollKeys: true });
    const signedIn = await client.signIn();
    expect(signedIn.at('data.isCertKeyRollRequested')).toBe(true);
    const path = `current-identity/authenticators/${signedIn.text('data.authenticatorId')}`;
    const { key, csr } = await newKey();
    const extended = await client.call('POST', `${path}/extend`, { json: { clientCertCsr: csr } });
    const cert = extended.text('data.clientCert');
    expect((await client.signIn()).status).toBe(200);
    expect((await client.call('POST', `${path}/extend-verify`, { json: { clientCert: 'nonsense' } })).status).toBe(400);
    expect((await client.call('POST', `${path}/extend-verify`, { json: { clientCert: cert } })).status).toBe(200);
    expect((await client.signIn()).at('error.code')).toBe('INVALID_AUTH');
    const renewed = await new ControllerClient(overlay, { cert, key }).signIn();
    expect(renewed.at('data.isCertExtendRequested')).toBeUndefined();
  });

  test('a disabled identity is out at once and in again when enabled', async () => {
    const client = await enrolClient(overlay, 'switched');
    await client.signIn();
    await overlay.admin.disableIdentity('switched');
    expect((await client.call('GET', 'current-identity')).status).toBe(401);
    expect((await client.signIn()).at('error.code')).toBe('INVALID_AUTH');
    await overlay.admin.enableIdentity('switched');
    expect((await client.signIn()).status).toBe(200);
  });

  test('the management API does for administrators what the typed calls do', async () => {
    await overlay.admin.createIdentity('root', { enrollment: 'none', isAdmin: true });
    await overlay.admin.setPassword('root', 'root', 'secret');
    const client = new ControllerClient(overlay);
    const api = '/edge/management/v1';
    const signedIn = await client.call('POST', `${api}/authenticate?method=password`, {
      json: { username: 'root', password: 'secret' },
    });
    client.session = { 'zt-session': signedIn.text('data.token') };
    const types = await client.call('GET', `${api}/config-types?filter=${encodeURIComponent('name="host.v1"')}`);
    const config = await client.call('POST', `${api}/configs`, {
      json: { name: 'managed-host', configTypeId: types.text('data.0.id'), data: { port: 80 } },
    });
    const service = await client.call('POST', `${api}/services`, {
      json: { name: 'managed', configs: [config.text('data.id')], encryptionRequired: true },
    });
    expect(service.status).toBe(201);
    const policy = await client.call('POST', `${api}/service-policies`, {
      json: {
        name: 'managed-dial',
        type: 'Dial',
        semantic: 'AnyOf',
        identityRoles: ['#all'],
        serviceRoles: [`@${service.text('data.id')}`],
      },
    });
    expect(policy.status).toBe(201);
    const identity = await client.call('POST', `${api}/identities`, {
      json: { name: 'managed-one', type: 'Default', enrollment: { ott: true } },
    });
    const shown = await client.call('GET', `${api}/identities/${identity.text('data.id')}`);
    expect(shown.text('data.enrollment.ott.jwt').split('.').length).toBe(3);
    expect((await client.call('DELETE', `${api}/service-policies/${policy.text('data.id')}`)).status).toBe(200);
    expect((await client.call('DELETE', `${api}/services/${service.text('data.id')}`)).status).toBe(200);
    const nobody = await enrolClient(overlay, 'no-admin');
    await nobody.signIn();
    expect((await nobody.call('GET', `${api}/services`)).status).toBe(401);
  });
});

describe('its OpenID provider', () => {
  test('signs in with PKCE and a certificate request, binds tokens to certificates, refreshes', async () => {
    const client = await enrolClient(overlay, 'modern');
    const { key, csr } = await newKey();
    const tokens = await client.signInByOidc({ csrPem: csr });
    expect(tokens.status, tokens.body).toBe(200);
    const bearer = { authorization: `Bearer ${tokens.text('access_token')}` };
    expect((await client.call('GET', 'services', { headers: bearer })).status).toBe(200);
    const byOther = new ControllerClient(overlay, { cert: tokens.text('session_cert'), key });
    expect((await byOther.call('GET', 'services', { headers: bearer })).status).toBe(200);
    const bare = new ControllerClient(overlay);
    expect((await bare.call('GET', 'services', { headers: bearer })).status).toBe(401);

    const form = { grant_type: 'refresh_token', client_id: 'openziti', refresh_token: tokens.text('refresh_token') };
    expect((await bare.call('POST', '/oidc/oauth/token', { form })).at('error')).toBe('access_denied');
    client.session = {};
    const foreign = await client.call('POST', '/oidc/oauth/token', { form: { ...form, client_id: 'native' } });
    expect(foreign.at('error')).toBe('invalid_grant');
    const refreshed = await client.call('POST', '/oidc/oauth/token', { form });
    expect(sessionIdOf(refreshed.text('access_token'))).toBe(sessionIdOf(tokens.text('access_token')));

    await client.call('POST', '/oidc/revoke', { form: { token: refreshed.text('access_token') } });
    expect((await client.call('GET', 'services', { headers: bearer })).status).toBe(401);
  });

  test('refuses redirects that are not allowed, hosts that are not its own and wrong verifiers', async () => {
    const client = await enrolClient(overlay, 'forger');
    const query = authorizeQuery('x', 'https://evil.example/auth/callback');
    expect((await client.call('GET', `/oidc/authorize?${query}`)).at('error')).toBe('invalid_request');
    const elsewhere = await client.call('GET', '/oidc/.well-known/openid-configuration', {
      headers: { host: '127.0.0.1:1' },
    });
    expect(elsewhere.status).toBe(404);
    expect((await client.signInByOidc({}, 'another verifier than was hashed')).at('error')).toBe('invalid_grant');
  });

  test('asks for the one-time password and lets enrol it at login where a policy requires it', async () => {
    const authPolicyId = await overlay.admin.createAuthPolicy('strict', { requireTotp: true });
    const client = await enrolClient(overlay, 'strict-one');
    await overlay.admin.updateIdentity('strict-one', { authPolicyId });
    const login = await client.call('GET', `/oidc/authorize?${authorizeQuery('v')}`);
    const id = new URL(String(login.headers['location']), overlay.controller).searchParams.get('authRequestID')!;
    const pending = await client.call('POST', '/oidc/login/cert', { json: { id } });
    expect(pending.at('authQueries.0')).toMatchObject({ typeId: 'TOTP', isTotpEnrolled: false });
    expect(pending.headers['totp-required']).toBe('true');
    const begun = await client.call('POST', '/oidc/login/totp/enroll', { json: { id } });
    const wrong = await client.call('POST', '/oidc/login/totp/enroll/verify', { json: { id, code: '1' } });
    expect(wrong.at('code')).toBe('INVALID TOTP CODE');
    const code = codeOf(begun.text('provisioningUrl'));
    const done = await client.call('POST', '/oidc/login/totp/enroll/verify', { json: { id, code } });
    expect(done.status).toBe(302);
  });
});

function idOf(service: string): string {
  return overlay.admin.listServices().find((each) => each.name === service)!.id;
}

function sessionIdOf(token: string): unknown {
  return (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { z_asid?: string }).z_asid;
}
