/**
 * What a device says of itself, asked in its own protocol by reads alone. The port tells the protocol.
 * Sources: MODBUS Application Protocol V1.1b3 section 6.21; SZL 0x0011 as packet captures show it; CIP Volume 2 section 2-4.2; OPC 10000-4
 * section 5.4.4.
 */
import { ByteReader, demand } from '../guard/floor/byte-reader.ts';
import { readArray, readNodeId, readText } from '../guard/opcua/values.ts';
import type { Conversation } from './conversation.ts';

/** Facts in the device's words; absent where it tells none. */
export interface DeviceFacts {
  readonly vendor?: string;
  readonly product?: string;
  readonly revision?: string;
  readonly serial?: string;
  readonly name?: string;
}

/** How devices of one protocol are asked who they are. */
export interface Identification {
  readonly protocol: 'modbus' | 's7' | 'enip' | 'opcua';
  ask(conversation: Conversation): Promise<DeviceFacts>;
}

/** By the port that IANA gives the protocol. */
export const identifications: Readonly<Record<number, Identification | undefined>> = {
  502: { protocol: 'modbus', ask: askModbus },
  102: { protocol: 's7', ask: askS7 },
  44818: { protocol: 'enip', ask: askEnip },
  4840: { protocol: 'opcua', ask: askOpcua },
};

async function askModbus({ ask }: Conversation): Promise<DeviceFacts> {
  // Read device identification (43/14), basic, from the first object.
  const request = Uint8Array.of(0, 1, 0, 0, 0, 5, 1, 43, 14, 1, 0);
  const answer = await ask(request, (bytes) => (bytes.length < 7 ? undefined : 6 + bytes.readUInt16BE(4)));
  const reader = new ByteReader(answer, 7);
  demand(reader.u8() === 43 && reader.u8() === 14, 'no identification');
  reader.bytes(4);
  const objects = new Map<number, string>();
  for (let left = reader.u8(); left > 0; left -= 1) objects.set(reader.u8(), printable(reader.bytes(reader.u8())));
  return facts({ vendor: objects.get(0), product: objects.get(1), revision: objects.get(2) });
}

async function askS7({ ask }: Conversation): Promise<DeviceFacts> {
  const whole = (bytes: Buffer): number | undefined => (bytes.length < 4 ? undefined : bytes.readUInt16BE(2));
  const bytesOf = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
  await ask(bytesOf('0300001611e00000000100c1020100c2020101c0010a'), whole);
  await ask(bytesOf('0300001902f08032010000000100080000f0000001000101e0'), whole);
  // User data: read SZL 0x0011, all of it.
  const answer = await ask(bytesOf('0300002102f080320700000002000800080001120411440100ff09000400110000'), whole);
  const reader = new ByteReader(answer, 7 + 10 + 12);
  demand(reader.u8() === 0xff, 'no list of modules');
  reader.bytes(3 + 4);
  const [size, count] = [reader.u16be(), reader.u16be()];
  // 28 bytes in real ones, 26 in some simulators; the version stands at the end of either.
  demand(size >= 26 && count > 0, 'no list of modules');
  reader.u16be();
  const product = printable(reader.bytes(20));
  const version = reader.bytes(size - 22).subarray(-3);
  return facts({ vendor: 'Siemens', product, revision: version.join('.') });
}

async function askEnip({ ask }: Conversation): Promise<DeviceFacts> {
  const request = new Uint8Array(24);
  request[0] = 0x63;
  const answer = await ask(request, (bytes) => (bytes.length < 4 ? undefined : 24 + bytes.readUInt16LE(2)));
  const reader = new ByteReader(answer, 24);
  demand(reader.u16le() > 0 && reader.u16le() === 0x0c, 'no identity');
  reader.bytes(2 + 2 + 16);
  const vendor = reader.u16le();
  reader.bytes(4);
  const revision = `${reader.u8()}.${reader.u8()}`;
  reader.u16le();
  const serial = reader.u32le().toString(16).padStart(8, '0');
  return facts({ vendor: `ODVA ${vendor}`, product: printable(reader.bytes(reader.u8())), revision, serial });
}

async function askOpcua({ ask }: Conversation): Promise<DeviceFacts> {
  const whole = (bytes: Buffer): number | undefined => (bytes.length < 8 ? undefined : bytes.readUInt32LE(4));
  const url = Buffer.from('opc.tcp://inventory');
  await ask(message('HELF', u32(0), u32(65_536), u32(65_536), u32(0), u32(0), text(url)), whole);
  const policy = Buffer.from('http://opcfoundation.org/UA/SecurityPolicy#None');
  const header = [Buffer.of(0, 0), Buffer.alloc(8), u32(1), u32(0), u32(none), u32(3_000), Buffer.of(0, 0, 0)];
  // OpenSecureChannel (446): version, issue, no security, no nonce, one minute.
  const open = [Buffer.of(1, 0, 0xbe, 1), ...header, u32(0), u32(0), u32(1), u32(none), u32(60_000)];
  const opened = await ask(message('OPNF', u32(0), text(policy), u32(none), u32(none), u32(1), u32(1), ...open), whole);
  demand(opened.toString('latin1', 0, 3) === 'OPN', 'no channel');
  const reader = new ByteReader(opened, 8);
  const channel = reader.u32le();
  for (let field = 0; field < 3; field += 1) readText(reader);
  reader.bytes(8);
  readNodeId(reader);
  skipAnswerHeader(reader);
  reader.u32le();
  reader.u32le();
  const token = reader.u32le();
  // GetEndpoints (428): no locales, no profiles.
  const get = [Buffer.of(1, 0, 0xac, 1), ...header, text(url), u32(none), u32(none)];
  const answer = await ask(message('MSGF', u32(channel), u32(token), u32(2), u32(2), ...get), whole);
  return serverOf(new ByteReader(answer, 24));
}

/** The server of the first endpoint. */
function serverOf(reader: ByteReader): DeviceFacts {
  demand(readNodeId(reader) === 'i=431', 'no endpoints');
  skipAnswerHeader(reader);
  demand(reader.i32le() > 0, 'no endpoints');
  readText(reader);
  const uri = readText(reader);
  const product = readText(reader);
  const mask = reader.u8();
  if ((mask & 1) !== 0) readText(reader);
  const name = (mask & 2) === 0 ? undefined : readText(reader);
  return facts({ product, name: name ?? uri });
}

function skipAnswerHeader(reader: ByteReader): void {
  reader.bytes(12);
  demand(reader.u32le() < 0x80000000, 'refused');
  demand(reader.u8() === 0, 'diagnostics');
  readArray(reader, readText);
  readNodeId(reader);
  reader.u8();
}

const none = 0xffffffff;

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function text(bytes: Buffer): Buffer {
  return Buffer.concat([u32(bytes.length), bytes]);
}

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), u32(8 + body.length), body]);
}

function printable(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]/g, ' ')
    .trim();
}

/** Without what the device did not tell. */
function facts(told: { readonly [K in keyof DeviceFacts]?: string | undefined }): DeviceFacts {
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined && value !== ''));
}
