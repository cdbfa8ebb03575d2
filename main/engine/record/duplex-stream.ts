/** A Node Duplex seen as a ByteStream: the inner side of a service that Culvert answers itself. */
import type { Duplex } from 'node:stream';
import { toTunnelerError, type TunnelerError } from '../../base/errors.ts';
import type { ByteSink, ByteStream } from '../../base/stream.ts';

/** Takes the duplex over. */
export function streamOfDuplex(duplex: Duplex): ByteStream {
  let failure: TunnelerError | undefined;
  duplex.on('error', (error) => {
    failure ??= toTunnelerError(error, 'sockets.reset');
  });
  duplex.pause();
  return {
    kind: 'stream',
    start(sink: ByteSink) {
      duplex.on('data', (chunk: Buffer) => sink.data(chunk));
      duplex.on('end', () => sink.end());
      duplex.on('drain', () => sink.drain());
      duplex.on('close', () => sink.closed(failure));
      duplex.resume();
    },
    write: (chunk) => !duplex.writableEnded && !duplex.destroyed && duplex.write(chunk),
    end: () => void duplex.end(),
    reset: (error) => void duplex.destroy(error),
    pause: () => void duplex.pause(),
    resume: () => void duplex.resume(),
  };
}
