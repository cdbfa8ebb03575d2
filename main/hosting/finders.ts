/**
 * Finding machines through a service: a question to everybody on the machines' network, by protocols that ask so, and the answers of all who are
 * there. What is asked is looked at: nothing but the question goes out to everybody. Pure.
 */

/** One protocol's way of finding. */
export interface Finder {
  /** The port answers are sent to where they are not sent to the asker; undefined: any will do. */
  readonly answersTo: number | undefined;
  /** Is this the question, and nothing else? */
  isQuestion(datagram: Uint8Array): boolean;
  /** The answer as the asker gets it, or undefined for what is none; `from` is who sent it. */
  answer(datagram: Uint8Array, from: { readonly address: string; readonly port: number }): Uint8Array | undefined;
}

/** Source: IANA service names, EtherNet-IP-2 and bacnet. */
const finders: Readonly<Record<number, Finder | undefined>> = {
  44818: { answersTo: undefined, isQuestion: isListIdentity, answer: listedIdentity },
  47808: { answersTo: 47808, isQuestion: isWhoIs, answer: forwarded },
};

/** The finder of a port that is asked by broadcast; undefined where none is known. */
export function finderOf(port: number): Finder | undefined {
  return finders[port];
}

/** ListIdentity: CIP Volume 2 section 2-4.2. A header alone, 24 bytes, length 0. */
function isListIdentity(datagram: Uint8Array): boolean {
  return datagram.length === 24 && datagram[0] === 0x63 && datagram.subarray(1, 4).every((byte) => byte === 0);
}

/** The device's address stands in the answer itself. */
function listedIdentity(datagram: Uint8Array): Uint8Array | undefined {
  return datagram.length > 24 && datagram[0] === 0x63 && datagram[1] === 0 ? datagram : undefined;
}

/** ANSI/ASHRAE 135 annex J: type of a BACnet/IP frame, and the functions that carry a network message. */
const bacnetIp = 0x81;
const functions = { forwarded: 0x04, unicast: 0x0a, broadcast: 0x0b } as const;
/** Clause 21: unconfirmed requests, and who they ask for or tell of. */
const unconfirmed = 0x10;
const services = { iAm: 0, iHave: 1, whoHas: 7, whoIs: 8 } as const;

function isWhoIs(datagram: Uint8Array): boolean {
  const asked = serviceOf(datagram);
  return asked === services.whoIs || asked === services.whoHas;
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
