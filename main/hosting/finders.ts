/**
 * Finding machines through a service: a question to everybody on the machines' network, by protocols that ask so, and the answers of all who are
 * there. What is asked is read and written anew: nothing but the question goes out to everybody, and it is answered to nobody else. Pure.
 */
import { ByteReader, demand, parsed } from '../guard/floor/byte-reader.ts';

/** One protocol's way of finding. */
export interface Finder {
  /** The port answers are sent to where they are not sent to the asker; undefined: any will do. */
  readonly answersTo: number | undefined;
  /** What goes out to everybody for it, written anew from what was read; undefined where it is anything but the question. */
  question(datagram: Uint8Array): Uint8Array | undefined;
  /** The answer as the asker gets it, or undefined for what is none; `from` is who sent it. */
  answer(datagram: Uint8Array, from: { readonly address: string; readonly port: number }): Uint8Array | undefined;
}

/** Source: IANA service names, EtherNet-IP-2 and bacnet. */
const finders: Readonly<Record<number, Finder | undefined>> = {
  44818: { answersTo: undefined, question: (datagram) => parsed(() => listIdentity(datagram)), answer: listedIdentity },
  47808: { answersTo: 47808, question: (datagram) => parsed(() => whoIs(datagram)), answer: forwarded },
};

/** The finder of a port that is asked by broadcast; undefined where none is known. */
export function finderOf(port: number): Finder | undefined {
  return finders[port];
}

/** ListIdentity: CIP Volume 2 section 2-4.2. A header alone, all of it zero but for what devices repeat to the asker. */
function listIdentity(datagram: Uint8Array): Uint8Array {
  const reader = new ByteReader(datagram);
  demand(reader.u16le() === 0x63 && reader.u16le() === 0, 'another command, or data');
  demand(reader.u32le() === 0 && reader.u32le() === 0, 'a session or status');
  const context = reader.bytes(8);
  demand(reader.u32le() === 0, 'options');
  reader.end();
  const question = new Uint8Array(24);
  question[0] = 0x63;
  question.set(context, 12);
  return question;
}

/** The device's address stands in the answer itself. */
function listedIdentity(datagram: Uint8Array): Uint8Array | undefined {
  return datagram.length > 24 && datagram[0] === 0x63 && datagram[1] === 0 ? datagram : undefined;
}

/** ANSI/ASHRAE 135 annex J: type of a BACnet/IP frame, and the functions that carry a network message. */
const bacnetIp = 0x81;
const functions = { forwarded: 0x04, unicast: 0x0a, broadcast: 0x0b } as const;
/** Clause 6.2: a destination follows, and the one that means all networks. */
const hasDestination = 0x20;
const allNetworks = 0xffff;
/** Clause 21: unconfirmed requests, and who they ask for or tell of. */
const unconfirmed = 0x10;
const services = { iAm: 0, iHave: 1, whoHas: 7, whoIs: 8 } as const;
/** Clause 12: 22 bits. */
const highestInstance = 0x3fffff;
/** Of an object, with its character set; the length of a frame stays in one byte. */
const longestName = 128;

/**
 * Who-Is or Who-Has, to all of this network and to no other: who asks names neither an address that is answered instead of it nor a network. To
 * all networks, as most programs ask, means this one.
 */
function whoIs(datagram: Uint8Array): Uint8Array {
  const reader = new ByteReader(datagram);
  demand(reader.u8() === bacnetIp, 'another type');
  const carried = reader.u8();
  // To the address that it knows the network by, a program may send it as to one machine.
  demand(carried === functions.broadcast || carried === functions.unicast, 'another function');
  demand(reader.u16be() === datagram.length && reader.u8() === 1, 'another length or version');
  const control = reader.u8();
  if (control === hasDestination) {
    demand(reader.u16be() === allNetworks && reader.u8() === 0, 'a network');
    reader.u8();
  } else demand(control === 0, 'addresses');
  demand(reader.u8() === unconfirmed, 'another request');
  const service = reader.u8();
  const asked = service === services.whoIs ? instances(reader) : whoHas(reader, service);
  reader.end();
  const message = [1, 0, unconfirmed, service, ...asked];
  return Uint8Array.from([bacnetIp, functions.broadcast, 0, 4 + message.length, ...message]);
}

/** Clause 20.2: a value in a context has its number, 8, and its length in one byte. The lowest and highest instance, or neither. */
function instances(reader: ByteReader): readonly number[] {
  const [low, high] = reader.next() >> 4 === 0 ? [instance(reader, 0), instance(reader, 1)] : [];
  if (low === undefined || high === undefined) return [];
  demand(low.value <= high.value && high.value <= highestInstance, 'no range');
  return [...low.bytes, ...high.bytes];
}

function instance(reader: ByteReader, number: number): { readonly value: number; readonly bytes: readonly number[] } {
  const head = reader.u8();
  const length = head & 0x07;
  demand(head >> 3 === ((number << 1) | 1) && length >= 1 && length <= 3, 'no instance');
  const bytes = [...reader.bytes(length)];
  return { value: bytes.reduce((value, byte) => value * 256 + byte, 0), bytes: [head, ...bytes] };
}

/** An object by its identifier, or by its name in UTF-8. */
function whoHas(reader: ByteReader, service: number): readonly number[] {
  demand(service === services.whoHas, 'another service');
  const range = instances(reader);
  const head = reader.u8();
  if (head === 0x2c) return [...range, head, ...reader.bytes(4)];
  demand(head >= 0x39 && head <= 0x3d, 'no object');
  const length = head === 0x3d ? reader.u8() : head & 0x07;
  demand(head !== 0x3d || (length > 4 && length <= longestName), 'no length of a name');
  demand(reader.u8() === 0, 'another character set');
  return [...range, head, ...(head === 0x3d ? [length] : []), 0, ...reader.bytes(length - 1)];
}

/** As a router between two networks passes it on, with the address of who sent it: annex J.2.5. Devices are found by that address. */
function forwarded(
  datagram: Uint8Array,
  from: { readonly address: string; readonly port: number },
): Uint8Array | undefined {
  const told = serviceOf(datagram);
  if (told !== services.iAm && told !== services.iHave) return undefined;
  if (datagram[1] === functions.forwarded) return datagram;
  const message = datagram.subarray(4);
  const address = from.address.split('.').map(Number);
  if (address.length !== 4) return undefined;
  const length = 10 + message.length;
  const head = [bacnetIp, functions.forwarded, length >> 8, length & 0xff];
  return Uint8Array.from([...head, ...address, from.port >> 8, from.port & 0xff, ...message]);
}

/** The unconfirmed service a frame has; undefined for any other. Clause 6.2: version 1, control, then addresses as control says. */
function serviceOf(datagram: Uint8Array): number | undefined {
  const carries: readonly number[] = Object.values(functions);
  const [type, carried = 0] = datagram;
  if (type !== bacnetIp || !carries.includes(carried) || lengthOf(datagram) !== datagram.length) return undefined;
  let at = carried === functions.forwarded ? 10 : 4;
  const control = datagram[at + 1] ?? 0x80;
  // A network's own message holds no service.
  if (datagram[at] !== 1 || (control & 0x80) !== 0) return undefined;
  at += 2;
  for (const bit of [0x20, 0x08]) if ((control & bit) !== 0) at += 3 + (datagram[at + 2] ?? 0);
  if ((control & 0x20) !== 0) at += 1;
  return datagram[at] === unconfirmed ? datagram[at + 1] : undefined;
}

function lengthOf(datagram: Uint8Array): number {
  return ((datagram[2] ?? 0) << 8) | (datagram[3] ?? 0);
}
