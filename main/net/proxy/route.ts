/** From a request to somewhere to send bytes: the corridor's answer, or straight on where that is allowed. */
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Admit, FlowRequest } from '../../base/flow.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { ByteStream } from '../../base/stream.ts';
import { connectTcp } from '../../sockets/connect-tcp.ts';
import { connectUdp } from '../../sockets/connect-udp.ts';
import { tcpStream } from '../../sockets/tcp-stream.ts';
import { refusalOf } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import { splice } from './splice.ts';

/** Time a direct connection may take. */
const directTimeoutMs = 15_000;

/** Who lets in, and whether what no service claims may go straight on. */
export interface RouteDeps {
  readonly admit: Admit;
  readonly clock: Clock;
  readonly log: Log;
  /** Destinations that are none of ours are connected directly; else they are refused with the reason. */
  readonly passThrough: boolean;
}

/** An answered request. An open one is followed by exactly one of `join` and `abandon`. */
export type Route =
  { readonly kind: 'open'; join(local: ByteStream): void; abandon(): void } | ({ readonly kind: 'refused' } & Refusal);

/** Ask the corridor, and go direct where it passes and that is allowed. Never rejects. `signal`: the client went away. */
export async function openRoute(deps: RouteDeps, request: FlowRequest, signal: AbortSignal): Promise<Route> {
  try {
    const admission = await deps.admit(request, { signal });
    if (admission.kind === 'refused') return admission;
    if (admission.kind === 'pass') {
      if (!deps.passThrough) return { kind: 'refused', reason: admission.reason, answer: 'prohibited' };
      return direct(await connectDirect(deps, request, signal));
    }
    if (!signal.aborted) {
      return { kind: 'open', join: (local) => admission.join(local), abandon: () => admission.abandon() };
    }
    admission.abandon();
    return { kind: 'refused', ...refusalOf(new TunnelerError('base.cancelled', 'the client went away')) };
  } catch (error) {
    const failure = toTunnelerError(error);
    if (failure.code === 'base.internal') deps.log.error('proxy.admit_failed', { error: failure.message });
    return { kind: 'refused', ...refusalOf(failure) };
  }
}

function direct(remote: ByteStream): Route {
  return { kind: 'open', join: (local) => splice(local, remote), abandon: () => remote.reset() };
}

async function connectDirect(deps: RouteDeps, request: FlowRequest, signal: AbortSignal): Promise<ByteStream> {
  const { destination } = request;
  const host = destination.hostname ?? destination.address ?? '';
  if (request.protocol === 'udp') return connectUdp({ host, port: destination.port, signal });
  const target = { host, port: destination.port, timeoutMs: directTimeoutMs, clock: deps.clock, signal };
  return tcpStream(await connectTcp(target));
}
