/**
 * The resolver on the TUN: answers for names in the intercept table, sends on what an upstream must answer, refuses the rest. Bytes in, bytes
 * out, over UDP and TCP alike; a query that cannot be read is answered FORMERR or not at all, and never throws.
 */
import {
  decode,
  encode,
  AUTHORITATIVE_ANSWER,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import type { Answer, DecodedPacket, OptAnswer, Packet, Question, StringAnswer } from 'dns-packet';
import type { Log } from '../../base/log.ts';
import type { NameTable } from './name-table.ts';

/** Response codes (RFC 1035 section 4.1.1); dns-packet takes them as the low bits of the flags. */
export const rcode = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const;

/** As ziti-edge-tunnel gives out. */
const ttlSeconds = 60;
/** RFC 1035 section 4.2.1, for askers without EDNS. */
const plainUdpBytes = 512;
/** What we offer to take and send over UDP (DNS flag day 2020). */
const ednsUdpBytes = 1232;
const headerBytes = 12;

/** The types of records that only the hosting side knows. */
export type RemoteType = 'MX' | 'SRV' | 'TXT';

/** A record from the hosting side's resolver. */
export interface RemoteRecord {
  readonly name: string;
  readonly type: RemoteType;
  readonly ttlSeconds: number;
  /** Target host of MX and SRV, text of TXT. */
  readonly data: string;
  readonly priority?: number;
  readonly weight?: number;
  readonly port?: number;
}

/** What the hosting side says. */
export interface RemoteAnswer {
  /** A DNS response code. */
  readonly status: number;
  readonly records: readonly RemoteRecord[];
}

/** Ask the side that hosts the wildcard service `service` of `domain`. May reject: then the asker gets SERVFAIL. */
export type ResolveRemote = (
  question: { readonly name: string; readonly type: RemoteType; readonly domain: string; readonly service: string },
  options: { readonly signal: AbortSignal },
) => Promise<RemoteAnswer>;

/** Send a query on as it is; undefined where there is no upstream, or none that answers. */
export type ForwardQuery = (query: Uint8Array, transport: 'udp' | 'tcp') => Promise<Uint8Array | undefined>;

/** The names that are ours, and whom to ask for the rest. */
export interface ResolverDeps {
  readonly names: NameTable;
  readonly resolveRemote: ResolveRemote | undefined;
  /** Absent: names that are not ours are refused. */
  readonly forward: ForwardQuery | undefined;
  readonly signal: AbortSignal;
  readonly log: Log;
}

interface Reply {
  readonly code: number;
  readonly answers: readonly Answer[];
}

/** Answers one query at a time, bytes in and out. */
export class Resolver {
  readonly #deps: ResolverDeps;
  #answered = 0;
  #forwarded = 0;
  #refused = 0;

  constructor(deps: ResolverDeps) {
    this.#deps = deps;
  }

  /** Queries by what became of them. */
  counts(): { readonly answered: number; readonly forwarded: number; readonly refused: number } {
    return { answered: this.#answered, forwarded: this.#forwarded, refused: this.#refused };
  }

  /** Answer one message. Undefined: no answer. Never rejects. */
  async answer(message: Uint8Array, transport: 'udp' | 'tcp'): Promise<Uint8Array | undefined> {
    if (message.length < headerBytes || ((message[2] ?? 0) & 0x80) !== 0) return undefined;
    const query = decodeQuery(message);
    const [question] = query?.questions ?? [];
    if (query === undefined || question === undefined || query.questions?.length !== 1) {
      return bareReply(message, rcode.formatError);
    }
    // Bits 11 to 14 of the flags: only standard queries (0) are served.
    if ((((message[2] ?? 0) >>> 3) & 0x0f) !== 0) return bareReply(message, rcode.notImplemented);
    const reply = await this.#reply(question);
    if (reply !== undefined) {
      this.#answered += 1;
      return encodeReply(query, question, reply, transport) ?? bareReply(message, rcode.serverFailure);
    }
    return this.#passOn(message, query, question, transport);
  }

  async #passOn(
    message: Uint8Array,
    query: DecodedPacket,
    question: Question,
    transport: 'udp' | 'tcp',
  ): Promise<Uint8Array> {
    if (this.#deps.forward === undefined) {
      this.#refused += 1;
      return bareReply(message, rcode.refused);
    }
    this.#forwarded += 1;
    const answer = await this.#deps.forward(message, transport);
    if (answer === undefined) return bareReply(message, rcode.serverFailure);
    const alias = this.#aliasOfOurs(answer, question);
    return alias === undefined ? answer : (encodeReply(query, question, alias, transport) ?? answer);
  }

  /** Undefined where the question is none of ours. */
  async #reply(question: Question): Promise<Reply | undefined> {
    const name = question.name.toLowerCase().replace(/\.$/, '');
    const reverse = addressOfReverseName(name);
    if (reverse !== undefined) return this.#reverse(question, reverse);
    const found = this.#deps.names.find(name);
    if (found === undefined) return undefined;
    const { type } = question;
    if (type === 'A' || type === 'AAAA' || (type as string) === 'ANY') return this.#forward(question, name);
    if ((type === 'MX' || type === 'SRV' || type === 'TXT') && found.domain !== undefined) {
      return this.#remote(question, { name, type, domain: found.domain, service: found.service });
    }
    // The name exists, this type of it does not.
    return { code: rcode.noError, answers: [] };
  }

  /** A public name may be an alias of one that only we know: its addresses are added to the chain, which ends there otherwise. */
  #aliasOfOurs(answer: Uint8Array, question: Question): Reply | undefined {
    if (question.type !== 'A' && question.type !== 'AAAA') return undefined;
    const records = decodeQuery(answer)?.answers ?? [];
    const chain = records.filter((record): record is StringAnswer => record.type === 'CNAME');
    const target = chain.at(-1)?.data.toLowerCase().replace(/\.$/, '');
    if (target === undefined || this.#deps.names.find(target) === undefined) return undefined;
    const ours = this.#forward({ ...question, name: target }, target);
    return { code: ours.code, answers: [...chain, ...ours.answers] };
  }

  #forward(question: Question, name: string): Reply {
    const addresses = this.#deps.names.addressesOf(name) ?? {};
    if (addresses[4] === undefined && addresses[6] === undefined) return { code: rcode.serverFailure, answers: [] };
    const answers: Answer[] = [];
    const base = { name: question.name, ttl: ttlSeconds, class: 'IN' as const };
    if (addresses[4] !== undefined && question.type !== 'AAAA')
      answers.push({ ...base, type: 'A', data: addresses[4] });
    if (addresses[6] !== undefined && question.type !== 'A')
      answers.push({ ...base, type: 'AAAA', data: addresses[6] });
    return { code: rcode.noError, answers };
  }

  #reverse(question: Question, address: string): Reply | undefined {
    if (!this.#deps.names.holds(address)) return undefined;
    const name = this.#deps.names.nameOf(address);
    if (name === undefined || this.#deps.names.find(name) === undefined) return { code: rcode.nameError, answers: [] };
    if (question.type !== 'PTR') return { code: rcode.noError, answers: [] };
    return {
      code: rcode.noError,
      answers: [{ name: question.name, type: 'PTR', class: 'IN', ttl: ttlSeconds, data: name }],
    };
  }

  async #remote(
    question: Question,
    asked: { readonly name: string; readonly type: RemoteType; readonly domain: string; readonly service: string },
  ): Promise<Reply> {
    if (this.#deps.resolveRemote === undefined) return { code: rcode.noError, answers: [] };
    try {
      const answer = await this.#deps.resolveRemote(asked, { signal: this.#deps.signal });
      return { code: answer.status & 0x0f, answers: answer.records.map((record) => remoteAnswer(question, record)) };
    } catch (error) {
      this.#deps.log.debug('dns.remote_failed', { service: asked.service, error });
      return { code: rcode.serverFailure, answers: [] };
    }
  }
}

function decodeQuery(message: Uint8Array): DecodedPacket | undefined {
  try {
    return decode(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  } catch {
    // Bytes that are no message; the caller answers FORMERR.
    return undefined;
  }
}

/** The asker's header with our code and nothing else: needs no understanding of the rest. */
function bareReply(message: Uint8Array, code: number): Uint8Array {
  const reply = new Uint8Array(headerBytes);
  reply.set(message.subarray(0, 2));
  // QR set, opcode and RD as asked; RA set.
  reply[2] = 0x80 | ((message[2] ?? 0) & 0x79);
  reply[3] = 0x80 | code;
  return reply;
}

function encodeReply(
  query: DecodedPacket,
  question: Question,
  reply: Reply,
  transport: 'udp' | 'tcp',
): Uint8Array | undefined {
  const asked = query.additionals?.find((record): record is OptAnswer => record.type === 'OPT');
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED) | reply.code;
  const packet: Packet = {
    type: 'response',
    id: query.id ?? 0,
    flags,
    questions: [question],
    answers: [...reply.answers],
  };
  // EDNS is answered with EDNS (RFC 6891 section 6.1.1).
  if (asked !== undefined) packet.additionals = [ourOpt];
  try {
    const bytes = encode(packet);
    const limit = asked === undefined ? plainUdpBytes : Math.min(asked.udpPayloadSize, ednsUdpBytes);
    if (transport === 'tcp' || bytes.length <= Math.max(limit, plainUdpBytes)) return bytes;
    return encode({ ...packet, flags: flags | TRUNCATED_RESPONSE, answers: [] });
  } catch {
    // A record from the far side that fits no message (a label over 63 bytes, say); the caller answers SERVFAIL.
    return undefined;
  }
}

const ourOpt: OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: ednsUdpBytes,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function remoteAnswer(question: Question, record: RemoteRecord): Answer {
  // ziti-edge-tunnel's hosts leave the name of an answer empty.
  const base = { name: record.name === '' ? question.name : record.name, ttl: record.ttlSeconds, class: 'IN' as const };
  if (record.type === 'MX') {
    return { ...base, type: 'MX', data: { preference: record.priority ?? 0, exchange: record.data } };
  }
  if (record.type === 'TXT') return { ...base, type: 'TXT', data: record.data };
  return {
    ...base,
    type: 'SRV',
    data: { priority: record.priority ?? 0, weight: record.weight ?? 0, port: record.port ?? 0, target: record.data },
  };
}

/** `4.3.2.1.in-addr.arpa` (RFC 1035 section 3.5) and `….ip6.arpa` (RFC 3596 section 2.5). */
function addressOfReverseName(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const octets = name.slice(0, -'.in-addr.arpa'.length).split('.');
    return octets.length === 4 && octets.every((octet) => /^\d{1,3}$/.test(octet))
      ? octets.reverse().join('.')
      : undefined;
  }
  if (!name.endsWith('.ip6.arpa')) return undefined;
  const nibbles = name.slice(0, -'.ip6.arpa'.length).split('.');
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined;
  return (nibbles.reverse().join('').match(/.{4}/g) ?? []).join(':');
}
