import { afterEach, describe, expect, it } from 'vitest';
import { openOverlay, type Overlay } from '../../main/overlay/overlay.ts';
import { encodePosture } from '../../main/ziti/context/posture-message.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { edgeErrorCode, readEdgeFault } from '../../main/ziti/wire/edge-error.ts';
import { HeaderList } from '../../main/ziti/wire/header-block.ts';
import { headerId } from '../../main/ziti/wire/header-id.ts';
import { bytesText } from '../../main/ziti/wire/little-endian.ts';
import { readRouterCapabilities } from '../../main/ziti/wire/router-capabilities.ts';
import {
  encodeSubscribe,
  readPostureStateChange,
  readServiceChangeSet,
  type PostureStateChange,
  type ServiceChangeSet,
} from '../../main/ziti/wire/service-updates.ts';
import { until } from '../support/until.ts';
import { enrolClient, RouterClient, type ControllerClient } from '../support/overlay-client.ts';

const open: Overlay[] = [];
afterEach(async () => {
  for (const overlay of open.splice(0)) await overlay.close();
});

interface World {
  readonly overlay: Overlay;
  readonly client: ControllerClient;
  readonly channel: RouterClient;
  readonly serviceId: string;
  dial(service: string, byName?: boolean): ReturnType<RouterClient['reply']>;
}

async function world(): Promise<World> {
  const overlay = await openOverlay({ rejectDelayMs: 50 });
  open.push(overlay);
  const client = await enrolClient(overlay, 'me');
  const serviceId = await overlay.admin.createService({ name: 'web', encryptionRequired: false });
  const tokens = await client.signInByOidc();
  const channel = new RouterClient(overlay, client.identity!);
  await channel.hello(tokens.text('access_token'));
  let connId = 0;
  const dial: World['dial'] = (service, byName = false) => {
    const headers = new HeaderList()
      .u32(headerId.connId, ++connId)
      .string(headerId.serviceId, service)
      .u8(headerId.serviceIdentifierType, byName ? 1 : 0);
    return channel.reply(channel.send(contentType.connectV2, headers));
  };
  return { overlay, client, channel, serviceId, dial };
}

const dialPolicy = (postureChecks: string[] = []) => ({
  type: 'Dial' as const,
  identities: ['me'],
  services: ['web'],
  postureChecks,
});

describe('dials without a service session', () => {
  it('are refused with a code, and for posture with the ids of the checks', async () => {
    const { overlay, dial, serviceId, channel } = await world();
    expect(readEdgeFault((await dial('nowhere')).headers).code).toBe(edgeErrorCode.invalidService);
    expect(readEdgeFault((await dial(serviceId)).headers).code).toBe(edgeErrorCode.accessDenied);
    const check = await overlay.admin.createPostureCheck({
      kind: 'DOMAIN',
      domains: ['corp.example'],
    });
    await overlay.admin.createPolicy(dialPolicy([check]));
    expect(readEdgeFault((await dial('web', true)).headers)).toMatchObject({
      code: edgeErrorCode.postureCheckFailed,
      failingChecks: [check],
    });
    channel.send(contentType.postureResponse, new HeaderList(), encodePosture({ domain: 'corp.example' }));
    const nobody = await dial(serviceId);
    expect(readEdgeFault(nobody.headers).code).toBe(edgeErrorCode.internal);
    expect(bytesText(nobody.body)).toContain('has no terminators');
  });

  it('take an OIDC session', async () => {
    const { overlay, client, serviceId } = await world();
    await client.signIn();
    const legacy = new RouterClient(overlay, client.identity!);
    await legacy.hello(client.session['zt-session'] ?? '');
    const headers = new HeaderList().u32(headerId.connId, 1).string(headerId.serviceId, serviceId);
    const answer = await legacy.reply(legacy.send(contentType.connectV2, headers));
    expect(readEdgeFault(answer.headers).code).toBe(edgeErrorCode.invalidApiSessionType);
  });
});

describe('what a subscriber is told', () => {
  async function subscribed() {
    const made = await world();
    const { channel } = made;
    channel.send(contentType.subscribeToServiceUpdates, new HeaderList(), encodeSubscribe());
    await nextOf(channel, contentType.postureStateChange, 1);
    const sets = (): ServiceChangeSet[] =>
      bodies(channel, contentType.serviceChangeSet).map((b) => readServiceChangeSet(b)!);
    const states = (): PostureStateChange[] =>
      bodies(channel, contentType.postureStateChange).map((b) => readPostureStateChange(b)!);
    return { ...made, sets, states };
  }
  const bodies = (channel: RouterClient, type: number): Uint8Array[] =>
    channel.frames.filter((frame) => frame.contentType === type).map((frame) => frame.body);
  const nextOf = (channel: RouterClient, type: number, count: number): Promise<void> =>
    until(() => bodies(channel, type).length >= count);

  it('is everything at first, then each change after the one before', async () => {
    const { overlay, channel, sets, serviceId } = await subscribed();
    expect(sets()).toMatchObject([{ previousIndex: -1, services: [] }]);
    const policy = await overlay.admin.createPolicy(dialPolicy());
    await nextOf(channel, contentType.serviceChangeSet, 2);
    await overlay.admin.setServiceConfig('web', 'intercept.v1', { addresses: ['web.ziti'] });
    await nextOf(channel, contentType.serviceChangeSet, 3);
    await overlay.admin.deletePolicy(policy);
    await nextOf(channel, contentType.serviceChangeSet, 4);
    const [whole, granted, configured, taken] = sets();
    expect(granted).toMatchObject({ previousIndex: whole?.index, services: [{ op: 'added', id: serviceId }] });
    expect(granted?.policies).toMatchObject([{ id: policy, type: 'Dial' }]);
    expect(configured).toMatchObject({ previousIndex: granted?.index, services: [{ op: 'updated' }] });
    expect(configured?.services[0]?.configs).toMatchObject([{ dataJson: '{"addresses":["web.ziti"]}' }]);
    expect(taken).toMatchObject({ previousIndex: configured?.index, services: [{ op: 'removed', id: serviceId }] });
  });

  it('has the verdict of each check, numbered, also when asked for again', async () => {
    const { overlay, channel, states } = await subscribed();
    const check = await overlay.admin.createPostureCheck({ kind: 'DOMAIN', domains: ['corp.example'] });
    const policy = await overlay.admin.createPolicy(dialPolicy([check]));
    await nextOf(channel, contentType.postureStateChange, 2);
    channel.send(contentType.postureResponse, new HeaderList(), encodePosture({ domain: 'corp.example' }));
    await nextOf(channel, contentType.postureStateChange, 3);
    channel.send(contentType.resyncPostureState, new HeaderList());
    await nextOf(channel, contentType.postureStateChange, 4);
    expect(states().map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(states()[1]).toMatchObject({
      checks: [{ id: check, isPassing: false }],
      policies: [{ id: policy, isPassing: false }],
    });
    expect(states()[3]).toMatchObject({ checks: [{ id: check, isPassing: true }], policies: [{ isPassing: true }] });
  });
});

it('only the newest release says what it can', async () => {
  for (const [release, known] of [
    ['2.1', true],
    ['2.0', false],
  ] as const) {
    const overlay = await openOverlay({ release });
    open.push(overlay);
    const client = await enrolClient(overlay, 'me');
    const tokens = await client.signInByOidc();
    const channel = new RouterClient(overlay, client.identity!);
    const hello = await channel.hello(tokens.text('access_token'));
    expect(readRouterCapabilities(hello.headers.bytes(headerId.routerCapabilities)).known).toBe(known);
  }
});
