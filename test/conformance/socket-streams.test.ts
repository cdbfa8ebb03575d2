import { DatagramFlow } from '../../main/sockets/datagram-flow.ts';
import { duplexEnd } from '../../main/sockets/duplex-end.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { socketPair } from '../support/socket-pair.ts';
import { byteStreamConformance, type OpenedPair } from './byte-stream.ts';

async function tcpPair(): Promise<OpenedPair> {
  const pair = await socketPair();
  const [a, b] = [tcpStream(pair.client), tcpStream(pair.server)];
  const close = (): void => {
    a.reset();
    b.reset();
    pair.close();
  };
  return { a, b, close };
}

/** Two flows that carry each other's datagrams, as the two ends of one association. */
function flowPair(): Promise<OpenedPair> {
  const a: DatagramFlow = new DatagramFlow({ send: (bytes) => b.deliver(bytes), closed: () => b.close() });
  const b: DatagramFlow = new DatagramFlow({ send: (bytes) => a.deliver(bytes), closed: () => a.close() });
  return Promise.resolve({ a, b, close: () => a.reset() });
}

/** Two duplex ends, their Node faces piped into each other as two sockets of one connection would be. */
function duplexPair(): Promise<OpenedPair> {
  const near = duplexEnd();
  const far = duplexEnd();
  near.duplex.pipe(far.duplex).pipe(near.duplex);
  near.duplex.on('close', () => near.duplex.errored !== null && far.duplex.destroy(near.duplex.errored));
  far.duplex.on('close', () => far.duplex.errored !== null && near.duplex.destroy(far.duplex.errored));
  return Promise.resolve({ a: near.stream, b: far.stream, close: () => near.stream.reset() });
}

byteStreamConformance({ name: 'TCP socket', open: tcpPair, openDatagram: flowPair });
byteStreamConformance({ name: 'duplex end', open: duplexPair });
