/**
 * UDP through the TUN: one association for each pair of ends, one datagram a chunk. The first datagrams wait in a bounded queue for the dial;
 * an association ends when nothing has moved for a while.
 */
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { Admission, Admit, FlowRequest, RefusalAnswer } from '../../base/flow.ts';
import { addressFromBytes } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import { DatagramFlow } from '../../sockets/datagram-flow.ts';
import { udpPacket, unreachableFor } from '../packet/build.ts';
import type { PacketEnd } from '../packet/build.ts';
import { destinationBytes, endsKey, sourceBytes } from '../packet/view.ts';
import type { IpView, UdpView } from '../packet/view.ts';
import type { TunDevice } from '../tun/device.ts';

/** Associations at a time; a further one takes the place of the one that has been quiet longest. */
const maxAssociations = 4096;
/** Datagrams that wait for the dial or for a slow reader; more are dropped, as a socket's receive buffer would. */
const queueDatagrams = 64;
/** A refused pair of ends is not asked about again for so long; each datagram still gets its ICMP answer. */
const refusalMs = 1_000;
/** Header and payload at most (RFC 768). */
const maxPayloadBytes = 65_507;

/** The device, and where flows go. */
export interface UdpFlowsDeps {
  readonly device: TunDevice;
  readonly admit: Admit;
  nameOf(address: string): string | undefined;
  /** RFC 4787 section 4.3 asks for no less than two minutes towards the Internet; peers here take 30 s to 5 min. */
  readonly idleMs: number;
  readonly clock: Clock;
  readonly log: Log;
  count(reason: string): void;
}

interface Association {
  readonly key: string;
  readonly flow: DatagramFlow;
  readonly abort: AbortController;
  seenMs: number;
  joined: boolean;
  /** Set where the corridor refused it, until `refusedUntilMs`. */
  refusal: RefusalAnswer | undefined;
  refusedUntilMs: number;
}

/** The UDP associations of one device. */
export class UdpFlows {
  readonly #deps: UdpFlowsDeps;
  readonly #associations = new Map<string, Association>();
  #closed = false;

  constructor(deps: UdpFlowsDeps) {
    this.#deps = deps;
  }

  datagram(packet: Uint8Array, ip: IpView, udp: UdpView): void {
    if (this.#closed) return;
    const nowMs = this.#deps.clock.monotonic();
    const key = endsKey(packet, ip);
    let association = this.#associations.get(key);
    if (association?.refusal !== undefined) {
      if (nowMs < association.refusedUntilMs) return this.#answer(packet, ip, association.refusal);
      this.#associations.delete(key);
      association = undefined;
    }
    association ??= this.#begin(key, packet, ip, udp);
    association.seenMs = nowMs;
    if (!association.flow.deliver(packet.slice(udp.payload, udp.end))) this.#deps.count('datagramDropped');
  }

  #begin(key: string, packet: Uint8Array, ip: IpView, udp: UdpView): Association {
    if (this.#associations.size >= maxAssociations) this.#evict();
    const application: PacketEnd = { address: sourceBytes(packet, ip).slice(), port: udp.sourcePort };
    const service: PacketEnd = { address: destinationBytes(packet, ip).slice(), port: udp.destinationPort };
    // An ICMP answer quotes the packet's beginning.
    const quoted = packet.slice(0, Math.min(ip.end, 1280));
    const flow = new DatagramFlow(
      {
        send: (datagram) => {
          association.seenMs = this.#deps.clock.monotonic();
          if (datagram.length > maxPayloadBytes) this.#deps.count('datagramOversize');
          else this.#deps.device.write([udpPacket(service, application, datagram)]);
          return true;
        },
        closed: () => this.#ended(association),
      },
      queueDatagrams,
    );
    const association: Association = {
      key,
      flow,
      abort: new AbortController(),
      seenMs: this.#deps.clock.monotonic(),
      joined: false,
      refusal: undefined,
      refusedUntilMs: 0,
    };
    this.#associations.set(key, association);
    this.#deps.admit(requestOf(application, service, this.#deps.nameOf), { signal: association.abort.signal }).then(
      (admission) => this.#admitted(association, admission, quoted, ip),
      (error: unknown) => {
        if (association.flow.isClosed) return;
        this.#deps.log.error('flow.admit_failed', { error });
        this.#refused(association, 'reset', quoted, ip);
      },
    );
    return association;
  }

  #admitted(association: Association, admission: Admission, quoted: Uint8Array, ip: IpView): void {
    if (association.flow.isClosed) {
      if (admission.kind === 'dialled') admission.abandon();
    } else if (admission.kind === 'dialled') {
      association.joined = true;
      admission.join(association.flow);
    } else this.#refused(association, admission.kind === 'refused' ? admission.answer : 'reset', quoted, ip);
  }

  #refused(association: Association, answer: RefusalAnswer, quoted: Uint8Array, ip: IpView): void {
    this.#deps.count(`refused.${answer}`);
    association.refusal = answer;
    association.refusedUntilMs = this.#deps.clock.monotonic() + refusalMs;
    association.flow.close();
    this.#answer(quoted, ip, answer);
  }

  #answer(packet: Uint8Array, ip: IpView, answer: RefusalAnswer): void {
    const kind = answer === 'reset' ? 'port' : answer === 'prohibited' ? 'prohibited' : 'host';
    this.#deps.device.write([unreachableFor(packet, ip, kind)]);
  }

  #ended(association: Association): void {
    // A refused one stays to remember the refusal.
    if (association.refusal !== undefined) return;
    if (this.#associations.get(association.key) === association) this.#associations.delete(association.key);
    if (!association.joined) association.abort.abort();
  }

  #evict(): void {
    let oldest: Association | undefined;
    for (const association of this.#associations.values()) {
      if (oldest === undefined || association.seenMs < oldest.seenMs) oldest = association;
    }
    if (oldest === undefined) return;
    this.#deps.count('associationEvicted');
    this.#associations.delete(oldest.key);
    oldest.flow.close();
  }

  /** End what has been idle; call every few seconds. */
  sweep(): void {
    const nowMs = this.#deps.clock.monotonic();
    for (const association of [...this.#associations.values()]) {
      if (association.refusal !== undefined) {
        if (nowMs >= association.refusedUntilMs) this.#associations.delete(association.key);
      } else if (nowMs - association.seenMs >= this.#deps.idleMs) association.flow.close();
    }
  }

  count(): number {
    return this.#associations.size;
  }

  /** End every association; what comes later is dropped. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const association of [...this.#associations.values()]) association.flow.reset();
    this.#associations.clear();
  }
}

function requestOf(
  application: PacketEnd,
  service: PacketEnd,
  nameOf: (address: string) => string | undefined,
): FlowRequest {
  const address = addressFromBytes(service.address);
  const hostname = nameOf(address);
  return {
    entry: 'tun',
    protocol: 'udp',
    source: { address: addressFromBytes(application.address), port: application.port },
    destination: defined({ hostname, address, port: service.port }),
  };
}
