/**
 * What passes on a control connection of FTP, as far as data connections hang on it: commands that name an address or begin a transfer, and the
 * codes of replies. Source: RFC 959 sections 4 and 5, RFC 2428, RFC 1639. Pure.
 */
import { canonicalAddress, ipFamily } from '../../base/ip.ts';

/** Source: IANA service names, ftp. */
export const ftpPort = 21;

/** Where a client waits for a data connection. */
export interface DataAddress {
  readonly address: string;
  readonly port: number;
}

/** One command, as far as it matters. */
export type FtpCommand =
  /** The server is to connect there. */
  | { readonly kind: 'active'; readonly at: DataAddress }
  /** The server is to connect somewhere, and where cannot be read. */
  | { readonly kind: 'unreadable' }
  /** The client will connect. */
  | { readonly kind: 'passive' }
  /** A data connection is wanted now. */
  | { readonly kind: 'transfer' }
  | { readonly kind: 'other' };

const transfers: readonly string[] = ['RETR', 'STOR', 'STOU', 'APPE', 'LIST', 'NLST', 'MLSD'];
/** PORT, EPRT and LPRT name an address; `EPSV` and its elders have the client connect. */
const [port, extendedPort, longPort] = ['PORT', 'EPRT', 'LPRT'];
const passives: readonly string[] = ['PASV', 'EPSV', 'LPSV'];

/** A line without its end. Servers pass over Telnet's codes before a command, and so does this. */
export function readCommand(line: string): FtpCommand {
  const [, word = '', argument = ''] = /^[^A-Za-z]*([A-Za-z]+)[ \t]*(.*)$/s.exec(line) ?? [];
  const verb = word.toUpperCase();
  if (transfers.includes(verb)) return { kind: 'transfer' };
  if (passives.includes(verb)) return { kind: 'passive' };
  if (verb !== port && verb !== extendedPort && verb !== longPort) return { kind: 'other' };
  const text = argument.trimEnd();
  const at = verb === port ? readPort(text) : verb === extendedPort ? readExtended(text) : undefined;
  return at === undefined ? { kind: 'unreadable' } : { kind: 'active', at };
}

/** `10,20,0,7,195,80` */
function readPort(text: string): DataAddress | undefined {
  if (!/^\d{1,3}(?:,\d{1,3}){5}$/.test(text)) return undefined;
  const numbers = text.split(',').map(Number);
  if (numbers.some((number) => number > 255)) return undefined;
  const [high = 0, low = 0] = numbers.slice(4);
  return { address: numbers.slice(0, 4).join('.'), port: high * 256 + low };
}

/** `|2|fd00::7|50000|`, with a delimiter of the client's choosing. */
function readExtended(text: string): DataAddress | undefined {
  const delimiter = text[0] ?? '';
  if (!/^[!-/:-~]$/.test(delimiter)) return undefined;
  const [before, family, told = '', number = '', after, ...more] = text.split(delimiter);
  if (before !== '' || after !== '' || more.length > 0 || !/^\d{1,5}$/.test(number)) return undefined;
  const address = canonicalAddress(told);
  if (address === undefined || family !== (ipFamily(address) === 4 ? '1' : '2')) return undefined;
  return Number(number) > 65535 ? undefined : { address, port: Number(number) };
}

/** The command that has a server connect there, without its end: the older one where the address has it, for every server knows that. */
export function activeCommand({ address, port: number }: DataAddress): string {
  if (ipFamily(address) !== 4) return `${extendedPort} |2|${address}|${number}|`;
  return `${port} ${[...address.split('.'), number >> 8, number & 0xff].join(',')}`;
}

/** Finds the codes of whole replies in a server's bytes, whatever lines the text of a long one has. */
export class ReplyReader {
  /** The first bytes of a line. */
  #head = '';
  /** Of a reply with several lines, which ends with a line of this code. */
  #code = '';

  /** The next byte begins a reply. */
  get atStart(): boolean {
    return this.#head === '' && this.#code === '';
  }

  /** The code that a reply has whose last line ends with this byte; undefined where none does. */
  next(byte: number): number | undefined {
    if (byte !== 0x0a) {
      if (this.#head.length < 4) this.#head += String.fromCharCode(byte);
      return undefined;
    }
    const [, code, more] = /^(\d{3})([\s-]|$)/.exec(this.#head) ?? [];
    this.#head = '';
    if (code === undefined || (this.#code !== '' && this.#code !== code)) return undefined;
    this.#code = more === '-' ? code : '';
    return this.#code === '' ? Number(code) : undefined;
  }
}
