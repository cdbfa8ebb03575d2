/** Who connected to a loopback place of the engine's own, found by its socket as the owner of any flow is. */
import type { Socket } from 'node:net';
import type { App, AppFinder } from '../../apps/app.ts';
import type { FlowRequest } from '../../base/flow.ts';
import { canonicalAddress } from '../../base/ip.ts';

/** The flow it stands for; which service is wanted is said later. */
export type CallerFlow = Omit<FlowRequest, 'service'>;

/** The program at the other end, and its connection as a flow. */
export interface LoopbackCaller {
  readonly app: App;
  readonly flow: CallerFlow;
}

/** Ask while the socket is new: later its port may be somebody else's. Never rejects. */
export async function loopbackCaller(
  socket: Socket,
  entry: 'mcp' | 'forward',
  apps: Pick<AppFinder, 'find'>,
): Promise<LoopbackCaller> {
  const end = (address: string | undefined, port: number | undefined): FlowRequest['source'] => ({
    address: canonicalAddress(address ?? '') ?? '',
    port: port ?? 0,
  });
  const via = end(socket.localAddress, socket.localPort);
  const source = end(socket.remoteAddress, socket.remotePort);
  const flow = { entry, protocol: 'tcp', source, via, destination: via } as const;
  return { app: await apps.find(flow), flow };
}
