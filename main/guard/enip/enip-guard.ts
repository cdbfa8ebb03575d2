/**
 * The EtherNet/IP guard: every CIP message is judged by service and class, those inside an unconnected send or a packet of services each by
 * itself; a refusal has the message's own place, with CIP's "permission denied". Pure.
 *
 * Connections that exchange inputs and outputs are a control of their own; CIP Security (TLS) cannot be read.
 */
import type { EnipRules } from '../../base/engagement/floor/rules.ts';
import { ByteReader, demand, hexOf, parsed } from '../floor/byte-reader.ts';
import { FloorGuard, type Asked } from '../floor/floor-guard.ts';
import type { GuardContext } from '../guard.ts';
import { isWithin, pathText, readRequest, statusAnswer, unpackServices, unwrapSend } from './cip.ts';
import {
  answerFrame,
  commands,
  frameLength,
  readFrame,
  readPacket,
  unknownCommand,
  type Encapsulated,
  type Packet,
} from './encapsulation.ts';
import { meaningOf } from './operations.ts';

/** General status: the device denies the privilege. Source: CIP Volume 1 appendix B-1. */
const permissionDenied = 0x0f;
/** Messages inside messages; real ones have a send with a packet in it. */
const maxDepth = 3;
/** Connections a session may have open. */
const maxConnections = 64;

/** One message that asks something of an object; `service` is what an answer to it echoes. */
interface Judged {
  readonly asked: Asked;
  readonly rule: string | undefined;
}

export class EnipGuard extends FloorGuard {
  readonly kind = 'enip';
  protected readonly label = 'EtherNet/IP';
  readonly #objects: EnipRules['objects'];
  /** From the id the device listens to, to the one the application does. */
  readonly #connections = new Map<number, number>();

  constructor(rules: EnipRules, context: GuardContext) {
    super(rules, context);
    this.#objects = rules.objects;
  }

  protected frameLength(bytes: Uint8Array): number | undefined {
    return frameLength(bytes);
  }

  protected request(frame: Uint8Array, nowMs: number): void {
    const request = readFrame(frame);
    const { command, data, status } = request;
    if (command === commands.sendRequest || command === commands.sendUnit) {
      this.#message(request, nowMs);
    } else if (command === commands.registerSession && data.length === 4 && status === 0) {
      this.out.toService(frame);
    } else if (command !== commands.registerSession && isPassed(command) && data.length === 0 && status === 0) {
      this.out.toService(frame);
    } else if (command !== commands.nop) {
      const name = `command-${command.toString(16)}`;
      this.refused({ operation: undefined, name, target: '', within: undefined }, 'guard:enip.unknown', nowMs);
      this.out.toApp(unknownCommand(request));
    }
  }

  protected answer(frame: Uint8Array, nowMs: number): void {
    this.out.toApp(frame);
    const answer = parsed(() => readFrame(frame));
    if (answer === undefined) return;
    const packet = parsed(() => readPacket(answer));
    if (packet === undefined) {
      this.answered(keyOf(answer, undefined), nowMs, answer.status !== 0);
      return;
    }
    const { message } = packet;
    this.#learnConnection(message);
    const own = packet.connection === undefined ? undefined : this.#deviceId(packet.connection);
    this.answered(keyOf(answer, { ...packet, connection: own }), nowMs, (message[2] ?? 0) !== 0);
  }

  #message(request: Encapsulated, nowMs: number): void {
    const packet = parsed(() => readPacket(request));
    if (packet === undefined) {
      this.refused({ operation: undefined, name: 'packet', target: '', within: undefined }, 'guard:enip.data', nowMs);
      this.out.toApp(unknownCommand(request));
      return;
    }
    const judged: Judged[] = [];
    const service = parsed(() => this.#judge(packet.message, judged, 0));
    if (service === undefined) {
      judged.push({
        asked: { operation: undefined, name: 'message', target: '', within: undefined },
        rule: 'guard:enip.data',
      });
    }
    const refusal = judged.find((one) => one.rule !== undefined);
    if (refusal === undefined) {
      for (const [index, { asked }] of judged.entries()) {
        this.allowed(index === 0 ? keyOf(request, packet) : undefined, asked, nowMs);
      }
      this.out.toService(request.frame);
      return;
    }
    // What stands beside a refused message in one packet does not go on either.
    for (const { asked, rule } of judged) this.refused(asked, rule ?? refusal.rule ?? '', nowMs);
    const answer = statusAnswer(service ?? packet.message[0] ?? 0, permissionDenied);
    const connection =
      packet.connection === undefined ? 0 : (this.#connections.get(packet.connection) ?? packet.connection);
    this.out.toApp(answerFrame(request, packet, connection, answer));
  }

  /** Judges a message and what it carries; returns the service that an answer to it echoes. Throws `Malformed`. */
  #judge(message: Uint8Array, judged: Judged[], depth: number): number {
    demand(depth < maxDepth, 'messages within messages');
    const request = readRequest(message);
    const meaning = meaningOf(request);
    if (meaning.kind === 'send') return this.#judge(unwrapSend(request.data), judged, depth + 1);
    if (meaning.kind === 'packet') {
      for (const inner of unpackServices(request.data)) this.#judge(inner, judged, depth + 1);
    }
    if (meaning.kind === 'operation') {
      const { operation } = meaning;
      const asked: Asked = {
        operation,
        name: `service-0x${request.service.toString(16).padStart(2, '0')}`,
        target: pathText(request.path),
        within: isWithin(this.#objects, request.path),
        ...(operation?.class === 'read' || request.data.length === 0 ? {} : { facts: { data: hexOf(request.data) } }),
      };
      judged.push({ asked, rule: this.refusalOf(asked) });
    }
    return request.service;
  }

  /** The answer to a forward open names both ids of the connection. */
  #learnConnection(message: Uint8Array): void {
    const service = (message[0] ?? 0) & 0x7f;
    if ((service !== 0x54 && service !== 0x5b) || message[2] !== 0 || message.length < 12) return;
    const reader = new ByteReader(message, 4);
    this.#connections.set(reader.u32le(), reader.u32le());
    const [first] = this.#connections.keys();
    if (this.#connections.size > maxConnections && first !== undefined) this.#connections.delete(first);
  }

  #deviceId(applicationId: number): number | undefined {
    for (const [device, application] of this.#connections) if (application === applicationId) return device;
    return undefined;
  }
}

function isPassed(command: number): boolean {
  return Object.values(commands).some((known) => known === command);
}

/** Requests are told apart by their context, connected ones by connection and sequence. */
function keyOf({ frame }: Encapsulated, packet: Packet | undefined): string {
  if (packet?.sequence !== undefined) return `${packet.connection} ${packet.sequence}`;
  return hexOf(frame.subarray(12, 20));
}
