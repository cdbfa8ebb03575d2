/** Two ByteStreams joined without a session: for what goes direct, past the corridor. */
import type { ByteSink, ByteStream } from '../../base/stream.ts';

/** Pump both ways until both are over; owns both. Half-close and reset pass through, the slower side sets the pace. */
export function splice(a: ByteStream, b: ByteStream): void {
  a.start(sinkInto(a, b));
  b.start(sinkInto(b, a));
}

function sinkInto(from: ByteStream, to: ByteStream): ByteSink {
  return {
    data(chunk) {
      if (!to.write(chunk)) from.pause();
    },
    end: () => to.end(),
    // `from` has room again, so whoever feeds it may go on.
    drain: () => to.resume(),
    closed(error) {
      if (error === undefined) to.end();
      else to.reset(error);
    },
  };
}
