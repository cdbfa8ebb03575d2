/**
 * The device's flow table for the in-memory device: the same decisions as `native/src/table.rs`, in TypeScript.
 */
import { resetSegment } from '../packet/build.ts';
import type { PacketEnds } from '../packet/build.ts';
import { rewriteTcp } from '../packet/rewrite.ts';
import { endsKey, tcpFlag } from '../packet/view.ts';
import type { IpView, TcpView } from '../packet/view.ts';

/** See `native/src/table.rs` for each of these. */
const afterResetMs = 500;
const afterFinMs = 2_000;
const retiredIdleMs = 150_000;

interface Flow {
  readonly id: number;
  readonly application: PacketEnds;
  readonly listener: PacketEnds;
  readonly isn: number;
  applicationExpects: number | undefined;
  listenerExpects: number | undefined;
  applicationNext: number;
  finApplication: boolean;
  finListener: boolean;
  reset: boolean;
  retired: boolean;
  seenMs: number;
}

export class FlowRewriter {
  readonly #byId = new Map<number, Flow>();
  readonly #byApplication = new Map<string, Flow>();
  readonly #byListener = new Map<string, Flow>();

  get size(): number {
    return this.#byId.size;
  }

  add(id: number, application: PacketEnds, listener: PacketEnds, isn: number, nowMs: number): boolean {
    const [out, back] = [keyOf(application), keyOf(reversed(listener))];
    const size = application.source.address.length;
    const ends = [application.source, application.destination, listener.source, listener.destination];
    if (ends.some((end) => end.address.length !== size)) return false;
    if (this.#byId.has(id) || this.#byApplication.has(out) || this.#byListener.has(back)) return false;
    const flow: Flow = {
      id,
      application,
      listener,
      isn,
      applicationExpects: undefined,
      listenerExpects: undefined,
      applicationNext: (isn + 1) >>> 0,
      finApplication: false,
      finListener: false,
      reset: false,
      retired: false,
      seenMs: nowMs,
    };
    this.#byId.set(id, flow);
    this.#byApplication.set(out, flow);
    this.#byListener.set(back, flow);
    return true;
  }

  /** Rewrite the segment in place where a flow claims it; false where it must come up. */
  pass(packet: Uint8Array, ip: IpView, tcp: TcpView, nowMs: number): boolean {
    const key = endsKey(packet, ip);
    const out = this.#byApplication.get(key);
    const acknowledges = (tcp.flags & tcpFlag.ack) !== 0;
    if (out !== undefined) {
      if ((tcp.flags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn && tcp.sequence !== out.isn) return false;
      out.applicationNext = (tcp.sequence + tcp.span) >>> 0;
      if (acknowledges) out.applicationExpects = tcp.acknowledgment;
      out.finApplication ||= (tcp.flags & tcpFlag.fin) !== 0;
      return this.#note(out, tcp, nowMs) && rewriteTcp(packet, ip, out.listener);
    }
    const back = this.#byListener.get(key);
    if (back === undefined) return false;
    if (acknowledges) back.listenerExpects = tcp.acknowledgment;
    back.finListener ||= (tcp.flags & tcpFlag.fin) !== 0;
    return this.#note(back, tcp, nowMs) && rewriteTcp(packet, ip, reversed(back.application));
  }

  #note(flow: Flow, tcp: TcpView, nowMs: number): true {
    flow.seenMs = nowMs;
    flow.reset ||= (tcp.flags & tcpFlag.rst) !== 0;
    return true;
  }

  retire(id: number, nowMs: number): void {
    const flow = this.#byId.get(id);
    if (flow === undefined) return;
    flow.retired = true;
    flow.seenMs = nowMs;
  }

  /** Forget the flow; the packets that reset both its sides. */
  reset(id: number): Uint8Array[] {
    const flow = this.#remove(id);
    return flow === undefined || flow.reset ? [] : resetBoth(flow);
  }

  resetAll(): Uint8Array[] {
    return [...this.#byId.keys()].flatMap((id) => this.reset(id));
  }

  sweep(nowMs: number): { readonly ended: number[]; readonly packets: Uint8Array[] } {
    const ended: number[] = [];
    const packets: Uint8Array[] = [];
    for (const flow of [...this.#byId.values()]) {
      if (!flow.retired) continue;
      const idleMs = nowMs - flow.seenMs;
      const finished = flow.finApplication && flow.finListener;
      const over = (flow.reset && idleMs >= afterResetMs) || (finished && idleMs >= afterFinMs);
      if (!over && idleMs < retiredIdleMs) continue;
      this.#remove(flow.id);
      ended.push(flow.id);
      if (!over) packets.push(...resetBoth(flow));
    }
    return { ended, packets };
  }

  #remove(id: number): Flow | undefined {
    const flow = this.#byId.get(id);
    if (flow === undefined) return undefined;
    this.#byId.delete(id);
    this.#byApplication.delete(keyOf(flow.application));
    this.#byListener.delete(keyOf(reversed(flow.listener)));
    return flow;
  }
}

function reversed(ends: PacketEnds): PacketEnds {
  return { source: ends.destination, destination: ends.source };
}

/** The key `endsKey` finds in a packet with these ends. */
function keyOf(ends: PacketEnds): string {
  const bare = resetSegment(ends, 0, undefined);
  const version = ends.source.address.length === 4 ? 4 : 6;
  return endsKey(bare, { version, protocol: 6, offset: version === 4 ? 20 : 40, end: bare.length });
}

function resetBoth(flow: Flow): Uint8Array[] {
  const packets = [resetSegment(reversed(flow.application), flow.applicationExpects ?? 0, flow.applicationNext)];
  if (flow.listenerExpects !== undefined) packets.push(resetSegment(flow.listener, flow.listenerExpects, undefined));
  return packets;
}
