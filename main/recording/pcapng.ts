/**
 * A session's bytes as a capture that packet tools read: made-up IPv4 headers around what really flowed. Pure.
 * Source: IETF draft-ietf-opsawg-pcapng, sections 4.1 to 4.3; RFC 791, 9293 and 768 for the headers.
 */

/** Raw IP, without a link layer. Source: the registry of link types that pcapng refers to. */
const linkTypeRaw = 101;
/** Bytes of payload in one packet; a capture's readers expect no larger ones. */
const maxPayload = 16_384;
/** Addresses for documentation, RFC 5737: nobody's. */
const clientAddress = [192, 0, 2, 1] as const;
const serverAddress = [192, 0, 2, 2] as const;
const clientPort = 49_152;

const flags = { fin: 0x01, syn: 0x02, push: 0x08, ack: 0x10 } as const;

/** One session's packets, numbered as both ends would have. */
export class Capture {
  readonly #protocol: 'tcp' | 'udp';
  readonly #serverPort: number;
  /** Next sequence numbers, by who sends. */
  readonly #next = { client: 0, server: 0 };
  packets = 0;

  constructor(protocol: 'tcp' | 'udp', serverPort: number) {
    this.#protocol = protocol;
    this.#serverPort = serverPort;
  }

  /** What stands before the first packet; of TCP also the handshake, without which tools do not follow a stream. */
  begin(nowMs: number): readonly Uint8Array[] {
    const blocks = [sectionHeader(), interfaceDescription()];
    if (this.#protocol === 'udp') return blocks;
    return [
      ...blocks,
      this.#packet('client', flags.syn, new Uint8Array(0), nowMs),
      this.#packet('server', flags.syn | flags.ack, new Uint8Array(0), nowMs),
      this.#packet('client', flags.ack, new Uint8Array(0), nowMs),
    ];
  }

  passed(from: 'client' | 'server', bytes: Uint8Array, nowMs: number): readonly Uint8Array[] {
    const blocks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += maxPayload) {
      blocks.push(this.#packet(from, flags.push | flags.ack, bytes.subarray(at, at + maxPayload), nowMs));
    }
    return blocks;
  }

  end(nowMs: number): readonly Uint8Array[] {
    if (this.#protocol === 'udp') return [];
    return [this.#packet('client', flags.fin | flags.ack, new Uint8Array(0), nowMs)];
  }

  #packet(from: 'client' | 'server', bits: number, payload: Uint8Array, nowMs: number): Uint8Array {
    this.packets += 1;
    const isClient = from === 'client';
    const ports = isClient ? [clientPort, this.#serverPort] : [this.#serverPort, clientPort];
    const transport = this.#protocol === 'tcp' ? this.#segment(from, bits, ports, payload) : datagram(ports, payload);
    const [source, destination] = isClient ? [clientAddress, serverAddress] : [serverAddress, clientAddress];
    return packetBlock(ipPacket(this.#protocol === 'tcp' ? 6 : 17, source, destination, transport), nowMs);
  }

  #segment(from: 'client' | 'server', bits: number, ports: readonly number[], payload: Uint8Array): Uint8Array {
    const other = from === 'client' ? 'server' : 'client';
    const bytes = new Uint8Array(20 + payload.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, ports[0] ?? 0);
    view.setUint16(2, ports[1] ?? 0);
    view.setUint32(4, this.#next[from]);
    view.setUint32(8, (bits & flags.ack) === 0 ? 0 : this.#next[other]);
    view.setUint16(12, 0x5000 | bits);
    view.setUint16(14, 0xffff);
    bytes.set(payload, 20);
    const taken = payload.length + ((bits & (flags.syn | flags.fin)) === 0 ? 0 : 1);
    this.#next[from] = (this.#next[from] + taken) >>> 0;
    return bytes;
  }
}

function datagram(ports: readonly number[], payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ports[0] ?? 0);
  view.setUint16(2, ports[1] ?? 0);
  view.setUint16(4, bytes.length);
  bytes.set(payload, 8);
  return bytes;
}

type Address = readonly [number, number, number, number];

function ipPacket(protocol: number, source: Address, destination: Address, transport: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + transport.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x45;
  view.setUint16(2, bytes.length);
  bytes[8] = 64;
  bytes[9] = protocol;
  bytes.set(source, 12);
  bytes.set(destination, 16);
  view.setUint16(10, checksum([bytes.subarray(0, 20)]));
  bytes.set(transport, 20);
  // With the pseudo header: addresses, protocol and length.
  const pseudo = Uint8Array.of(...source, ...destination, 0, protocol, transport.length >> 8, transport.length & 0xff);
  view.setUint16(20 + (protocol === 6 ? 16 : 6), checksum([pseudo, transport]));
  return bytes;
}

/** RFC 1071. */
function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function sectionHeader(): Uint8Array {
  return block(0x0a0d0d0a, 16, (view) => {
    view.setUint32(0, 0x1a2b3c4d, true);
    view.setUint16(4, 1, true);
    // The section's length is not known.
    view.setBigInt64(8, -1n, true);
  });
}

function interfaceDescription(): Uint8Array {
  return block(1, 8, (view) => view.setUint16(0, linkTypeRaw, true));
}

function packetBlock(packet: Uint8Array, nowMs: number): Uint8Array {
  // Microseconds, the default resolution.
  const micros = BigInt(Math.trunc(nowMs)) * 1000n;
  return block(6, 20 + packet.length, (view, bytes) => {
    view.setUint32(4, Number(micros >> 32n), true);
    view.setUint32(8, Number(micros & 0xffffffffn), true);
    view.setUint32(12, packet.length, true);
    view.setUint32(16, packet.length, true);
    bytes.set(packet, 20);
  });
}

/** Type, length, body padded to four bytes, length. */
function block(type: number, bodyBytes: number, fill: (view: DataView, body: Uint8Array) => void): Uint8Array {
  const length = 12 + Math.ceil(bodyBytes / 4) * 4;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  fill(new DataView(bytes.buffer, 8, bodyBytes), bytes.subarray(8, 8 + bodyBytes));
  view.setUint32(length - 4, length, true);
  return bytes;
}
