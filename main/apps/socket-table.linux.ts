/** Which socket of this host has which ends, by `/proc/net/{tcp,tcp6,udp,udp6}`. Pure: text in, a row out. */
import { addressBytes } from '../base/ip.ts';
import type { Endpoint } from '../base/flow.ts';

/** The socket of one end, and its owner's uid. */
export interface SocketRow {
  readonly inode: number;
  readonly uid: number;
}

/** A socket as it is looked for: its own end first. */
export interface SocketEnds {
  readonly local: Endpoint;
  /** Unknown for UDP sockets that are not connected. */
  readonly remote: Endpoint | undefined;
}

/**
 * Find the row with these ends in the text of one table. A TCP row must have both; a UDP socket may be bound to any address and connected
 * to none, and the row that fits best is taken. Layout: Linux Documentation/networking/proc_net_tcp.rst.
 */
export function findSocketRow(table: string, protocol: 'tcp' | 'udp', ends: SocketEnds): SocketRow | undefined {
  const family = widthOf(table);
  if (family === undefined) return undefined;
  const port = hex(ends.local.port, 4);
  const local = hexAddress(ends.local.address, family);
  const remote = ends.remote === undefined ? undefined : hexEndpoint(ends.remote, family);
  if (local === undefined) return undefined;
  if (protocol === 'tcp') {
    if (remote === undefined) return undefined;
    const at = table.indexOf(`${local}:${port} ${remote} `);
    return at < 0 ? undefined : parseRow(lineAt(table, at));
  }
  const any = '0'.repeat(local.length);
  const unconnected = `${any}:0000`;
  const wanted = [
    ...(remote === undefined ? [] : [`${local}:${port} ${remote} `, `${any}:${port} ${remote} `]),
    `${local}:${port} ${unconnected} `,
    `${any}:${port} ${unconnected} `,
  ];
  for (const ends of wanted) {
    const at = table.indexOf(ends);
    if (at >= 0) return parseRow(lineAt(table, at));
  }
  return undefined;
}

/** Address width by the first row; undefined where there is none. */
function widthOf(table: string): 4 | 6 | undefined {
  const match = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):/m.exec(table);
  return match === null ? undefined : match[1]?.length === 8 ? 4 : 6;
}

function lineAt(table: string, at: number): string {
  const end = table.indexOf('\n', at);
  return table.slice(table.lastIndexOf('\n', at) + 1, end < 0 ? undefined : end);
}

/** `sl local remote st tx:rx tr:when retrnsmt uid timeout inode …` */
function parseRow(line: string): SocketRow | undefined {
  const fields = line.trim().split(/\s+/);
  const uid = Number(fields[7]);
  const inode = Number(fields[9]);
  // Inode 0: no process holds it any more (TIME_WAIT and the like).
  return Number.isSafeInteger(uid) && Number.isSafeInteger(inode) && inode > 0 ? { uid, inode } : undefined;
}

function hexEndpoint(at: Endpoint, family: 4 | 6): string | undefined {
  const address = hexAddress(at.address, family);
  return address === undefined ? undefined : `${address}:${hex(at.port, 4)}`;
}

/** The kernel prints each 32-bit word in the host's byte order, which is little-endian wherever Culvert runs. */
function hexAddress(address: string, family: 4 | 6): string | undefined {
  const plain = addressBytes(address);
  if (plain === undefined || (family === 4 && plain.length === 16)) return undefined;
  // A dual-stack socket has IPv4 ends in their mapped form.
  const bytes =
    plain.length === 4 && family === 6 ? Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...plain) : plain;
  let text = '';
  for (let word = 0; word < bytes.length; word += 4) {
    for (let at = word + 3; at >= word; at -= 1) text += hex(bytes[at] ?? 0, 2);
  }
  return text;
}

function hex(value: number, width: number): string {
  return value.toString(16).toUpperCase().padStart(width, '0');
}
