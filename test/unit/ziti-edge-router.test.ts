import { describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { bind } from '../../main/ziti/edge/bind.ts';
import { dial } from '../../main/ziti/edge/dial.ts';
import type { EdgeBinding, EdgeBindRequest, EdgeDialRequest } from '../../main/ziti/edge/edge-router.ts';
import type { EdgeStream } from '../../main/ziti/edge/edge-stream.ts';
import { newListenerKeys } from '../../main/ziti/edge/end-to-end.ts';
import { dialFailure } from '../../main/ziti/edge/fault.ts';
import type { IncomingDial } from '../../main/ziti/model.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { encodeFrame, type Frame } from '../../main/ziti/wire/frame.ts';
import { FrameDecoder } from '../../main/ziti/wire/frame-decoder.ts';
import { HeaderBlock, HeaderList } from '../../main/ziti/wire/header-block.ts';
import { connType, headerId } from '../../main/ziti/wire/header-id.ts';
import { bytesText, copyBytes, readU32, textBytes } from '../../main/ziti/wire/little-endian.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { LinkChannel, stateClosed } from '../support/wire-link.ts';

const token = 'aGVhZA.Ym9keQ.c2ln';

/** A channel whose router is the test. */
class Bench {
  readonly clock = new ManualClock();
  readonly sent: Frame[] = [];
  readonly channel: LinkChannel;
  opened: EdgeStream | undefined;

  constructor() {
    const decoder = new FrameDecoder((frame) => {
      const headers = HeaderBlock.parse(copyBytes(frame.headers.encoded));
      this.sent.push({ ...frame, headers, body: copyBytes(frame.body) });
    });
    this.channel = new LinkChannel('router-1', this.clock, (frame) => decoder.push(frame));
  }

  /** Let what is queued be written; returns frames of that type. */
  async flush(type: number): Promise<Frame[]> {
    for (let i = 0; i < 4; i++) {
      this.clock.advance(1);
      await Promise.resolve();
    }
    return this.sent.filter((frame) => frame.contentType === type);
  }

  answer(type: number, to: Frame, headers: HeaderList, body?: Uint8Array): void {
    this.tell(type, headers.i32(headerId.replyFor, to.sequence), body);
  }

  tell(type: number, headers: HeaderList, body?: Uint8Array, sequence = 77): void {
    this.channel.arrive(encodeFrame({ contentType: type, sequence, headers, ...(body === undefined ? {} : { body }) }));
  }

  readonly request = {
    serviceId: 'service-1',
    sessionToken: token,
    encryptionRequired: true,
    kind: 'stream',
    timeoutMs: 15_000,
  } as const;

  dial(over: Partial<EdgeDialRequest> = {}) {
    return this.dialWith({ ...this.request, ...over });
  }

  dialWith(request: EdgeDialRequest) {
    return dial({
      host: this.channel.host,
      connId: 1,
      callerId: 'me',
      request,
      register: (connection) => this.channel.connections.register(1, connection),
      opened: (stream) => (this.opened = stream),
    });
  }

  readonly dials: IncomingDial[] = [];
  established = 0;
  readonly ended: { code: string; then: string }[] = [];

  bind(over: Partial<EdgeBindRequest> = {}): Promise<EdgeBinding> {
    const request: EdgeBindRequest = {
      sessionToken: token,
      listenerId: 'listener-1',
      encryptionRequired: true,
      keys: newListenerKeys(),
      keyPerConnection: false,
      cost: 0,
      precedence: 'default',
      onDial: (incoming) => void this.dials.push(incoming),
      onEstablished: () => void (this.established += 1),
      onClosed: ({ error, then }) => void this.ended.push({ code: error.code, then }),
      ...over,
    };
    const register = this.channel.connections.register.bind(this.channel.connections);
    return bind({ host: this.channel.host, connId: 2, request, register });
  }

  async bound(over: Partial<EdgeBindRequest> = {}): Promise<EdgeBinding> {
    const binding = this.bind(over);
    const [request] = await this.flush(contentType.bind);
    this.answer(contentType.stateConnected, request!, new HeaderList().u32(headerId.connId, 2));
    return binding;
  }

  dialIn(headers = new HeaderList(), connId = 2): void {
    headers.u32(headerId.connId, connId).u32(headerId.routerProvidedConnId, 0x80000009);
    headers.string(headerId.circuitId, 'c9').bool(headerId.useXgressToSdk, true);
    this.tell(contentType.dial, headers, textBytes(token), 500);
  }
}

const failure = async (work: Promise<unknown>): Promise<TunnelerError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof TunnelerError) return error;
    throw error;
  }
  throw new Error('it did not fail');
};

describe('dialling', () => {
  it('sends what the service and the request ask for', async () => {
    const bench = new Bench();
    const given = bench.dial({ terminatorIdentity: 'blue', appData: textBytes('{}'), stickinessToken: textBytes('s') });
    given.catch(() => undefined);
    const [connect] = await bench.flush(contentType.connect);
    const { headers } = connect!;
    expect(bytesText(connect!.body)).toBe(token);
    expect(headers.u32(headerId.connId)).toBe(1);
    expect(headers.bytes(headerId.publicKey)).toHaveLength(32);
    expect(headers.u8(headerId.cryptoMethod)).toBe(0);
    expect(headers.string(headerId.callerId)).toBe('me');
    expect(headers.bool(headerId.useXgressToSdk)).toBe(true);
    expect(headers.string(headerId.terminatorIdentity)).toBe('blue');
    expect(headers.string(headerId.appData)).toBe('{}');
    expect(headers.string(headerId.stickinessToken)).toBe('s');
  });

  it('leaves the flow to the router where both ends may be on one channel', async () => {
    const bench = new Bench();
    bench.dial({ hostedByUs: true }).catch(() => undefined);
    const [connect] = await bench.flush(contentType.connect);
    expect(connect!.headers.bool(headerId.useXgressToSdk)).not.toBe(true);
  });

  it('never sends a Connect or a Bind whose body is no JWT', async () => {
    const bench = new Bench();
    for (const bad of ['', 'uuid-like-id', 'a.b', 'a.b.c.d', 'a b.c.d', 'a..c']) {
      expect((await failure(bench.dial({ sessionToken: bad }))).code).toBe('base.internal');
      expect((await failure(bench.bind({ sessionToken: bad }))).code).toBe('base.internal');
    }
    expect(await bench.flush(contentType.connect)).toEqual([]);
    expect(await bench.flush(contentType.bind)).toEqual([]);
  });

  it('goes without a service session where none is given, by the service’s id', async () => {
    const bench = new Bench();
    const { sessionToken: _none, ...request } = { ...bench.request };
    bench.dialWith(request).catch(() => undefined);
    expect(await bench.flush(contentType.connect)).toEqual([]);
    const [connect] = await bench.flush(contentType.connectV2);
    expect(connect!.body).toHaveLength(0);
    expect(connect!.headers.string(headerId.serviceId)).toBe('service-1');
    expect(connect!.headers.u8(headerId.serviceIdentifierType)).toBe(0);
    expect(connect!.headers.bytes(headerId.publicKey)).toHaveLength(32);
  });

  it('keeps what the host sent before the router’s answer arrived', async () => {
    const bench = new Bench();
    const given = bench.dial({ encryptionRequired: false });
    const [connect] = await bench.flush(contentType.connect);
    bench.tell(contentType.data, new HeaderList().u32(headerId.connId, 1), textBytes('early'));
    bench.answer(contentType.stateConnected, connect!, new HeaderList().u32(headerId.connId, 1));
    const { stream } = await given;
    const heard: string[] = [];
    stream.start({
      data: (chunk) => heard.push(bytesText(chunk)),
      end: () => undefined,
      drain: () => undefined,
      closed: () => undefined,
    });
    await bench.flush(contentType.data);
    expect(heard).toEqual(['early']);
  });

  it('opens a stream, under the flow control that the router offers', async () => {
    for (const bySdk of [true, false]) {
      const bench = new Bench();
      const given = bench.dial({ encryptionRequired: false });
      const [connect] = await bench.flush(contentType.connect);
      const headers = new HeaderList()
        .u32(headerId.connId, 1)
        .string(headerId.circuitId, 'c1')
        .string(headerId.stickinessToken, 'terminator-1')
        .bool(headerId.useXgressToSdk, bySdk);
      bench.answer(contentType.stateConnected, connect!, headers);
      const { stream, stickinessToken } = await given;
      expect([stream.circuitId, stream.encrypted, stream.routerName]).toEqual(['c1', false, 'router-1']);
      expect(bytesText(stickinessToken!)).toBe('terminator-1');
      expect(bench.opened).toBe(stream);
      stream.write(Uint8Array.of(1));
      expect((await bench.flush(contentType.data)).length).toBe(bySdk ? 0 : 1);
      expect((await bench.flush(contentType.xgPayload)).length).toBe(bySdk ? 2 : 0);
    }
  });

  it('refuses clear text where encryption is required, and closes the circuit', async () => {
    const bench = new Bench();
    const given = failure(bench.dial());
    const [connect] = await bench.flush(contentType.connect);
    const headers = new HeaderList().u32(headerId.connId, 1).string(headerId.circuitId, 'c1');
    bench.answer(contentType.stateConnected, connect!, headers.bool(headerId.useXgressToSdk, true));
    expect((await given).code).toBe('ziti.dial.encryption_missing');
    const [close] = await bench.flush(contentType.xgClose);
    expect(bytesText(close!.body)).toBe('c1');
    expect(bench.channel.connections.streams()).toBe(0);
  });

  it('gives up in time, or when told to, and closes what comes too late', async () => {
    const stop = new AbortController();
    const bench = new Bench();
    const given = failure(bench.dial({ signal: stop.signal }));
    const [connect] = await bench.flush(contentType.connect);
    stop.abort();
    expect((await given).code).toBe('base.cancelled');
    expect(await bench.flush(contentType.stateClosed)).toHaveLength(1);
    const late = new HeaderList().u32(headerId.connId, 1).string(headerId.circuitId, 'late');
    bench.answer(contentType.stateConnected, connect!, late.bool(headerId.useXgressToSdk, true));
    const [close] = await bench.flush(contentType.xgClose);
    expect(bytesText(close!.body)).toBe('late');

    const slow = new Bench();
    const timedOut = failure(slow.dial({ timeoutMs: 400 }));
    await slow.flush(contentType.connect);
    slow.clock.advance(400);
    expect((await timedOut).code).toBe('ziti.dial.timeout');
  });

  it('turns what routers say into codes', () => {
    const fault = { code: undefined, message: undefined, retryHint: 'default', failingChecks: [] } as const;
    const texts: readonly (readonly [string, string])[] = [
      ['service 7XIl has no terminators', 'ziti.dial.no_terminator'],
      ['service 7XIl has no terminators for instanceId blue', 'ziti.dial.no_terminator'],
      ['service 7XIl has no online terminators for instanceId x', 'ziti.dial.no_terminator'],
      ["host for terminator address 'x' not found", 'ziti.dial.no_terminator'],
      ['Invalid Session', 'ziti.dial.session_invalid'],
      ['invalid api session', 'ziti.dial.session_invalid'],
      ['no access to service', 'ziti.dial.access_denied'],
      ['failed posture check', 'ziti.dial.posture_failed'],
      ['retries (… timeout waiting for message reply: context deadline exceeded)', 'ziti.dial.timeout'],
      ['failed to establish connection with terminator address x. error: (refused)', 'ziti.dial.refused'],
      ['encryption required on service, initiator did not send public header', 'ziti.dial.encryption_missing'],
      ['sink id 4 already in use', 'ziti.dial.failed'],
      ['', 'ziti.dial.failed'],
    ];
    for (const [text, code] of texts) expect([text, dialFailure(text, fault).code]).toEqual([text, code]);
    expect(dialFailure('?', { ...fault, code: 14 })).toMatchObject({
      code: 'ziti.dial.access_denied',
      details: { reason: '?', routerCode: 14 },
    });
  });

  it('reads the code before the words, which may quote any name', () => {
    const posture = { code: 15, message: undefined, retryHint: 'default', failingChecks: ['c1'] } as const;
    const words =
      '1 policies failed: policy no terminators [p1] failed due to 1 error(s): posture check os [c1] failed';
    expect(dialFailure(words, posture)).toMatchObject({
      code: 'ziti.dial.posture_failed',
      details: { failingChecks: [{ id: 'c1', name: 'os' }] },
    });
    // Release 2.0 says it in words alone.
    expect(dialFailure(words, { ...posture, code: undefined, failingChecks: [] }).details).toMatchObject({
      failingChecks: [{ id: 'c1', name: 'os' }],
    });
  });
});

describe('hosting', () => {
  it('binds with what the listener has, updates, and unbinds with the very token', async () => {
    const bench = new Bench();
    const binding = await bench.bound({ cost: 300, precedence: 'required', terminatorIdentity: 'blue' });
    const [bindFrame] = await bench.flush(contentType.bind);
    const { headers } = bindFrame!;
    for (const id of [headerId.supportsInspect, headerId.supportsBindSuccess, headerId.routerProvidedConnId]) {
      expect(headers.bool(id)).toBe(true);
    }
    expect(headers.bool(headerId.useXgressToSdk)).toBe(true);
    expect(headers.string(headerId.listenerId)).toBe('listener-1');
    expect([headers.u16(headerId.cost), headers.u8(headerId.precedence)]).toEqual([300, 1]);
    expect(headers.string(headerId.terminatorIdentity)).toBe('blue');
    bench.tell(contentType.bindSuccess, new HeaderList().u32(headerId.connId, 2));
    await bench.flush(contentType.bind);
    expect(bench.established).toBe(1);
    binding.update({ cost: 5, precedence: 'failed' });
    const [update] = await bench.flush(contentType.updateBind);
    expect([update!.headers.u16(headerId.cost), update!.headers.u8(headerId.precedence)]).toEqual([5, 2]);
    binding.unbind();
    binding.unbind();
    const unbinds = await bench.flush(contentType.unbind);
    expect(unbinds.map((frame) => bytesText(frame.body))).toEqual([token]);
    expect(bench.ended).toEqual([]);
  });

  it('accepts a dial: answers first, then opens the stream that the router named', async () => {
    const bench = new Bench();
    await bench.bound();
    const dialler = newListenerKeys();
    bench.dialIn(
      new HeaderList()
        .bytes(headerId.publicKey, dialler.publicKey)
        .string(headerId.callerId, 'says so')
        .string(headerId.dialerIdentityId, 'id-1')
        .string(headerId.dialerIdentityName, 'alice')
        .bytes(headerId.appData, textBytes('{"dst_port":"22"}')),
    );
    const [incoming] = bench.dials;
    expect(incoming!.caller).toEqual({ name: 'alice', id: 'id-1', asserted: true });
    expect(bytesText(incoming!.appData!)).toBe('{"dst_port":"22"}');
    const stream = incoming!.accept();
    expect([stream.circuitId, stream.encrypted]).toEqual(['c9', true]);
    const [success] = await bench.flush(contentType.dialSuccess);
    expect(success!.headers.i32(headerId.replyFor)).toBe(500);
    expect(success!.headers.u32(headerId.connId)).toBe(2);
    expect(readU32(success!.body, 0)).toBe(0x80000009);
    expect(() => incoming!.accept()).toThrow(TunnelerError);
    incoming!.reject('too late');
    expect(await bench.flush(contentType.dialFailed)).toEqual([]);
  });

  it('gives each connection a key of its own where the network hands it on', async () => {
    const keys: string[] = [];
    for (const keyPerConnection of [true, true, false]) {
      const bench = new Bench();
      await bench.bound({ keyPerConnection });
      bench.dialIn(new HeaderList().bytes(headerId.publicKey, newListenerKeys().publicKey));
      bench.dials[0]!.accept();
      const [success] = await bench.flush(contentType.dialSuccess);
      keys.push(Buffer.from(success!.headers.bytes(headerId.publicKey) ?? []).toString('hex'));
    }
    const [first, second, listeners] = keys;
    expect(first).toHaveLength(64);
    expect(second).not.toBe(first);
    // The listener's own is known from its bind.
    expect(listeners).toBe('');
  });

  it('rejects what it does not want, what brings no key, and what nobody answered in 4.5 s', async () => {
    const bench = new Bench();
    await bench.bound();
    bench.dialIn();
    expect(() => bench.dials[0]!.accept()).toThrowError(/key/);
    bench.dialIn();
    bench.dials[1]!.reject('not today');
    bench.dialIn();
    bench.clock.advance(4_500);
    const reasons = (await bench.flush(contentType.dialFailed)).map((frame) => bytesText(frame.body));
    expect(reasons).toEqual(['end-to-end encryption is required', 'not today', 'the host did not answer in time']);
    bench.dialIn(new HeaderList(), 44);
    expect(await bench.flush(contentType.dialFailed)).toHaveLength(4);
  });

  it('rejects a dial whose handler throws, and keeps hosting', async () => {
    const bench = new Bench();
    let first = true;
    await bench.bound({
      onDial: (incoming) => {
        if (first) {
          first = false;
          throw new Error('handler');
        }
        incoming.reject('fine');
      },
    });
    bench.dialIn();
    bench.dialIn();
    const reasons = (await bench.flush(contentType.dialFailed)).map((frame) => bytesText(frame.body));
    expect(reasons).toEqual(['the host failed', 'fine']);
  });

  it('says what may be done when a router ends it', async () => {
    const json = (code: number, retryHint: number): string => JSON.stringify({ message: 'm', code, retryHint });
    for (const [text, structured, then] of [
      ['something', undefined, 'retry'],
      ['session ended', undefined, 'start-over'],
      ['bind access lost', json(14, 2), 'start-over'],
      ['bad', json(6, 3), 'stop'],
      ['bad', json(4, 0), 'stop'],
    ] as const) {
      const bench = new Bench();
      await bench.bound();
      const headers = new HeaderList().u32(headerId.connId, 2);
      if (structured !== undefined) headers.string(headerId.structuredError, structured);
      bench.tell(contentType.stateClosed, headers, textBytes(text));
      expect(bench.ended).toEqual([{ code: 'ziti.bind.refused', then }]);
    }
  });

  it('cuts its children when access is lost, and lets them live when unbound', async () => {
    for (const lost of [true, false]) {
      const bench = new Bench();
      const binding = await bench.bound({ encryptionRequired: false, keys: undefined });
      bench.dialIn();
      let closed: TunnelerError | undefined;
      const stream = bench.dials[0]!.accept();
      stream.start({ data() {}, end() {}, drain() {}, closed: (error) => (closed = error) });
      if (lost) bench.channel.arrive(stateClosed(2, 'session ended'));
      else binding.unbind();
      await bench.flush(contentType.unbind);
      expect(closed?.code).toBe(lost ? 'ziti.dial.access_denied' : undefined);
    }
  });

  it('gives up on a router that does not answer, or whose controller makes no terminator', async () => {
    const silent = new Bench();
    const given = failure(silent.bind());
    await silent.flush(contentType.bind);
    silent.clock.advance(5_000);
    expect((await given).code).toBe('ziti.bind.failed');
    const slow = new Bench();
    await slow.bound();
    slow.clock.advance(60_000);
    expect(slow.ended).toEqual([{ code: 'ziti.bind.failed', then: 'retry' }]);
    expect(await slow.flush(contentType.unbind)).toHaveLength(1);
    const refused = new Bench();
    const refusal = failure(refused.bind());
    const [request] = await refused.flush(contentType.bind);
    refused.answer(
      contentType.stateClosed,
      request!,
      new HeaderList().u32(headerId.connId, 2),
      textBytes('invalid session'),
    );
    expect(await refusal).toMatchObject({ code: 'ziti.bind.refused', details: { then: 'start-over' } });
  });

  it('answers inspections for bindings, streams and ids it does not know', async () => {
    const bench = new Bench();
    await bench.bound({ encryptionRequired: false, keys: undefined });
    bench.dialIn();
    bench.dials[0]!.accept();
    for (const connId of [2, 0x80000009, 7]) {
      bench.tell(
        contentType.connInspectRequest,
        new HeaderList().u32(headerId.connId, connId),
        undefined,
        connId & 0xff,
      );
    }
    const replies = await bench.flush(contentType.connInspectResponse);
    expect(replies.map((frame) => frame.headers.u8(headerId.connType))).toEqual([
      connType.bind,
      connType.dial,
      connType.invalid,
    ]);
    bench.tell(contentType.inspectRequest, new HeaderList().stringSlice(headerId.inspectRequestedValues, ['circuits']));
    const [inspected] = await bench.flush(contentType.inspectResponse);
    expect(JSON.parse(bytesText(inspected!.body))).toEqual({ success: true, values: {}, errors: null });
    bench.tell(
      contentType.traceRoute,
      new HeaderList().u32(headerId.connId, 0x80000009).u32(headerId.traceHopCount, 4).u64(headerId.timestamp, 9),
    );
    const [trace] = await bench.flush(contentType.traceRouteResponse);
    expect([trace!.headers.u32(headerId.traceHopCount), trace!.headers.u64(headerId.timestamp)]).toEqual([3, 9]);
  });
});
