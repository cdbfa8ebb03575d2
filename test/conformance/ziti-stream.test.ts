import { systemClock } from '../../main/base/clock.ts';
import { linkedStreams, type LinkedStreamsOptions } from '../support/wire-link.ts';
import { byteStreamConformance, type OpenedPair } from './byte-stream.ts';

function open(options: Omit<LinkedStreamsOptions, 'clock'>, dialler: 'a' | 'b' = 'a'): Promise<OpenedPair> {
  const { near, far } = linkedStreams({ clock: systemClock, ...options });
  const close = (): void => {
    near.reset();
    far.reset();
  };
  return Promise.resolve(dialler === 'a' ? { a: near, b: far, close } : { a: far, b: near, close });
}

byteStreamConformance({
  name: 'a Ziti stream, encrypted',
  open: () => open({}),
  openDatagram: () => open({ kind: 'datagram' }),
});

byteStreamConformance({
  name: 'a Ziti stream, clear, seen from its host',
  open: () => open({ encrypted: false }, 'b'),
  openDatagram: () => open({ encrypted: false, kind: 'datagram' }, 'b'),
});
