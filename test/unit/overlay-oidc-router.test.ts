import { afterEach, describe, expect, test } from 'vitest';
import { openOverlay, type Overlay, type OverlayOptions } from '../../main/overlay/overlay.ts';
import { encodePosture } from '../../main/ziti/context/posture-message.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { HeaderList } from '../../main/ziti/wire/header-block.ts';
import { headerId } from '../../main/ziti/wire/header-id.ts';
import { codeOf, enrolClient, RouterClient, type ControllerClient, type KeptFrame } from '../support/overlay-client.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/until.ts';

const open: Overlay[] = [];

afterEach(async () => {
  for (const overlay of open.splice(0)) await overlay.close();
});

interface World {
  readonly overlay: Overlay;
  readonly client: ControllerClient;
  readonly channel: RouterClient;
  readonly serviceId: string;
  /** Dial and answer it with this client's own bind; resolves with the reply. */
  dial(connId: number): Promise<KeptFrame>;
  tell(body: Uint8Array): void;
  readonly refreshToken: string;
}

const conn = (id: number): HeaderList => new HeaderList().u32(headerId.connId, id);

/** One OIDC client that hosts and dials the same service. */
async function world(
  options: OverlayOptions = {},
  postureChecks: (overlay: Overlay) => Promise<string[]> = async () => [],
): Promise<World> {
  const overlay = await openOverlay({ rejectDelayMs: 50, release: '2.0', ...options });
  open.push(overlay);
  const client = await enrolClient(overlay, 'both-ends');
  const serviceId = await overlay.admin.createService({ name: 'own', encryptionRequired: false });
  await overlay.admin.createPolicy({ type: 'Bind', identities: ['both-ends'], services: ['own'] });
  const checks = await postureChecks(overlay);
  await overlay.admin.createPolicy({
    type: 'Dial',
    identities: ['both-ends'],
    services: ['own'],
    postureChecks: checks,
  });
  const tokens = await client.signInByOidc();
  const channel = new RouterClient(overlay, client.identity!);
  await channel.hello(tokens.text('access_token'));
  const list = conn(1000).bool(headerId.routerProvidedConnId, true);
  await channel.reply(channel.send(contentType.bind, list, await client.sessionToken(serviceId, 'Bind')));
  const dial = async (connId: number): Promise<KeptFrame> => {
    const request = channel.send(contentType.connect, conn(connId), await client.sessionToken(serviceId, 'Dial'));
    const isReply = (frame: KeptFrame): boolean => frame.headers.i32(headerId.replyFor) === request;
    const first = await channel.next((frame) => frame.contentType === contentType.dial || isReply(frame));
    if (isReply(first)) return first;
    const body = Buffer.alloc(4);
    body.writeUInt32LE(first.headers.u32(headerId.routerProvidedConnId)!);
    channel.send(contentType.dialSuccess, conn(1000).i32(headerId.replyFor, first.sequence), body);
    return channel.next(isReply);
  };
  const tell = (body: Uint8Array): void => void channel.send(contentType.postureResponse, new HeaderList(), body);
  return { overlay, client, channel, serviceId, dial, tell, refreshToken: tokens.text('refresh_token') };
}

const closedOn = (connId: number) => (frame: KeptFrame) =>
  frame.contentType === contentType.stateClosed && frame.headers.u32(headerId.connId) === connId;

describe('the overlay router and OIDC sessions', () => {
  test('takes a refreshed token on the open channel, and drops a channel that offers a wrong one', async () => {
    const { client, channel, refreshToken } = await world();
    const form = { grant_type: 'refresh_token', client_id: 'openziti', refresh_token: refreshToken };
    const refreshed = await client.call('POST', '/oidc/oauth/token', { form });
    const updated = await channel.reply(
      channel.send(contentType.updateToken, new HeaderList(), refreshed.text('access_token')),
    );
    expect(updated.contentType).toBe(contentType.updateTokenSuccess);
    const refused = await channel.reply(channel.send(contentType.updateToken, new HeaderList(), 'a.b.c'));
    expect([refused.contentType, refused.headers.u32(headerId.errorCode)]).toEqual([contentType.updateTokenFailure, 2]);
    await until(() => channel.isClosed);
  });

  test('drops the channel once its token has run out, unless it was renewed', async () => {
    const clock = new ManualClock(Date.now());
    const { client, channel, overlay, refreshToken } = await world({ clock, accessTokenMs: 60_000 });
    const kept = new RouterClient(overlay, client.identity!);
    await kept.hello(client.session['authorization']!.slice('Bearer '.length));
    clock.advance(30_000);
    const form = { grant_type: 'refresh_token', client_id: 'openziti', refresh_token: refreshToken };
    const refreshed = await client.call('POST', '/oidc/oauth/token', { form });
    await kept.reply(kept.send(contentType.updateToken, new HeaderList(), refreshed.text('access_token')));
    clock.advance(40_000);
    await kept.reply(kept.send(contentType.ping, new HeaderList()));
    expect([channel.isClosed, kept.isClosed]).toEqual([false, false]);
    clock.advance(40_000);
    await until(() => channel.isClosed && kept.isClosed);
  });

  test('lets a legacy channel go that offers a token', async () => {
    const { overlay, client } = await world();
    const token = client.session['authorization']!.slice('Bearer '.length);
    client.session = {};
    await client.signIn();
    const channel = new RouterClient(overlay, client.identity!);
    await channel.hello(client.session['zt-session']!);
    const reply = await channel.reply(channel.send(contentType.updateToken, new HeaderList(), token));
    expect(reply.headers.u32(headerId.errorCode)).toBe(12);
    await until(() => channel.isClosed);
  });

  test('judges posture told on the channel: refuses before, dials after, cuts when it fails again', async () => {
    const { channel, dial, tell } = await world({}, async (overlay) => [
      await overlay.admin.createPostureCheck({ kind: 'MAC', macAddresses: ['AA:BB:CC:00:11:22'] }),
      await overlay.admin.createPostureCheck({ kind: 'DOMAIN', domains: ['corp'] }),
    ]);
    expect((await dial(1)).text).toBe('no access to service, failed dial access check');
    tell(encodePosture({ macAddresses: ['aa-bb-cc-00-11-22'], domain: 'corp' }));
    expect((await dial(2)).contentType).toBe(contentType.stateConnected);
    tell(encodePosture({ domain: 'elsewhere' }));
    expect((await channel.next(closedOn(2))).text).toBe('dial access lost');
  });

  test('takes a one-time password by its token for a while', async () => {
    const clock = new ManualClock(Date.now());
    const { client, channel, dial, tell } = await world({ clock }, async (overlay) => [
      await overlay.admin.createPostureCheck({ kind: 'MFA', timeoutSeconds: 120 }),
    ]);
    await client.call('POST', 'current-identity/mfa');
    const started = await client.call('GET', 'current-identity/mfa');
    const url = started.text('data.provisioningUrl');
    expect((await dial(1)).contentType).toBe(contentType.stateClosed);
    expect((await client.call('POST', 'current-identity/mfa/verify', { json: { code: codeOf(url) } })).status).toBe(
      200,
    );
    clock.advance(200_000);
    expect((await dial(2)).contentType).toBe(contentType.stateClosed);
    const answer = await client.call('POST', 'current-api-session/totp-token', {
      json: { code: codeOf(url, clock.now()) },
    });
    tell(encodePosture({}, answer.text('data.token')));
    expect((await dial(3)).contentType).toBe(contentType.stateConnected);
    clock.advance(130_000);
    expect((await channel.next(closedOn(3))).text).toBe('dial access lost');
  });

  test('ends what a logged-out session had open', async () => {
    const { client, channel } = await world();
    const token = client.session['authorization']!.slice('Bearer '.length);
    await client.call('POST', '/oidc/revoke', { form: { token } });
    await until(() => channel.isClosed);
  });

  test('remembers a sticky terminator by its token', async () => {
    const { overlay, client, channel, dial } = await world();
    await overlay.admin.updateService('own', { terminatorStrategy: 'sticky' });
    const list = conn(1001).bool(headerId.routerProvidedConnId, true).string(headerId.listenerId, 'second');
    const serviceId = overlay.admin.listServices()[0]!.id;
    await channel.reply(channel.send(contentType.bind, list, await client.sessionToken(serviceId, 'Bind')));
    const sticky = (await dial(1)).headers.bytes(headerId.stickinessToken)!;
    const chosen: (number | undefined)[] = [];
    for (const id of [2, 3, 4]) {
      const again = conn(id).bytes(headerId.stickinessToken, sticky);
      channel.send(contentType.connect, again, await client.sessionToken(serviceId, 'Dial'));
      const asked = await channel.next((frame) => frame.contentType === contentType.dial);
      chosen.push(asked.headers.u32(headerId.connId));
    }
    expect(new Set(chosen).size).toBe(1);
  });
});
