/**
 * TPKT and COTP, which carry S7comm. Pure.
 * Source: RFC 1006 section 6 (TPKT), ISO 8073 / RFC 905 section 13 (COTP class 0).
 */
import { ByteReader, demand } from '../floor/byte-reader.ts';

const tpktBytes = 4;

/** What one TPKT holds: a piece of data, or something about the connection. */
export type Transport =
  | { readonly kind: 'data'; readonly payload: Uint8Array; readonly isLast: boolean }
  | { readonly kind: 'connection'; readonly canonical: Uint8Array };

/** Length of the TPKT that begins here. */
export function tpktLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < tpktBytes) return undefined;
  const reader = new ByteReader(bytes);
  demand(reader.u8() === 3, 'no TPKT header');
  reader.u8();
  const length = reader.u16be();
  demand(length >= 7, `a TPKT of ${length} bytes`);
  return length;
}

/** COTP PDU types: connection request and confirm, disconnect request, error. */
const connectionTypes: readonly number[] = [0xe0, 0xd0, 0x80, 0x70];
/** Parameters of a connection request: TPDU size, calling and called TSAP. */
const connectionParameters: readonly number[] = [0xc0, 0xc1, 0xc2];

/** Reads one packet of the transport beneath. Throws where it is malformed. */
export function readTransport(tpkt: Uint8Array): Transport {
  const reader = new ByteReader(tpkt, tpktBytes);
  const header = new ByteReader(reader.bytes(reader.u8()));
  const type = header.u8();
  if (type === 0xf0) {
    const number = header.u8();
    header.end();
    demand((number & 0x7f) === 0, 'a numbered COTP data unit');
    return { kind: 'data', payload: reader.rest(), isLast: number === 0x80 };
  }
  reader.end();
  demand(connectionTypes.includes(type & 0xf0) && (type & 0x0f) === 0, `a COTP unit of type ${type}`);
  if (type === 0xe0 || type === 0xd0) {
    header.u16be();
    header.u16be();
    demand(header.u8() === 0, 'a COTP class other than 0');
    while (header.left > 0) {
      const code = header.u8();
      demand(connectionParameters.includes(code), `a COTP parameter ${code}`);
      header.bytes(header.u8());
    }
  }
  const canonical = new Uint8Array(tpkt);
  canonical[1] = 0;
  return { kind: 'connection', canonical };
}

/** One whole S7 PDU in one TPKT. */
export function dataTpkt(payload: Uint8Array): Uint8Array {
  const length = tpktBytes + 3 + payload.length;
  const bytes = new Uint8Array(length);
  bytes.set([3, 0, length >> 8, length & 0xff, 2, 0xf0, 0x80]);
  bytes.set(payload, tpktBytes + 3);
  return bytes;
}
