/** `serial:/dev/ttyUSB0?baud=9600`: a host target that is a serial line with Modbus RTU devices on it. Pure. */
import * as v from 'valibot';

/** The scheme that tells it from a name or an address. */
const scheme = 'serial:';

const number = (from: number, to: number) =>
  v.pipe(
    v.string(),
    v.regex(/^\d{1,7}$/, 'expected a whole number'),
    v.transform(Number),
    v.minValue(from),
    v.maxValue(to),
  );

const parameters = v.strictObject({
  /** Bits a second. Default 19200, as MODBUS over Serial Line V1.02 section 2.5 has it. */
  baud: v.optional(number(50, 4_000_000), '19200'),
  parity: v.optional(v.picklist(['even', 'odd', 'none']), 'even'),
  /** Default 1, and 2 without parity, so that a character has eleven bits. */
  stop: v.optional(number(1, 2)),
  /** Milliseconds that a device has for its answer. */
  timeout: v.optional(number(10, 60_000), '1000'),
});

/** One serial line and how it is spoken on. */
export interface SerialSettings {
  /** `/dev/ttyUSB0`, `COM3`. */
  readonly path: string;
  readonly baud: number;
  readonly parity: 'even' | 'odd' | 'none';
  readonly stop: 1 | 2;
  readonly answerMs: number;
}

/** True for the address of a serial line, well written or not. */
export function isSerialAddress(address: string): boolean {
  return address.toLowerCase().startsWith(scheme);
}

/** The settings, or what is wrong with them. */
export function parseSerialAddress(address: string): SerialSettings | string {
  const [path = '', query = '', ...rest] = address.slice(scheme.length).split('?');
  if (rest.length > 0 || !/^(?:\/[\w./:+@-]+|COM\d{1,3})$/.test(path)) return 'expected the path of a serial device';
  const asked = new URLSearchParams(query);
  const names = [...asked.keys()];
  if (new Set(names).size < names.length) return 'a parameter stands there twice';
  const read = v.safeParse(parameters, Object.fromEntries(asked));
  if (!read.success) {
    const [issue] = read.issues;
    const named = v.getDotPath(issue) ?? '';
    return issue.type === 'strict_object' ? `unknown parameter "${named}"` : `${named}: ${issue.message}`;
  }
  const { baud, parity, stop, timeout } = read.output;
  const ownStop = stop === undefined ? (parity === 'none' ? 2 : 1) : stop === 1 ? 1 : 2;
  return { path, baud, parity, stop: ownStop, answerMs: timeout };
}

/** `9600 8E1`. */
export function describeSerial({ path, baud, parity, stop }: SerialSettings): string {
  return `serial ${path} ${baud} 8${parity.charAt(0).toUpperCase()}${stop}`;
}

/** Milliseconds of silence between two frames: 3.5 characters of eleven bits, and 1.75 ms beyond 19200 baud (V1.02 section 2.5.1.1). */
export function silenceMs({ baud }: SerialSettings): number {
  return baud > 19_200 ? 1.75 : (3.5 * 11 * 1000) / baud;
}
