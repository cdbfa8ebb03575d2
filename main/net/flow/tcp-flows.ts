/**
 * TCP through the TUN. A flow's first SYN is held here until the corridor has admitted it and the service's dial has succeeded; only then is
 * it let through to the kernel's listener, so that an application never sees a connection that the service did not accept.
 *
 * In the order a flow lives: `segment` → `#begin` (held) → `#admitted` → `#release` (released) → `accept` (open) → `#retire` → `sweep`.
 */
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Admission, Admit, FlowRequest, RefusalAnswer } from '../../base/flow.ts';
import { addressBytes, addressFromBytes } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import { resetFor, unreachableFor } from '../packet/build.ts';
import type { PacketEnd, PacketEnds } from '../packet/build.ts';
import { rewriteTcp } from '../packet/rewrite.ts';
import { destinationBytes, endsKey, sourceBytes, tcpFlag } from '../packet/view.ts';
import type { IpView, TcpView } from '../packet/view.ts';
import type { TunDevice } from '../tun/device.ts';
import type { AcceptedConnection } from './listener.ts';
import type { NatEnd, NatPorts } from './nat-ports.ts';

/** Held SYNs at a time; more are dropped, and their senders try again by themselves. */
const maxHeld = 8192;
/** A released SYN reaches a listener within the same machine; one that has not by then has no application any more. */
const acceptTimeoutMs = 10_000;
/** A timer later than this: this process stood still, and with it the taking of connections. */
const stoodStillMs = 1_000;

/** How one address family reaches the kernel: flows are dealt out to its listeners in turn. */
export interface TcpFamily {
  readonly listeners: readonly PacketEnd[];
  readonly nat: NatPorts;
}

/** Connections of one listener, taken first come, first served. */
interface AcceptQueue {
  readonly end: PacketEnd;
  /** When the one taken last was taken, and when it had been released. */
  takenMs: number;
  takenReleasedMs: number;
}

/** The device, its listeners, and where flows go. */
export interface TcpFlowsDeps {
  readonly device: TunDevice;
  readonly admit: Admit;
  /** The name the resolver gave this address out for. */
  nameOf(address: string): string | undefined;
  readonly families: { readonly 4?: TcpFamily; readonly 6?: TcpFamily };
  readonly clock: Clock;
  readonly log: Log;
  count(reason: string): void;
}

/** What is known of a flow while it is being opened, and not kept of one that is open. */
interface Opening {
  readonly syn: Uint8Array;
  readonly ip: IpView;
  readonly tcp: TcpView;
  readonly abort: AbortController;
  admission?: Extract<Admission, { kind: 'dialled' }>;
  queue?: AcceptQueue;
  releasedMs: number;
  timer?: Disposable;
}

interface Flow {
  readonly id: number;
  readonly key: string;
  /** Of its SYN. */
  readonly sequence: number;
  state: 'held' | 'released' | 'open' | 'retired';
  opening: Opening | undefined;
  end?: NatEnd;
}

/** The TCP flows of one device. */
export class TcpFlows {
  readonly #deps: TcpFlowsDeps;
  readonly #byKey = new Map<string, Flow>();
  readonly #byEnd = new Map<string, Flow>();
  readonly #byId = new Map<number, Flow>();
  readonly #queues: { readonly 4: readonly AcceptQueue[]; readonly 6: readonly AcceptQueue[] };
  #nextId = 1;
  #held = 0;
  #closed = false;

  constructor(deps: TcpFlowsDeps) {
    this.#deps = deps;
    const queues = (family?: TcpFamily): readonly AcceptQueue[] =>
      (family?.listeners ?? []).map((end) => ({ end, takenMs: -Infinity, takenReleasedMs: -Infinity }));
    this.#queues = { 4: queues(deps.families[4]), 6: queues(deps.families[6]) };
  }

  /** A segment the device did not rewrite by itself. */
  segment(packet: Uint8Array, ip: IpView, tcp: TcpView): void {
    const known = this.#byKey.get(endsKey(packet, ip));
    if ((tcp.flags & (tcpFlag.syn | tcpFlag.ack | tcpFlag.rst)) === tcpFlag.syn) {
      if (known !== undefined && known.sequence === tcp.sequence) return this.#deps.count('synRepeated');
      // The application has given the old connection up, whatever we think of it.
      if (known !== undefined) this.#forget(known, 'reset');
      return this.#begin(packet, ip, tcp);
    }
    if ((tcp.flags & tcpFlag.rst) !== 0) {
      if (known?.state === 'held') this.#forget(known, 'quiet');
      return;
    }
    this.#deps.count('strayReset');
    const reply = resetFor(packet, ip, tcp);
    if (reply !== undefined) this.#deps.device.write([reply]);
  }

  #begin(packet: Uint8Array, ip: IpView, tcp: TcpView): void {
    if (this.#closed || this.#held >= maxHeld) return this.#deps.count('synDropped');
    const key = endsKey(packet, ip);
    const opening = { syn: packet.slice(0, ip.end), ip, tcp, abort: new AbortController(), releasedMs: 0 };
    const flow: Flow = { id: this.#nextId, key, sequence: tcp.sequence, state: 'held', opening };
    this.#nextId = this.#nextId === 0xffffffff ? 1 : this.#nextId + 1;
    this.#byKey.set(key, flow);
    this.#held += 1;
    this.#deps.admit(this.#requestOf(opening), { signal: opening.abort.signal }).then(
      (admission) => this.#admitted(flow, opening, admission),
      (error: unknown) => {
        // Admit never rejects for an expected outcome; an aborted one may end however it likes.
        if (flow.state !== 'held') return;
        this.#deps.log.error('flow.admit_failed', { error });
        this.#refuse(flow, 'reset');
      },
    );
  }

  #requestOf({ syn, ip, tcp }: Opening): FlowRequest {
    const address = addressFromBytes(destinationBytes(syn, ip));
    const hostname = this.#deps.nameOf(address);
    return {
      entry: 'tun',
      protocol: 'tcp',
      source: { address: addressFromBytes(sourceBytes(syn, ip)), port: tcp.sourcePort },
      destination: defined({ hostname, address, port: tcp.destinationPort }),
    };
  }

  #admitted(flow: Flow, opening: Opening, admission: Admission): void {
    if (flow.state !== 'held') {
      if (admission.kind === 'dialled') admission.abandon();
      return;
    }
    if (admission.kind === 'refused') return this.#refuse(flow, admission.answer);
    // There is no way past the TUN: the route to it is the only one.
    if (admission.kind === 'pass') return this.#refuse(flow, 'reset');
    opening.admission = admission;
    this.#release(flow, opening, admission);
  }

  #refuse(flow: Flow, answer: RefusalAnswer): void {
    this.#deps.count(`refused.${answer}`);
    this.#forget(flow, answer);
  }

  #release(flow: Flow, opening: Opening, admission: Extract<Admission, { kind: 'dialled' }>): void {
    const { ip, tcp } = opening;
    const family = this.#deps.families[ip.version];
    const end = family?.nat.take();
    const queues = this.#queues[ip.version];
    const queue = queues[flow.id % queues.length];
    if (queue === undefined || end === undefined) {
      this.#deps.count('natExhausted');
      this.#deps.log.warn('flow.nat_exhausted', { family: ip.version });
      admission.abandon();
      return this.#forget(flow, 'reset');
    }
    flow.end = end;
    opening.queue = queue;
    const listener: PacketEnds = { source: end, destination: queue.end };
    const application: PacketEnds = {
      source: { address: sourceBytes(opening.syn, ip), port: tcp.sourcePort },
      destination: { address: destinationBytes(opening.syn, ip), port: tcp.destinationPort },
    };
    const syn = opening.syn.slice();
    if (!this.#deps.device.addFlow(flow.id, application, listener, flow.sequence) || !rewriteTcp(syn, ip, listener)) {
      this.#deps.count('addFailed');
      admission.abandon();
      return this.#forget(flow, 'reset');
    }
    this.#held -= 1;
    flow.state = 'released';
    this.#byId.set(flow.id, flow);
    this.#byEnd.set(endText(addressFromBytes(end.address), end.port), flow);
    opening.releasedMs = this.#deps.clock.monotonic();
    this.#awaitAccept(flow, opening, queue);
    this.#deps.device.write([syn]);
  }

  #awaitAccept(flow: Flow, opening: Opening, queue: AcceptQueue): void {
    const { clock } = this.#deps;
    const sinceMs = clock.monotonic();
    opening.timer = clock.after(acceptTimeoutMs, () => {
      const stoodStill = clock.monotonic() - sinceMs > acceptTimeoutMs + stoodStillMs;
      // A busy engine is behind with taking connections whose handshake the kernel completed long ago: the application is there.
      const behind = queue.takenMs > sinceMs && queue.takenReleasedMs < opening.releasedMs + acceptTimeoutMs;
      if (stoodStill || behind) return this.#awaitAccept(flow, opening, queue);
      this.#deps.count('acceptTimeout');
      this.#forget(flow, 'reset');
    });
  }

  /** A connection reached a listener. Only a flow released a moment ago may have made it; all else is reset. */
  accept(connection: AcceptedConnection): void {
    const flow = this.#byEnd.get(endText(connection.remoteAddress, connection.remotePort));
    const opening = flow?.opening;
    if (flow?.state !== 'released' || opening?.admission === undefined || this.#closed) {
      this.#deps.count('strangerReset');
      connection.reject();
      return;
    }
    const { admission, queue } = opening;
    opening.timer?.[Symbol.dispose]();
    flow.state = 'open';
    flow.opening = undefined;
    if (queue !== undefined) {
      queue.takenMs = this.#deps.clock.monotonic();
      queue.takenReleasedMs = opening.releasedMs;
    }
    admission.join(connection.open(() => this.#retire(flow)));
  }

  #retire(flow: Flow): void {
    if (flow.state !== 'open') return;
    flow.state = 'retired';
    this.#deps.device.retireFlow(flow.id);
  }

  /** Give back what has ended; call every second or so. */
  sweep(): void {
    for (const id of this.#deps.device.sweep()) {
      const flow = this.#byId.get(id);
      if (flow !== undefined) this.#drop(flow);
    }
  }

  /** End a flow and tell its application: reset, an ICMP error, or nothing. */
  #forget(flow: Flow, answer: RefusalAnswer | 'quiet'): void {
    const { state, opening } = flow;
    if (state === 'held') this.#held -= 1;
    flow.state = 'retired';
    this.#drop(flow);
    opening?.abort.abort(new TunnelerError('base.cancelled', 'the application gave the connection up'));
    if (state === 'released') opening?.admission?.abandon();
    if (opening === undefined || state !== 'held') return this.#deps.device.resetFlow(flow.id);
    const { syn, ip, tcp } = opening;
    if (answer === 'quiet') return;
    const reply =
      answer === 'reset'
        ? resetFor(syn, ip, tcp)
        : unreachableFor(syn, ip, answer === 'prohibited' ? 'prohibited' : 'host');
    if (reply !== undefined) this.#deps.device.write([reply]);
  }

  #drop(flow: Flow): void {
    flow.opening?.timer?.[Symbol.dispose]();
    if (this.#byKey.get(flow.key) === flow) this.#byKey.delete(flow.key);
    this.#byId.delete(flow.id);
    if (flow.end === undefined) return;
    const { address, port } = flow.end;
    const family = this.#deps.families[address.length === 4 ? 4 : 6];
    this.#byEnd.delete(endText(addressFromBytes(address), port));
    family?.nat.give(flow.end);
    delete flow.end;
  }

  counts(): { readonly held: number; readonly flows: number } {
    return { held: this.#held, flows: this.#byId.size };
  }

  /** Reset every flow, held ones too; what comes later is dropped. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const flow of [...this.#byKey.values(), ...this.#byId.values()]) this.#forget(flow, 'reset');
  }
}

function endText(address: string, port: number): string {
  return `${address}|${port}`;
}

/** A listener's or resolver's end from text. Throws `base.internal` where the address is none. */
export function packetEnd(address: string, port: number): PacketEnd {
  const bytes = addressBytes(address);
  if (bytes === undefined) throw new TunnelerError('base.internal', `not an IP address: ${address}`);
  return { address: bytes, port };
}
