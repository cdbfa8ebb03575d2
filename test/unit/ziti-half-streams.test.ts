import { describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import type { StreamKind } from '../../main/base/stream.ts';
import type { ConnectionHost } from '../../main/ziti/edge/connection.ts';
import { sealOverheadBytes, Sealer, streamHeaderBytes } from '../../main/ziti/edge/end-to-end.ts';
import type { FlowControl } from '../../main/ziti/edge/flow-control.ts';
import { ReceiveHalf, type ReceiveState } from '../../main/ziti/edge/receive-half.ts';
import { SendHalf, type SendState } from '../../main/ziti/edge/send-half.ts';
import { edgeFlag } from '../../main/ziti/wire/header-id.ts';

const key = new Uint8Array(32).fill(7);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** A carrier and its host that write down what is sent; a window that tests open and shut. */
function below() {
  const sent: { flags: number; body: Uint8Array }[] = [];
  const seen = { open: true, writable: true, flushesWanted: 0, heldBytes: 0, drains: 0 };
  let begun = new Uint8Array(0);
  const carrier = {
    mayStart: () => seen.open,
    begin: (bytes: number) => (begun = new Uint8Array(bytes)),
    commit: () => void sent.push({ flags: 0, body: begun }),
    sendFlagged: (flags: number, body: Uint8Array) => void sent.push({ flags, body: Uint8Array.from(body) }),
    held: (bytes: number) => void (seen.heldBytes = bytes),
  } as unknown as FlowControl;
  const host = {
    log: silentLog,
    pool: { scratch: new Uint8Array(128 * 1024) },
    channel: { writable: () => seen.writable },
    wantsFlush: () => void (seen.flushesWanted += 1),
    waitsForChannel: () => undefined,
  } as unknown as ConnectionHost;
  return { carrier, host, sent, seen };
}

function sender(options: { readonly key?: Uint8Array; readonly kind?: StreamKind } = {}) {
  const { carrier, host, sent, seen } = below();
  const stream = {
    kind: options.kind ?? 'stream',
    flush: (): boolean => half.flush(),
    drained: () => void (seen.drains += 1),
  };
  const half: SendHalf = new SendHalf(stream, { host, carrier, key: options.key });
  return { half, sent, seen };
}

type SendKind = SendState['kind'];

/** A half in each of its states, by the way that leads there. */
const sendStates: Readonly<Record<SendKind, () => ReturnType<typeof sender>>> = {
  Ready: () => sender(),
  Send: () => {
    const made = sender();
    made.half.write(Uint8Array.of(1));
    made.half.flush();
    return made;
  },
  DataSent: () => {
    const made = sendStates.Send();
    made.half.end();
    made.half.flush();
    return made;
  },
  DataRecvd: () => {
    const made = sendStates.DataSent();
    made.half.arrived();
    return made;
  },
  ResetSent: () => {
    const made = sendStates.Send();
    made.half.stopped();
    return made;
  },
  ResetRecvd: () => {
    const made = sendStates.Send();
    made.half.cut();
    return made;
  },
};

describe('the sending half', () => {
  const events: Readonly<Record<string, (half: SendHalf) => void>> = {
    'a message': (half) => {
      half.write(Uint8Array.of(1));
      half.flush();
    },
    'the end': (half) => {
      half.end();
      half.flush();
    },
    arrived: (half) => half.arrived(),
    stopped: (half) => half.stopped(),
    cut: (half) => half.cut(),
  };
  it.each<[event: string, from: Readonly<Record<SendKind, SendKind>>]>([
    [
      'a message',
      {
        Ready: 'Send',
        Send: 'Send',
        DataSent: 'DataSent',
        DataRecvd: 'DataRecvd',
        ResetSent: 'ResetSent',
        ResetRecvd: 'ResetRecvd',
      },
    ],
    [
      'the end',
      {
        Ready: 'DataSent',
        Send: 'DataSent',
        DataSent: 'DataSent',
        DataRecvd: 'DataRecvd',
        ResetSent: 'ResetSent',
        ResetRecvd: 'ResetRecvd',
      },
    ],
    [
      'arrived',
      {
        Ready: 'Ready',
        Send: 'Send',
        DataSent: 'DataRecvd',
        DataRecvd: 'DataRecvd',
        ResetSent: 'ResetSent',
        ResetRecvd: 'ResetRecvd',
      },
    ],
    [
      'stopped',
      {
        Ready: 'ResetSent',
        Send: 'ResetSent',
        DataSent: 'DataSent',
        DataRecvd: 'DataRecvd',
        ResetSent: 'ResetSent',
        ResetRecvd: 'ResetRecvd',
      },
    ],
    [
      'cut',
      {
        Ready: 'ResetRecvd',
        Send: 'ResetRecvd',
        DataSent: 'ResetRecvd',
        DataRecvd: 'DataRecvd',
        ResetSent: 'ResetRecvd',
        ResetRecvd: 'ResetRecvd',
      },
    ],
  ])('goes on by %s as RFC 9000 has it', (event, expected) => {
    for (const [from, to] of Object.entries(expected)) {
      const { half } = sendStates[from as SendKind]();
      expect(half.state.kind).toBe(from);
      events[event]?.(half);
      expect(`${from} → ${half.state.kind}`).toBe(`${from} → ${to}`);
    }
  });

  it('sends nothing more once it has ended, was stopped or cut', () => {
    for (const kind of ['DataSent', 'DataRecvd', 'ResetSent', 'ResetRecvd'] as const) {
      const { half, sent } = sendStates[kind]();
      const before = sent.length;
      expect(half.write(Uint8Array.of(2))).toBe(kind === 'ResetSent');
      half.end();
      half.flush();
      expect(sent.length).toBe(before);
      expect([half.hasEnded, half.hasUnsent]).toEqual([true, false]);
    }
  });

  it('knows of what was written and not taken, and only of that', () => {
    const lost = ({ half }: ReturnType<typeof sender>): boolean => half.state.kind === 'ResetSent' && half.state.lost;
    const waiting = sender();
    waiting.half.write(Uint8Array.of(1));
    waiting.half.stopped();
    expect(lost(waiting)).toBe(true);

    const later = sendStates.ResetSent();
    expect(lost(later)).toBe(false);
    later.half.write(new Uint8Array(0));
    expect(lost(later)).toBe(false);
    later.half.write(Uint8Array.of(2));
    expect(lost(later)).toBe(true);

    const ended = sendStates.ResetSent();
    ended.half.end();
    expect(ended.half.write(Uint8Array.of(2))).toBe(false);
    expect(lost(ended)).toBe(false);
  });

  it('opens with the encryption header alone, then seals, then ends in the clear', () => {
    const { half, sent, seen } = sender({ key });
    expect(seen.flushesWanted).toBe(1);
    seen.open = false;
    half.write(Buffer.from('dark'));
    half.flush();
    expect([half.state.kind, sent.length]).toEqual(['Ready', 0]);
    seen.open = true;
    half.end();
    half.flush();
    expect(sent.map(({ flags, body }) => [flags, body.length])).toEqual([
      [edgeFlag.multipart | edgeFlag.stream, streamHeaderBytes],
      [0, 4 + sealOverheadBytes],
      [edgeFlag.fin, 0],
    ]);
  });

  it('keeps the end behind what waits, however the window opens', () => {
    const { half, sent, seen } = sender();
    half.write(Buffer.from('one'));
    half.end();
    seen.writable = false;
    half.flush();
    expect([half.state.kind, half.hasUnsent]).toEqual(['Ready', true]);
    seen.writable = true;
    half.flush();
    expect(half.state.kind).toBe('DataSent');
    expect(sent.map(({ flags, body }) => [flags, text(body)])).toEqual([
      [edgeFlag.multipart | edgeFlag.stream, 'one'],
      [edgeFlag.fin, ''],
    ]);
  });

  it('lets a writer that waits go on when there is room, or when nothing is taken any more, but not after its end', () => {
    const flood = new Uint8Array(600 * 1024);
    const roomy = sender();
    expect(roomy.half.write(flood)).toBe(false);
    while (roomy.half.flush());
    expect(roomy.seen.drains).toBe(1);

    const stopped = sender();
    stopped.half.write(flood);
    stopped.half.stopped();
    expect(stopped.seen.drains).toBe(1);

    const ended = sender();
    ended.half.write(flood);
    ended.half.end();
    while (ended.half.flush());
    expect([ended.seen.drains, ended.half.state.kind]).toEqual([0, 'DataSent']);
  });

  it('of datagrams ends without a word', () => {
    const { half, sent } = sender({ kind: 'datagram' });
    half.end();
    half.flush();
    expect([half.state.kind, sent.length]).toEqual(['DataSent', 0]);
  });
});

function receiver(options: { readonly key?: Uint8Array } = {}) {
  const { carrier, seen } = below();
  const half = new ReceiveHalf(carrier, options.key);
  const got: string[] = [];
  const reader = {
    data: (chunk: Uint8Array) => void got.push(text(chunk)),
    end: () => void got.push('END'),
    drain: () => undefined,
    closed: () => undefined,
  };
  return { half, got, seen, reader };
}

const receiveStates: Readonly<Record<ReceiveState, () => ReturnType<typeof receiver>>> = {
  Recv: () => receiver(),
  DataRecvd: () => {
    const made = receiver();
    made.half.ended();
    return made;
  },
  DataRead: () => {
    const made = receiveStates.DataRecvd();
    made.half.start(made.reader);
    made.half.deliver();
    return made;
  },
  ResetRecvd: () => {
    const made = receiver();
    made.half.cut();
    return made;
  },
};

describe('the receiving half', () => {
  const events: Readonly<Record<string, (made: ReturnType<typeof receiver>) => void>> = {
    'a message': ({ half }) => half.message(Buffer.from('x'), 0),
    'the end': ({ half }) => void half.ended(),
    delivery: ({ half, reader }) => {
      half.start(reader);
      half.deliver();
    },
    cut: ({ half }) => half.cut(),
  };
  it.each<[event: string, from: Readonly<Record<ReceiveState, ReceiveState>>]>([
    ['a message', { Recv: 'Recv', DataRecvd: 'DataRecvd', DataRead: 'DataRead', ResetRecvd: 'ResetRecvd' }],
    ['the end', { Recv: 'DataRecvd', DataRecvd: 'DataRecvd', DataRead: 'DataRead', ResetRecvd: 'ResetRecvd' }],
    ['delivery', { Recv: 'Recv', DataRecvd: 'DataRead', DataRead: 'DataRead', ResetRecvd: 'ResetRecvd' }],
    ['cut', { Recv: 'ResetRecvd', DataRecvd: 'ResetRecvd', DataRead: 'DataRead', ResetRecvd: 'ResetRecvd' }],
  ])('goes on by %s as RFC 9000 has it', (event, expected) => {
    for (const [from, to] of Object.entries(expected)) {
      const made = receiveStates[from as ReceiveState]();
      expect(made.half.state).toBe(from);
      events[event]?.(made);
      expect(`${from} → ${made.half.state}`).toBe(`${from} → ${to}`);
    }
  });

  it('takes no message after the end or a cut', () => {
    for (const kind of ['DataRecvd', 'DataRead', 'ResetRecvd'] as const) {
      const { half, got, reader } = receiveStates[kind]();
      got.length = 0;
      half.message(Buffer.from('late'), 0);
      half.start(reader);
      half.deliver();
      expect(got).toEqual(kind === 'DataRecvd' ? ['END'] : []);
    }
  });

  it('holds what comes while its reader pauses, says how much, and keeps the end behind it', () => {
    const { half, got, seen, reader } = receiver();
    half.start(reader);
    half.pause();
    half.message(Buffer.from('one'), 0);
    half.message(Buffer.from('three'), 0);
    half.ended();
    half.deliver();
    expect([got, seen.heldBytes, half.state]).toEqual([[], 8, 'DataRecvd']);
    half.resume();
    half.deliver();
    expect([got, seen.heldBytes, half.state]).toEqual([['one', 'three', 'END'], 0, 'DataRead']);
  });

  it('gives no more of what is held to a reader that pauses or is cut off in the middle', () => {
    for (const how of ['pause', 'cut'] as const) {
      const { half, got } = receiver();
      half.message(Buffer.from('one'), 0);
      half.message(Buffer.from('two'), 0);
      half.ended();
      half.start({
        data: (chunk) => {
          got.push(text(chunk));
          half[how]();
        },
        end: () => void got.push('END'),
        drain: () => undefined,
        closed: () => undefined,
      });
      half.deliver();
      expect([got, half.state]).toEqual([['one'], how === 'cut' ? 'ResetRecvd' : 'DataRecvd']);
    }
  });

  it('opens what is sealed, and the message that brings the header is none of the reader', () => {
    const { half, got, reader } = receiver({ key });
    half.start(reader);
    const sealer = new Sealer(key);
    half.message(sealer.takeHeader(), 0);
    const sealed = new Uint8Array(4 + sealOverheadBytes);
    sealer.seal(sealed, Buffer.from('dark'));
    half.message(sealed, 0);
    expect(got).toEqual(['dark']);
    expect(() => half.message(sealed, 0)).toThrow('does not authenticate');
  });
});
