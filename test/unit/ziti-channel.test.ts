import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createServer as createTlsServer, type Server, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../main/base/clock.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog, type Log } from '../../main/base/log.ts';
import { Pki } from '../../main/overlay/pki.ts';
import {
  openChannel,
  type Channel,
  type ChannelHandlers,
  type ChannelOptions,
} from '../../main/ziti/channel/channel.ts';
import { parseRouterAddress } from '../../main/ziti/channel/tls-connect.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { encodeFrame, type Frame } from '../../main/ziti/wire/frame.ts';
import { FrameDecoder } from '../../main/ziti/wire/frame-decoder.ts';
import { HeaderBlock, HeaderList } from '../../main/ziti/wire/header-block.ts';
import { headerId } from '../../main/ziti/wire/header-id.ts';
import { bytesText, copyBytes, textBytes } from '../../main/ziti/wire/little-endian.ts';
import { ManualClock } from '../support/manual-clock.ts';

let pki: Pki;
let otherPki: Pki;

beforeAll(async () => {
  pki = await Pki.open(undefined, ['localhost', '127.0.0.1']);
  otherPki = await Pki.open(undefined, ['localhost']);
});

/** A router that speaks just the channel layer, by the test's script. */
class ScriptedRouter implements AsyncDisposable {
  readonly frames: Frame[] = [];
  socket: TLSSocket | undefined;
  servername: string | false | null | undefined;
  readonly #server: Server;
  readonly #onFrame: (frame: Frame, router: ScriptedRouter) => void;
  readonly #woken: (() => void)[] = [];

  private constructor(onFrame: (frame: Frame, router: ScriptedRouter) => void) {
    this.#onFrame = onFrame;
    this.#server = createTlsServer(
      { cert: pki.serverChain('router'), key: pki.record.router.key, ALPNProtocols: ['ziti-edge'] },
      (socket) => {
        this.socket = socket;
        this.servername = socket.servername;
        const decoder = new FrameDecoder((frame) => this.#take(frame));
        socket.on('data', (bytes) => decoder.push(bytes));
        socket.on('error', () => undefined);
      },
    );
  }

  static async open(onFrame: (frame: Frame, router: ScriptedRouter) => void = greet): Promise<ScriptedRouter> {
    const router = new ScriptedRouter(onFrame);
    router.#server.listen(0, '127.0.0.1');
    await once(router.#server, 'listening');
    return router;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  send(type: number, headers: HeaderList, body: Uint8Array = new Uint8Array(0), sequence = 1): void {
    this.socket?.write(encodeFrame({ contentType: type, sequence, headers, body }));
  }

  async until(found: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const frame = this.frames.find(found);
      if (frame !== undefined) return frame;
      await new Promise<void>((resolve) => this.#woken.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(frame: Frame): void {
    const own = { ...frame, headers: HeaderBlock.parse(copyBytes(frame.headers.encoded)), body: copyBytes(frame.body) };
    this.frames.push(own);
    this.#onFrame(own, this);
    for (const wake of this.#woken.splice(0)) wake();
  }
}

function greet(frame: Frame, router: ScriptedRouter): void {
  if (frame.contentType !== contentType.hello) return;
  const headers = new HeaderList()
    .bool(headerId.resultSuccess, true)
    .i32(headerId.replyFor, frame.sequence)
    .string(headerId.helloVersion, 'v2.0.3|abc|2026|linux|amd64')
    .bool(headerId.supportsBindSuccess, true)
    .bool(headerId.supportsPostureChecks, true);
  router.send(contentType.result, headers);
}

const noHandlers: ChannelHandlers = { frame() {}, gather() {}, drained() {} };

interface Opening {
  readonly clock?: Clock;
  readonly handlers?: ChannelHandlers;
  readonly over?: Partial<ChannelOptions>;
}

function connect(port: number, opening: Opening = {}): Promise<Channel> {
  const options: ChannelOptions = {
    name: 'router-1',
    address: `tls://127.0.0.1:${port}`,
    tls: { ca: pki.bundle, cert: pki.serverChain('router'), key: pki.record.router.key },
    token: 'session-token',
    clock: opening.clock ?? systemClock,
    log: silentLog,
    ...opening.over,
  };
  return openChannel(options, opening.handlers ?? noHandlers);
}

const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    const value = await work;
    return value instanceof TunnelerError ? value.code : 'resolved';
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

describe('greeting', () => {
  it('sends the token, asks for a grouped underlay, and reads what the router says of itself', async () => {
    await using router = await ScriptedRouter.open();
    await using channel = await connect(router.port);
    const hello = router.frames[0]!;
    expect([hello.contentType, hello.sequence]).toEqual([contentType.hello, -1]);
    expect(hello.headers.string(headerId.sessionToken)).toBe('session-token');
    expect(hello.headers.bool(headerId.isGrouped)).toBe(true);
    expect(hello.headers.bool(headerId.isFirstGroupConnection)).toBe(true);
    expect(hello.headers.string(headerId.underlayType)).toBe('edge.default');
    expect(channel.hello).toEqual({
      version: 'v2.0.3',
      supportsBindSuccess: true,
      supportsPostureChecks: true,
      capabilities: { known: false, connectV2: false, serviceUpdates: false },
    });
    expect(channel.latencyMs()).toBeGreaterThan(0);
    expect([router.socket?.alpnProtocol, router.servername]).toEqual(['ziti-edge', false]);
  });

  it('names the host to a router with a name', async () => {
    await using router = await ScriptedRouter.open();
    await using channel = await connect(router.port, { over: { address: `tls:localhost:${router.port}` } });
    expect(channel.closedWith).toBeUndefined();
    expect(router.servername).toBe('localhost');
  });

  it('takes a close within 6 s of the hello for a refused session, and a later one for a loss', async () => {
    for (const [afterMs, code] of [
      [5_200, 'ziti.channel.rejected'],
      [6_500, 'ziti.channel.closed'],
    ] as const) {
      const clock = new ManualClock();
      await using router = await ScriptedRouter.open();
      const channel = await connect(router.port, { clock });
      clock.advance(afterMs);
      router.socket?.end();
      expect((await channel.closed).code).toBe(code);
    }
  });

  it('fails with a code of its own for each way it can go wrong', async () => {
    await using router = await ScriptedRouter.open();
    const foreign = { ca: otherPki.bundle, cert: pki.serverChain('router'), key: pki.record.router.key };
    expect(await codeOf(connect(router.port, { over: { tls: foreign } }))).toBe('ziti.channel.certificate');
    const wrongName = { address: `tls://127.0.0.2:${router.port}` };
    expect(await codeOf(connect(router.port, { over: wrongName }))).toMatch(/certificate|unreachable/);
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    expect(await codeOf(connect(port))).toBe('ziti.channel.unreachable');
    expect(await codeOf(connect(1, { over: { address: 'wss://x' } }))).toBe('ziti.channel.unreachable');
    expect(await codeOf(connect(router.port, { over: { signal: AbortSignal.abort() } }))).toBe('base.cancelled');

    await using refusing = await ScriptedRouter.open((hello, self) => {
      const headers = new HeaderList().bool(headerId.resultSuccess, false).i32(headerId.replyFor, hello.sequence);
      self.send(contentType.result, headers, textBytes('no'));
    });
    expect(await codeOf(connect(refusing.port))).toBe('ziti.channel.rejected');
    await using garbling = await ScriptedRouter.open((_, self) => void self.socket?.write('HTTP/1.1 400 Bad Request'));
    expect(await codeOf(connect(garbling.port))).toBe('ziti.channel.malformed');
  });

  it('gives a silent router up after its time', async () => {
    const clock = new ManualClock();
    await using router = await ScriptedRouter.open(() => undefined);
    const opening = codeOf(connect(router.port, { clock, over: { connectTimeoutMs: 3_000 } }));
    await router.until((frame) => frame.contentType === contentType.hello);
    clock.advance(3_000);
    expect(await opening).toBe('ziti.channel.unreachable');
    expect(clock.pending()).toBe(0);
  });

  it('reads addresses in both spellings', () => {
    expect(parseRouterAddress('tls://er.example:3022')).toEqual({ host: 'er.example', port: 3022 });
    expect(parseRouterAddress('tls:10.0.0.1:443')).toEqual({ host: '10.0.0.1', port: 443 });
    expect(parseRouterAddress('tls://[fd00::1]:443')).toEqual({ host: 'fd00::1', port: 443 });
    for (const bad of ['er.example:3022', 'tls://er.example', 'tls://er.example:0', 'tls://er.example:99999', '']) {
      expect(() => parseRouterAddress(bad)).toThrow(TunnelerError);
    }
  });
});

describe('a channel that is up', () => {
  it('answers latency and ping, reflecting what replies reflect', async () => {
    await using router = await ScriptedRouter.open();
    await using channel = await connect(router.port);
    expect(channel.closedWith).toBeUndefined();
    router.send(contentType.latency, new HeaderList().u64(headerId.uuid, 12345), undefined, 41);
    const reply = await router.until((frame) => frame.headers.i32(headerId.replyFor) === 41);
    expect([reply.contentType, reply.headers.bool(headerId.resultSuccess)]).toEqual([contentType.result, true]);
    expect(reply.headers.u64(headerId.uuid)).toBe(12345);
    router.send(contentType.ping, new HeaderList(), undefined, 42);
    await router.until((frame) => frame.headers.i32(headerId.replyFor) === 42);
  });

  it('matches replies to requests, times out the unanswered, and hands the rest on', async () => {
    const clock = new ManualClock();
    const handedOn: number[] = [];
    await using router = await ScriptedRouter.open();
    const handlers = { ...noHandlers, frame: (frame: Frame) => void handedOn.push(frame.contentType) };
    await using channel = await connect(router.port, { clock, handlers });
    const replies: string[] = [];
    const ask = (what: string): Disposable =>
      channel.request({ contentType: contentType.connect }, 1_000, what, (reply) => {
        replies.push(reply instanceof TunnelerError ? reply.code : `${what}: ${bytesText(reply.body)}`);
      });
    ask('first');
    ask('second');
    ask('third')[Symbol.dispose]();
    await router.until(() => router.frames.filter((frame) => frame.contentType === contentType.connect).length === 3);
    const sequences = router.frames.slice(1).map((frame) => frame.sequence);
    expect(new Set(sequences).size).toBe(3);
    const answer = (index: number, text: string): void =>
      router.send(
        contentType.stateConnected,
        new HeaderList().i32(headerId.replyFor, sequences[index]!),
        textBytes(text),
      );
    answer(1, 'b');
    answer(1, 'again');
    answer(2, 'unasked');
    await until(() => handedOn.length === 2);
    clock.advance(1_000);
    expect(replies).toEqual(['second: b', 'base.timeout']);
    expect(handedOn).toEqual([contentType.stateConnected, contentType.stateConnected]);
  });

  it('fails what waits when it is lost, and what asks after that', async () => {
    const clock = new ManualClock();
    await using router = await ScriptedRouter.open();
    const channel = await connect(router.port, { clock });
    clock.advance(10_000);
    const codes: string[] = [];
    const ask = (): void => {
      channel.request({ contentType: contentType.bind }, 5_000, 'it', (reply) => {
        if (reply instanceof TunnelerError) codes.push(reply.code);
      });
    };
    ask();
    router.socket?.destroy();
    await channel.closed;
    ask();
    expect(codes).toEqual(['ziti.channel.closed', 'ziti.channel.closed']);
    expect(clock.pending()).toBe(0);
  });

  it('closes on the first malformed byte, with that code', async () => {
    await using router = await ScriptedRouter.open();
    const channel = await connect(router.port);
    router.socket?.write(Buffer.from('garbage'));
    expect((await channel.closed).code).toBe('ziti.channel.malformed');
  });

  it("logs a handler's exception and goes on with the next frame of the same chunk", async () => {
    const logged: string[] = [];
    const log: Log = { ...silentLog, error: (event) => void logged.push(event) };
    const seen: number[] = [];
    const handlers: ChannelHandlers = {
      ...noHandlers,
      frame: (frame) => {
        seen.push(frame.sequence);
        if (frame.sequence === 1) throw new Error('handler');
      },
    };
    await using router = await ScriptedRouter.open();
    await using channel = await connect(router.port, { handlers, over: { log } });
    const frames = [1, 2, 3].map((sequence) => encodeFrame({ contentType: contentType.data, sequence }));
    router.socket?.write(Buffer.concat(frames));
    await until(() => seen.length === 3);
    expect(logged).toEqual(['ziti.channel.handler_failed']);
    expect(channel.closedWith).toBeUndefined();
  });

  it('probes every 30 s, and gives up a router that is silent beyond that', async () => {
    const clock = new ManualClock();
    await using router = await ScriptedRouter.open((frame, self) => {
      greet(frame, self);
      if (frame.contentType === contentType.latency && self.frames.length <= 2) {
        const headers = new HeaderList().i32(headerId.replyFor, frame.sequence).bool(headerId.resultSuccess, true);
        self.send(contentType.result, headers);
      }
    });
    const channel = await connect(router.port, { clock });
    const probes = (): number => router.frames.filter((frame) => frame.contentType === contentType.latency).length;
    clock.advance(30_000);
    await until(() => probes() === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    clock.advance(30_000);
    await until(() => probes() === 2);
    clock.advance(10_000);
    expect((await channel.closed).code).toBe('ziti.channel.unresponsive');
  });

  it('is not taken for alive after a sleep because of what had come in before', async () => {
    const clock = new ManualClock();
    let seen = 0;
    await using router = await ScriptedRouter.open();
    const handlers = { ...noHandlers, frame: () => void (seen += 1) };
    const channel = await connect(router.port, { clock, handlers });
    channel.confirm(3_000);
    clock.advance(50);
    router.send(contentType.data, new HeaderList().u32(headerId.connId, 1));
    await until(() => seen === 1);
    clock.advance(50);
    await until(() => router.frames.some((frame) => frame.contentType === contentType.latency));
    clock.advance(3_000);
    expect((await channel.closed).code).toBe('ziti.channel.unresponsive');
  });

  it('says when it takes bulk again', async () => {
    let drained = 0;
    await using router = await ScriptedRouter.open();
    await using channel = await connect(router.port, { handlers: { ...noHandlers, drained: () => (drained += 1) } });
    router.socket?.pause();
    const frame = encodeFrame({ contentType: contentType.data, sequence: 9, body: new Uint8Array(60_000) });
    let added = 0;
    for (; channel.writable() && added < 2_000; added++) {
      channel.sendEncoded(frame);
      if (added % 4 === 3) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(added).toBeLessThan(2_000);
    router.socket?.resume();
    await until(() => drained === 1);
    expect(channel.writable()).toBe(true);
  });
});

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}
