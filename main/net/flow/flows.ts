/**
 * Packets ↔ streams: what the device does not rewrite by itself arrives here, is told apart, and becomes a question to the resolver, a held
 * SYN, a UDP association or an echo reply. All else is dropped and counted.
 */
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { Admit, Destination } from '../../base/flow.ts';
import { addressFromBytes, canonicalAddress } from '../../base/ip.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { echoReplyFor, isEchoRequest, udpPacket, unreachableFor } from '../packet/build.ts';
import type { PacketEnd, UnreachableKind } from '../packet/build.ts';
import { destinationBytes, protocolTcp, protocolUdp, sourceBytes, viewIp, viewTcp, viewUdp } from '../packet/view.ts';
import type { IpView, UdpView } from '../packet/view.ts';
import type { TunDevice } from '../tun/device.ts';
import { kernelListener } from './listener.ts';
import type { AcceptedConnection, OpenListener } from './listener.ts';
import { NatPorts } from './nat-ports.ts';
import { TcpFlows, packetEnd } from './tcp-flows.ts';
import type { TcpFamily } from './tcp-flows.ts';
import { UdpFlows } from './udp-flows.ts';

/** RFC 1035 section 4.2. */
const dnsPort = 53;
const sweepPeriodMs = 1_000;
/**
 * A listener takes one connection each turn of the event loop (libuv: src/unix/stream.c, uv__server_io); a busy turn lasts long, and what waits
 * is connected as its application sees it.
 */
const listenersPerFamily = 16;
const defaultUdpIdleMs = 60_000;
/** ICMP errors we send of our own accord in a second (RFC 1812 section 4.3.2.8 asks for a limit). */
const errorsPerSecond = 200;
/** Echo requests whose answer is being found out; more are dropped. */
const maxEchoes = 256;

/** One address family of the interface. */
export interface FlowAddresses {
  /** The interface's own address; the listener stands on it. */
  readonly device: string;
  /** Addresses of the interface's range that nobody has; flows reach the listener from these. */
  readonly nat: readonly string[];
  /** The resolver's address: in the range, nobody's own. */
  readonly resolver: string;
}

/** The device, and where flows and questions go. */
export interface FlowsDeps {
  readonly device: TunDevice;
  readonly admit: Admit;
  /** Whether the service behind an address can be reached now; decides on an echo reply. */
  isReachable(destination: Destination): Promise<boolean>;
  nameOf(address: string): string | undefined;
  /** Answer one DNS query that came to the resolver's address; undefined: no answer. Never rejects. */
  resolve(query: Uint8Array, source: string): Promise<Uint8Array | undefined>;
  /** Whether an address is one of this host's own. Packets from elsewhere, forwarded to us, are refused. */
  isLocal(address: string): boolean;
  readonly addresses: { readonly 4?: FlowAddresses; readonly 6?: FlowAddresses };
  readonly udpIdleMs?: number;
  /** The device can no longer be used. */
  failed(reason: string): void;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: the kernel's. */
  readonly openListener?: OpenListener;
}

/** All flows of one device; disposing ends them. */
export interface Flows extends AsyncDisposable {
  counts(): { readonly held: number; readonly tcp: number; readonly udp: number };
  /** What was dropped, refused or answered, by reason. */
  stats(): Readonly<Record<string, number>>;
}

/**
 * Start carrying flows; the device must be up with its addresses. The device stays the caller's and is closed after this. Closing resets every
 * flow. Throws `net.listen_failed`.
 */
export async function openFlows(deps: FlowsDeps, options: { readonly signal: AbortSignal }): Promise<Flows> {
  options.signal.throwIfAborted();
  const stack = new DisposalStack();
  try {
    const router = new PacketRouter(
      deps,
      await openFamilies(deps, stack, (connection) => router.tcp.accept(connection)),
    );
    stack.defer(() => router.close());
    stack.use(deps.clock.every(sweepPeriodMs, () => router.sweep()));
    deps.device.start({
      packets: (batch) => router.packets(batch),
      failed: (reason) => deps.failed(reason),
    });
    return {
      counts: () => ({ held: router.tcp.counts().held, tcp: router.tcp.counts().flows, udp: router.udp.count() }),
      stats: () => ({ ...router.counters }),
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function openFamilies(
  deps: FlowsDeps,
  stack: DisposalStack,
  accept: (connection: AcceptedConnection) => void,
): Promise<{ 4?: TcpFamily; 6?: TcpFamily }> {
  const families: { 4?: TcpFamily; 6?: TcpFamily } = {};
  for (const family of [4, 6] as const) {
    const addresses = deps.addresses[family];
    if (addresses === undefined) continue;
    const listeners: PacketEnd[] = [];
    while (listeners.length < listenersPerFamily) {
      const listener = stack.use(
        await (deps.openListener ?? kernelListener(deps.device.name))(addresses.device, accept),
      );
      listeners.push(packetEnd(addresses.device, listener.port));
    }
    families[family] = {
      listeners,
      nat: new NatPorts(
        addresses.nat.map((address) => packetEnd(address, 0).address),
        deps.clock,
      ),
    };
  }
  return families;
}

class PacketRouter {
  readonly tcp: TcpFlows;
  readonly udp: UdpFlows;
  readonly counters: Record<string, number> = {};
  readonly #deps: FlowsDeps;
  readonly #resolvers: ReadonlySet<string>;
  #lastLocal: Uint8Array | undefined;
  #echoes = 0;
  #errorsLeft = errorsPerSecond;

  constructor(deps: FlowsDeps, families: { 4?: TcpFamily; 6?: TcpFamily }) {
    this.#deps = deps;
    this.#resolvers = new Set(
      [deps.addresses[4], deps.addresses[6]].flatMap((family) => canonicalAddress(family?.resolver ?? '') ?? []),
    );
    const count = (reason: string): void => this.#count(reason);
    this.tcp = new TcpFlows({ ...deps, nameOf: (address) => deps.nameOf(address), families, count });
    this.udp = new UdpFlows({
      ...deps,
      nameOf: (address) => deps.nameOf(address),
      idleMs: deps.udpIdleMs ?? defaultUdpIdleMs,
      count,
    });
  }

  packets(batch: readonly Uint8Array[]): void {
    for (const packet of batch) this.#packet(packet);
  }

  #packet(packet: Uint8Array): void {
    const ip = viewIp(packet);
    if (typeof ip === 'string') return this.#count(`dropped.${ip}`);
    if (isGroup(destinationBytes(packet, ip))) return this.#count('dropped.group');
    if (!this.#isLocal(sourceBytes(packet, ip))) {
      this.#count('dropped.foreign');
      return this.#answer(packet, ip, 'prohibited');
    }
    if (ip.protocol === protocolTcp) {
      const tcp = viewTcp(packet, ip);
      if (typeof tcp === 'string') this.#count(`dropped.${tcp}`);
      else this.tcp.segment(packet, ip, tcp);
    } else if (ip.protocol === protocolUdp) {
      const udp = viewUdp(packet, ip);
      if (typeof udp === 'string') this.#count(`dropped.${udp}`);
      else this.#datagram(packet, ip, udp);
    } else if (isEchoRequest(packet, ip)) this.#echo(packet, ip);
    else this.#count('dropped.protocol');
  }

  /** Most packets come from where the last one came from; that is not asked again for a while. */
  #isLocal(source: Uint8Array): boolean {
    const last = this.#lastLocal;
    if (last?.length === source.length && source.every((byte, index) => byte === last[index])) return true;
    const local = this.#deps.isLocal(addressFromBytes(source));
    if (local) this.#lastLocal = source.slice();
    return local;
  }

  #datagram(packet: Uint8Array, ip: IpView, udp: UdpView): void {
    const destination = destinationBytes(packet, ip);
    if (udp.destinationPort !== dnsPort || !this.#resolvers.has(addressFromBytes(destination))) {
      return this.udp.datagram(packet, ip, udp);
    }
    const source = sourceBytes(packet, ip);
    const from = { address: destination, port: dnsPort };
    const to = { address: source, port: udp.sourcePort };
    void this.#deps.resolve(packet.slice(udp.payload, udp.end), addressFromBytes(source)).then((answer) => {
      if (answer !== undefined) this.#deps.device.write([udpPacket(from, to, answer)]);
    });
  }

  #echo(packet: Uint8Array, ip: IpView): void {
    if (this.#echoes >= maxEchoes) return this.#count('dropped.echo');
    const address = addressFromBytes(destinationBytes(packet, ip));
    const hostname = this.#deps.nameOf(address);
    const reachable = this.#resolvers.has(address)
      ? Promise.resolve(true)
      : this.#deps.isReachable(defined({ hostname, address, port: 0 }));
    this.#echoes += 1;
    void reachable
      .catch((error: unknown) => {
        this.#deps.log.error('flow.reachability_failed', { error });
        return false;
      })
      .then((yes) => {
        this.#echoes -= 1;
        if (yes) this.#deps.device.write([echoReplyFor(packet, ip)]);
        else this.#answer(packet, ip, 'host');
      });
  }

  #answer(packet: Uint8Array, ip: IpView, kind: UnreachableKind): void {
    if (this.#errorsLeft === 0) return this.#count('dropped.errorLimit');
    this.#errorsLeft -= 1;
    this.#deps.device.write([unreachableFor(packet, ip, kind)]);
  }

  #count(reason: string): void {
    this.counters[reason] = (this.counters[reason] ?? 0) + 1;
  }

  sweep(): void {
    this.#errorsLeft = errorsPerSecond;
    this.#lastLocal = undefined;
    this.tcp.sweep();
    this.udp.sweep();
  }

  close(): void {
    this.tcp.close();
    this.udp.close();
  }
}

/** Multicast or limited broadcast: RFC 5771, RFC 919, RFC 4291 section 2.7. */
function isGroup(address: Uint8Array): boolean {
  const first = address[0] ?? 0;
  return address.length === 4 ? first >= 224 : first === 0xff;
}
