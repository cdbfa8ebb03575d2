/** The flow room between an in-memory device and a listener without a kernel; time is turned by hand. */
import { silentLog } from '../../main/base/log.ts';
import { memoryStreamPair } from './memory-stream.ts';
import type { Admission, FlowRequest } from '../../main/base/flow.ts';
import type { ByteStream } from '../../main/base/stream.ts';
import { openFlows } from '../../main/net/flow/flows.ts';
import type { Flows, FlowsDeps } from '../../main/net/flow/flows.ts';
import type { AcceptedConnection } from '../../main/net/flow/listener.ts';
import { MemoryDevice } from '../../main/net/tun/memory-device.ts';
import { ManualClock } from './manual-clock.ts';
import { tell } from './packets.ts';
import type { Told } from './packets.ts';

/** One question to the corridor, to be answered by the test. */
export interface Asked {
  readonly request: FlowRequest;
  readonly signal: AbortSignal;
  answer(admission: Admission): Promise<void>;
  /** Answer with a dial that succeeded. */
  dial(): Promise<Dialled>;
}

export interface Dialled {
  readonly joined: ByteStream[];
  abandoned: boolean;
}

export class FlowWorld implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly written: Uint8Array[] = [];
  readonly device = new MemoryDevice(this.clock, (packet) => this.written.push(packet));
  readonly asked: Asked[] = [];
  readonly resolved: string[] = [];
  readonly listening: string[] = [];
  accept: (connection: AcceptedConnection) => void = () => undefined;
  flows: Flows | undefined;

  static async open(overrides: Partial<FlowsDeps> = {}): Promise<FlowWorld> {
    const world = new FlowWorld();
    const deps: FlowsDeps = {
      device: world.device,
      admit: (request, { signal }) =>
        new Promise((resolve) => {
          const answer = async (admission: Admission): Promise<void> => {
            resolve(admission);
            await settled();
          };
          world.asked.push({
            request,
            signal,
            answer,
            dial: async () => {
              const dialled: Dialled = { joined: [], abandoned: false };
              await answer({
                kind: 'dialled',
                join: (local) => dialled.joined.push(local),
                abandon: () => {
                  dialled.abandoned = true;
                },
              });
              return dialled;
            },
          });
        }),
      isReachable: ({ hostname }) => Promise.resolve(hostname === 'echo.dark'),
      nameOf: (address) => (address.endsWith('3.9') || address.endsWith('3:9') ? 'echo.dark' : undefined),
      resolve: (query) => {
        world.resolved.push(new TextDecoder().decode(query));
        return Promise.resolve(new TextEncoder().encode('answer'));
      },
      isLocal: (address) => address === '100.64.0.1' || address === 'fd00::1',
      failed: () => undefined,
      addresses: {
        4: { device: '100.64.0.1', nat: ['100.64.0.16'], resolver: '100.64.0.2' },
        6: { device: 'fd00::1', nat: ['fd00::10'], resolver: 'fd00::2' },
      },
      openListener: (address, accept) => {
        world.listening.push(address);
        world.accept = accept;
        return Promise.resolve({ address, port: 3333, [Symbol.asyncDispose]: () => Promise.resolve() });
      },
      clock: world.clock,
      log: silentLog,
      ...overrides,
    };
    world.flows = await openFlows(deps, { signal: new AbortController().signal });
    return world;
  }

  /** The host sends a packet; what came back at once. */
  send(packet: Uint8Array): readonly Told[] {
    const before = this.written.length;
    this.device.fromHost(packet);
    return this.written.slice(before).map(tell);
  }

  /** Everything the device handed to the host since the last call. */
  take(): readonly Told[] {
    return this.written.splice(0).map(tell);
  }

  /** The kernel completes a released flow: the listener sees a connection from this end. */
  connect(remoteAddress: string, remotePort: number): { rejected: boolean; opened: boolean; close(): void } {
    let closed: () => void = () => undefined;
    const seen = { rejected: false, opened: false, close: () => closed() };
    this.accept({
      remoteAddress,
      remotePort,
      open: (onClosed) => {
        seen.opened = true;
        closed = onClosed;
        return memoryStreamPair()[0];
      },
      reject: () => {
        seen.rejected = true;
      },
    });
    return seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flows?.[Symbol.asyncDispose]();
    await this.device[Symbol.asyncDispose]();
  }
}

/** Let promises run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
