import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openOverlay, type Overlay } from '../../main/overlay/overlay.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { encodeFrame } from '../../main/ziti/wire/frame.ts';
import { HeaderList } from '../../main/ziti/wire/header-block.ts';
import { edgeFlag, headerId } from '../../main/ziti/wire/header-id.ts';
import type { ControllerClient } from '../support/overlay-client.ts';
import { enrolClient, RouterClient, type KeptFrame } from '../support/overlay-client.ts';
import { until } from '../support/until.ts';

let overlay: Overlay;
let dialer: ControllerClient;
let host: ControllerClient;
let serviceId: string;
const channels: RouterClient[] = [];

beforeAll(async () => {
  overlay = await openOverlay({ release: '2.0', rejectDelayMs: 100 });
  dialer = await enrolClient(overlay, 'dialler');
  host = await enrolClient(overlay, 'host');
  serviceId = await overlay.admin.createService({ name: 'plain', encryptionRequired: false });
  await overlay.admin.createPolicy({ name: 'bind', type: 'Bind', identities: ['host'], services: ['plain'] });
  await overlay.admin.createPolicy({ name: 'dial', type: 'Dial', identities: ['dialler'], services: ['plain'] });
  await dialer.signIn();
  await host.signIn();
});

afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await until(() => overlay.admin.listTerminators().length === 0 && overlay.admin.listCircuits().length === 0);
});

afterAll(async () => {
  await overlay.close();
});

async function openChannel(client: ControllerClient): Promise<RouterClient> {
  const channel = new RouterClient(overlay, client.identity!);
  channels.push(channel);
  await channel.hello(client.session['zt-session'] ?? '');
  return channel;
}

const headers = (): HeaderList => new HeaderList();
const conn = (id: number): HeaderList => headers().u32(headerId.connId, id);

/** Bind as connection `id`; resolves once the terminator is there. */
async function bind(
  channel: RouterClient,
  id: number,
  extra: (list: HeaderList) => HeaderList = (list) => list,
): Promise<string> {
  const token = await host.sessionToken(serviceId, 'Bind');
  const list = conn(id).bool(headerId.routerProvidedConnId, true).bool(headerId.supportsBindSuccess, true);
  const reply = await channel.reply(channel.send(contentType.bind, extra(list), token));
  expect(reply.contentType, reply.text).toBe(contentType.stateConnected);
  await channel.next((frame) => frame.contentType === contentType.bindSuccess);
  return token;
}

async function connect(
  channel: RouterClient,
  id: number,
  extra: (list: HeaderList) => HeaderList = (list) => list,
): Promise<number> {
  return channel.send(contentType.connect, extra(conn(id)), await dialer.sessionToken(serviceId, 'Dial'));
}

/** Take the next Dial and accept it; the new connection id. */
async function accept(channel: RouterClient): Promise<{ readonly connId: number; readonly dial: KeptFrame }> {
  const dial = await channel.next((frame) => frame.contentType === contentType.dial);
  const connId = dial.headers.u32(headerId.routerProvidedConnId)!;
  const body = Buffer.alloc(4);
  body.writeUInt32LE(connId);
  channel.send(
    contentType.dialSuccess,
    conn(dial.headers.u32(headerId.connId)!).i32(headerId.replyFor, dial.sequence),
    body,
  );
  return { connId, dial };
}

/** A dialled circuit, both sides plain unless told otherwise. */
async function circuit(extra: { readonly dialer?: 'xgress'; readonly host?: 'xgress' } = {}) {
  const hosting = await openChannel(host);
  const dialling = await openChannel(dialer);
  const xgress = (list: HeaderList): HeaderList => list.bool(headerId.useXgressToSdk, true);
  await bind(hosting, 2, extra.host === 'xgress' ? xgress : undefined);
  const request = await connect(dialling, 1, extra.dialer === 'xgress' ? xgress : undefined);
  const { connId } = await accept(hosting);
  const reply = await dialling.reply(request);
  expect(reply.contentType, reply.text).toBe(contentType.stateConnected);
  return { hosting, dialling, hostConn: connId, circuitId: reply.headers.string(headerId.circuitId)! };
}

const isData = (frame: KeptFrame): boolean => frame.contentType === contentType.data;
const isClosed = (frame: KeptFrame): boolean => frame.contentType === contentType.stateClosed;

describe('the router of the embedded overlay', () => {
  test('greets first and then drops who shows no session', async () => {
    const channel = new RouterClient(overlay, host.identity!);
    const result = await channel.hello('no-such-session');
    expect(result.headers.bool(headerId.resultSuccess)).toBe(true);
    expect(result.headers.bool(headerId.supportsBindSuccess)).toBe(true);
    await until(() => channel.isClosed);
  });

  test('drops who shows the certificate of another', async () => {
    const channel = new RouterClient(overlay, host.identity!);
    await channel.hello(dialer.session['zt-session']!);
    await until(() => channel.isClosed);
  });

  test('answers probes and reflects what they carry', async () => {
    const channel = await openChannel(dialer);
    const reply = await channel.reply(channel.send(contentType.latency, headers().u64(headerId.uuid, 4242)));
    expect(reply.contentType).toBe(contentType.result);
    expect(reply.headers.u64(headerId.uuid)).toBe(4242);
  });

  test('carries data with flags both ways, half-close too, and says to the other side that one has closed', async () => {
    const { hosting, dialling, hostConn } = await circuit();
    dialling.send(contentType.data, conn(1).u32(headerId.flags, edgeFlag.multipart), 'to the host');
    const there = await hosting.next(isData);
    expect([there.text, there.headers.u32(headerId.connId), there.headers.u32(headerId.flags)]).toEqual([
      'to the host',
      hostConn,
      edgeFlag.multipart,
    ]);
    dialling.send(contentType.data, conn(1).u32(headerId.flags, edgeFlag.fin));
    expect((await hosting.next(isData)).headers.u32(headerId.flags)).toBe(edgeFlag.fin);
    hosting.send(contentType.data, conn(hostConn), 'still answering');
    expect((await dialling.next(isData)).text).toBe('still answering');
    hosting.send(contentType.stateClosed, conn(hostConn));
    expect((await dialling.next(isClosed)).text).toBe('close called');
  });

  test('tells the host who dials, and what the dialler sent along', async () => {
    const hosting = await openChannel(host);
    const dialling = await openChannel(dialer);
    await bind(hosting, 9);
    await connect(dialling, 3, (list) =>
      list.string(headerId.appData, '{"dst_port":"80"}').string(headerId.callerId, 'me'),
    );
    const { dial } = await accept(hosting);
    expect(dial.headers.string(headerId.dialerIdentityName)).toBe('dialler');
    expect(dial.headers.string(headerId.appData)).toBe('{"dst_port":"80"}');
    expect(dial.headers.string(headerId.callerId)).toBe('me');
  });

  test('refuses in the words of a real router', async () => {
    const dialling = await openChannel(dialer);
    const nobody = await dialling.reply(await connect(dialling, 1));
    expect(nobody.text).toBe(`service ${serviceId} has no terminators`);
    const unknown = await connect(dialling, 2, (list) => list.string(headerId.terminatorIdentity, 'x'));
    expect((await dialling.reply(unknown)).text).toContain('has no terminators for instanceId x');
    const noToken = await dialling.reply(dialling.send(contentType.connect, conn(3), serviceId));
    expect(noToken.contentType).toBe(contentType.stateClosed);
    const bindToken = dialling.send(contentType.bind, conn(4), await dialer.sessionToken(serviceId, 'Dial'));
    expect((await dialling.reply(bindToken)).text).toContain('expected Bind, got Dial');

    const hosting = await openChannel(host);
    await bind(hosting, 2);
    const refused = await connect(dialling, 5);
    for (let attempt = 0; attempt < 2; attempt++) {
      const dial = await hosting.next((frame) => frame.contentType === contentType.dial);
      hosting.send(contentType.dialFailed, conn(2).i32(headerId.replyFor, dial.sequence), 'backend is down');
    }
    const text = (await dialling.reply(refused)).text;
    expect(text).toMatch(/^exceeded maximum \[2\] retries creating circuit/);
    expect(text).toContain('error: (backend is down)');
  });

  test('demands keys where a service demands encryption', async () => {
    const encrypted = await overlay.admin.createService({ name: 'encrypted' });
    const policy = await overlay.admin.createPolicy({ type: 'Dial', identities: ['dialler'], services: ['encrypted'] });
    const dialling = await openChannel(dialer);
    const token = await dialer.sessionToken(encrypted, 'Dial');
    const reply = await dialling.reply(dialling.send(contentType.connect, conn(1), token));
    expect(reply.text).toBe('encryption required on service, initiator did not send public header');
    await overlay.admin.deletePolicy(policy);
  });

  test('chooses by precedence, then cost, and follows updates', async () => {
    const hosting = await openChannel(host);
    const dialling = await openChannel(dialer);
    const token = await bind(hosting, 10, (list) => list.string(headerId.listenerId, 'a').u16(headerId.cost, 100));
    await bind(hosting, 11, (list) => list.string(headerId.listenerId, 'b').u16(headerId.cost, 10));
    await bind(hosting, 12, (list) => list.string(headerId.listenerId, 'c').u8(headerId.precedence, 2));
    const chosen = async (id: number): Promise<number | undefined> => {
      await connect(dialling, id);
      return (await accept(hosting)).dial.headers.u32(headerId.connId);
    };
    expect(await chosen(1)).toBe(11);
    hosting.send(contentType.updateBind, conn(11).u8(headerId.precedence, 2), token);
    await until(() => overlay.admin.listTerminators().filter((each) => each.precedence === 'failed').length === 2);
    expect(await chosen(2)).toBe(10);
    hosting.send(contentType.unbind, conn(10), token);
    await until(() => overlay.admin.listTerminators().length === 2);
    expect(await chosen(3)).not.toBe(10);
  });

  test('a listener that comes back replaces itself', async () => {
    const first = await openChannel(host);
    await bind(first, 2, (list) => list.string(headerId.listenerId, 'same'));
    const [before] = overlay.admin.listTerminators();
    const second = await openChannel(host);
    await bind(second, 2, (list) => list.string(headerId.listenerId, 'same'));
    expect(overlay.admin.listTerminators().map((each) => each.id)).toEqual([before!.id]);
  });

  test('a dialler with flow control of its own and a plain host understand each other', async () => {
    const { hosting, dialling, hostConn, circuitId } = await circuit({ dialer: 'xgress' });
    const payload = (sequence: number, flags: number, body: string, edgeFlags?: number): void => {
      const list = conn(1)
        .string(headerId.xgCircuitId, circuitId)
        .u64(headerId.xgSequence, sequence)
        .u32(headerId.xgFlags, flags);
      dialling.send(
        contentType.xgPayload,
        edgeFlags === undefined ? list : list.u32(headerId.payloadEdgeFlags, edgeFlags),
        body,
      );
    };
    payload(0, 4, '');
    payload(2, 0, 'second');
    payload(1, 0, 'first');
    payload(1, 16, 'first');
    expect((await hosting.next(isData)).text).toBe('first');
    expect((await hosting.next(isData)).text).toBe('second');
    const acknowledged = new Set<number>();
    await until(() => {
      for (const frame of dialling.frames.splice(0)) {
        if (frame.contentType !== contentType.xgAcknowledgement) continue;
        for (let at = 0; at < frame.body.length; at += 4) acknowledged.add(frame.body.readInt32BE(at));
      }
      return acknowledged.size === 3;
    });
    hosting.send(contentType.data, conn(hostConn), 'answer');
    const answer = await dialling.next((frame) => frame.contentType === contentType.xgPayload);
    expect([answer.text, answer.headers.u64(headerId.xgSequence), answer.headers.u32(headerId.xgFlags)]).toEqual([
      'answer',
      0,
      2,
    ]);
    payload(3, 0, '', edgeFlag.fin);
    expect((await hosting.next(isData)).headers.u32(headerId.flags)).toBe(edgeFlag.fin);
    dialling.send(contentType.xgClose, headers(), circuitId);
    expect((await hosting.next(isClosed)).text).toBe('close called');
  });

  test('what an xgress side does not acknowledge is sent again', async () => {
    const { hosting, dialling, hostConn } = await circuit({ dialer: 'xgress' });
    hosting.send(contentType.data, conn(hostConn), 'held until the start');
    dialling.send(
      contentType.xgPayload,
      conn(1)
        .string(headerId.xgCircuitId, overlay.admin.listCircuits()[0]!.id)
        .u64(headerId.xgSequence, 0)
        .u32(headerId.xgFlags, 4),
    );
    const first = await dialling.next((frame) => frame.contentType === contentType.xgPayload);
    const again = await dialling.next((frame) => frame.contentType === contentType.xgPayload);
    expect(again.text).toBe(first.text);
    expect(again.headers.u32(headerId.xgFlags)! & 16).toBe(16);
  });

  test('a deleted dial policy ends the circuit at once, saying so, and the channel lives on', async () => {
    const { hosting, dialling } = await circuit();
    await overlay.admin.deletePolicy('dial');
    expect((await dialling.next(isClosed)).text).toBe('dial access lost');
    expect((await hosting.next(isClosed)).text).toBe('close called');
    expect(dialling.isClosed).toBe(false);
    await overlay.admin.createPolicy({ name: 'dial', type: 'Dial', identities: ['dialler'], services: ['plain'] });
  });

  test('a deleted bind policy ends terminator and children, telling to start over', async () => {
    const { hosting, dialling, hostConn } = await circuit();
    await overlay.admin.deletePolicy('bind');
    const terminator = await hosting.next((frame) => isClosed(frame) && frame.headers.u32(headerId.connId) === 2);
    expect(terminator.text).toBe('bind access lost');
    expect(JSON.parse(terminator.headers.string(headerId.structuredError)!)).toMatchObject({ code: 14, retryHint: 2 });
    const child = await hosting.next((frame) => isClosed(frame) && frame.headers.u32(headerId.connId) === hostConn);
    expect(child.text).toBe('bind access lost');
    expect((await dialling.next(isClosed)).text).toBe('close called');
    await overlay.admin.createPolicy({ name: 'bind', type: 'Bind', identities: ['host'], services: ['plain'] });
  });

  test('a disabled identity loses its channel without a word', async () => {
    const { hosting, dialling } = await circuit();
    await overlay.admin.disableIdentity('dialler');
    await until(() => dialling.isClosed);
    expect((await hosting.next(isClosed)).text).toBe('close called');
    await overlay.admin.enableIdentity('dialler');
    await dialer.signIn();
  });

  test('malformed bytes cost only the channel they came on', async () => {
    const good = await openChannel(dialer);
    for (let round = 0; round < 60; round++) {
      const bad = new RouterClient(overlay, dialer.identity!);
      channels.push(bad);
      if (round % 2 === 0) await bad.hello(dialer.session['zt-session']!);
      const frame = encodeFrame({
        contentType: 60_783 + (round % 23),
        sequence: 7,
        headers: conn(1),
        body: randomBytes(40),
      });
      frame[round % 28] = randomBytes(1)[0]!;
      bad.socket.write(frame);
      bad.socket.write(randomBytes(64));
    }
    const reply = await good.reply(good.send(contentType.ping, headers()));
    expect(reply.headers.bool(headerId.resultSuccess)).toBe(true);
  });

  test('a stalled reader holds up neither memory nor another host', async () => {
    const { dialling, hosting } = await circuit();
    hosting.socket.pause();
    const body = Buffer.alloc(64 * 1024);
    for (let sent = 0; sent < 64 * 1024 * 1024; sent += body.length) {
      if (!dialling.socket.writable) break;
      dialling.send(contentType.data, conn(1), body);
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    // The router stopped reading: what it took is bounded, the rest still waits with the sender.
    expect(dialling.socket.writableLength).toBeGreaterThan(32 * 1024 * 1024);
    const other = await openChannel(dialer);
    const reply = await other.reply(other.send(contentType.ping, headers()));
    expect(reply.headers.bool(headerId.resultSuccess)).toBe(true);
  });
});
