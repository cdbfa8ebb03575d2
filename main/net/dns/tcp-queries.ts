/** DNS over a stream: each message behind its length, two bytes (RFC 1035 section 4.2.2); queries may come before answers have gone. */
import type { Clock } from '../../base/clock.ts';
import type { ByteStream } from '../../base/stream.ts';

/** Answers under way on one connection; the asker waits beyond. */
const maxUnderWay = 64;
/** RFC 7766 section 6.2.3 leaves it to the server; a resolver asks and is done. */
const idleMs = 10_000;

/** Serve one connection until the asker ends it, it falls silent, or it sends what is no message. The stream is ours from here on. */
export function serveTcpQueries(
  stream: ByteStream,
  answer: (query: Uint8Array) => Promise<Uint8Array | undefined>,
  clock: Clock,
): void {
  let waiting: Uint8Array = new Uint8Array(0);
  let underWay = 0;
  let asked = true;
  const restartTimer = (): Disposable => clock.after(idleMs, () => stream.reset());
  let timer = restartTimer();

  const finish = (): void => {
    if (!asked && underWay === 0) stream.end();
  };
  const serve = (query: Uint8Array): void => {
    underWay += 1;
    if (underWay === maxUnderWay) stream.pause();
    void answer(query).then((reply) => {
      if (reply !== undefined) stream.write(framed(reply));
      underWay -= 1;
      if (underWay === maxUnderWay - 1) stream.resume();
      finish();
    });
  };

  stream.start({
    data(chunk) {
      timer[Symbol.dispose]();
      timer = restartTimer();
      waiting = waiting.length === 0 ? chunk : joined(waiting, chunk);
      while (waiting.length >= 2) {
        const end = 2 + (waiting[0] ?? 0) * 256 + (waiting[1] ?? 0);
        if (waiting.length < end) return;
        serve(waiting.slice(2, end));
        waiting = waiting.subarray(end);
      }
    },
    end() {
      asked = false;
      finish();
    },
    drain() {},
    closed() {
      timer[Symbol.dispose]();
    },
  });
}

/** A message behind its length. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + message.length);
  bytes[0] = message.length >>> 8;
  bytes[1] = message.length;
  bytes.set(message, 2);
  return bytes;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
