import { memoryStreamPair } from '../support/memory-stream.ts';
import type { StreamKind } from '../../main/base/stream.ts';
import { byteStreamConformance, type OpenedPair } from './byte-stream.ts';

function open(kind: StreamKind): Promise<OpenedPair> {
  const [a, b] = memoryStreamPair({ kind });
  return Promise.resolve({ a, b, close: () => a.reset() });
}

byteStreamConformance({
  name: 'memory',
  open: () => open('stream'),
  openDatagram: () => open('datagram'),
});
