/** EtherNet/IP's encapsulation, which carries CIP. Pure. Source: CIP Volume 2 (EtherNet/IP adaptation), chapters 2-3 to 2-6. */
import { ByteReader, demand } from '../floor/byte-reader.ts';

/** The length of an encapsulation header. */
export const headerBytes = 24;

/** Encapsulation commands by name. */
export const commands = {
  nop: 0x00,
  listServices: 0x04,
  listIdentity: 0x63,
  listInterfaces: 0x64,
  registerSession: 0x65,
  unregisterSession: 0x66,
  sendRequest: 0x6f,
  sendUnit: 0x70,
} as const;

/** Items of the common packet format. */
export const items = {
  none: 0x0000,
  connectedAddress: 0x00a1,
  connectedData: 0x00b1,
  unconnectedData: 0x00b2,
} as const;

/** One frame. */
export interface Encapsulated {
  readonly command: number;
  readonly status: number;
  /** The whole frame; its header is echoed in an answer. */
  readonly frame: Uint8Array;
  readonly data: Uint8Array;
}

/** Length of the frame that begins here. */
export function frameLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 4) return undefined;
  const reader = new ByteReader(bytes);
  demand(reader.u16le() <= 0xff, 'no EtherNet/IP header');
  return headerBytes + reader.u16le();
}

/** Reads a whole frame. Throws where it is malformed. */
export function readFrame(frame: Uint8Array): Encapsulated {
  const reader = new ByteReader(frame);
  const command = reader.u16le();
  reader.u16le();
  reader.u32le();
  const status = reader.u32le();
  reader.bytes(8);
  demand(reader.u32le() === 0, 'options in its header');
  return { command, status, frame, data: reader.rest() };
}

/** CIP inside a request or unit: how it is addressed, and the message. */
export interface Packet {
  /** Connection id of a connected message. */
  readonly connection: number | undefined;
  /** Sequence count of a connected message. */
  readonly sequence: number | undefined;
  readonly message: Uint8Array;
}

/** Two items exactly, the address first. Throws `Malformed`. */
export function readPacket({ command, data }: Encapsulated): Packet {
  const reader = new ByteReader(data);
  demand(reader.u32le() === 0, 'an interface other than CIP');
  reader.u16le();
  demand(reader.u16le() === 2, 'a number of items other than two');
  const addressType = reader.u16le();
  const address = new ByteReader(reader.bytes(reader.u16le()));
  const dataType = reader.u16le();
  const body = new ByteReader(reader.bytes(reader.u16le()));
  reader.end();
  if (command === commands.sendRequest) {
    demand(addressType === items.none && dataType === items.unconnectedData, 'items of another kind');
    address.end();
    return { connection: undefined, sequence: undefined, message: body.rest() };
  }
  demand(addressType === items.connectedAddress && dataType === items.connectedData, 'items of another kind');
  const connection = address.u32le();
  address.end();
  return { connection, sequence: body.u16le(), message: body.rest() };
}

/** An answer to `request` in the same items: its session and context, status 0. `connection` is the one the application listens to. */
export function answerFrame(
  request: Encapsulated,
  packet: Packet,
  connection: number,
  message: Uint8Array,
): Uint8Array {
  const isConnected = packet.sequence !== undefined;
  const body = new Uint8Array((isConnected ? 22 : 16) + message.length);
  const view = new DataView(body.buffer);
  view.setUint16(6, 2, true);
  let at = 8;
  view.setUint16(at, isConnected ? items.connectedAddress : items.none, true);
  view.setUint16(at + 2, isConnected ? 4 : 0, true);
  at += 4;
  if (isConnected) {
    view.setUint32(at, connection, true);
    at += 4;
  }
  view.setUint16(at, isConnected ? items.connectedData : items.unconnectedData, true);
  view.setUint16(at + 2, message.length + (isConnected ? 2 : 0), true);
  at += 4;
  if (packet.sequence !== undefined) {
    view.setUint16(at, packet.sequence, true);
    at += 2;
  }
  body.set(message, at);
  return withHeader(request, body, 0);
}

/** A command the encapsulation itself does not know: status 1. */
export function unknownCommand(request: Encapsulated): Uint8Array {
  return withHeader(request, new Uint8Array(0), 1);
}

function withHeader(request: Encapsulated, body: Uint8Array, status: number): Uint8Array {
  const frame = new Uint8Array(headerBytes + body.length);
  frame.set(request.frame.subarray(0, headerBytes));
  const view = new DataView(frame.buffer);
  view.setUint16(2, body.length, true);
  view.setUint32(8, status, true);
  frame.set(body, headerBytes);
  return frame;
}
