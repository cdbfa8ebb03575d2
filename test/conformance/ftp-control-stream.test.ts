import { ControlStream } from '../../main/hosting/ftp/control-stream.ts';
import { memoryStreamPair } from '../support/memory-stream.ts';
import { byteStreamConformance } from './byte-stream.ts';

byteStreamConformance({
  name: 'control connection of FTP',
  open: () => {
    const [a, b] = memoryStreamPair();
    const watched = new ControlStream(a, { command: () => 'pass', replied: () => undefined, closed: () => undefined });
    return Promise.resolve({ a: watched, b, close: () => a.reset() });
  },
});
