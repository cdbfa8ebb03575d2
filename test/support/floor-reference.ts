/** What reached a device, read by another reader than the guards': names whatever is no read. For tests of read-only contracts. */
import type { FloorProtocol } from '../../main/base/engagement/floor/rules.ts';

interface Reference {
  /** Whole frames out of a stream. */
  readonly lengthAt: (bytes: Buffer, at: number) => number;
  /** What a frame asks, if it is no read. */
  readonly forbidden: (frame: Buffer) => string | undefined;
}

const references: Readonly<Record<FloorProtocol | 'modbus', Reference>> = {
  modbus: {
    lengthAt: (bytes, at) => 6 + bytes.readUInt16BE(at + 4),
    forbidden: (frame) => {
      const code = frame[7] ?? 0;
      const lengths: Readonly<Record<number, number>> = {
        1: 12,
        2: 12,
        3: 12,
        4: 12,
        7: 8,
        11: 8,
        12: 8,
        17: 8,
        24: 10,
      };
      if (code === 20) return undefined;
      if (code === 8)
        return [0, 2, 11, 12, 13, 14, 15, 16, 17, 18].includes(frame.readUInt16BE(8)) ? undefined : 'a control';
      if (code === 43) return frame[8] === 14 && frame.length === 11 ? undefined : 'an unknown type';
      return lengths[code] === frame.length ? undefined : `function ${code} of ${frame.length} bytes`;
    },
  },
  s7: {
    lengthAt: (bytes, at) => bytes.readUInt16BE(at + 2),
    forbidden: (frame) => {
      if (frame[5] !== 0xf0) return undefined;
      if (frame[7] !== 0x32) return 'no S7comm';
      const kind = frame[8] ?? 0;
      if (kind === 7) {
        const group = (frame[22] ?? 0) & 0x0f;
        const reads: Readonly<Record<number, readonly number[]>> = { 3: [1, 2, 3], 4: [1], 7: [1, 3] };
        return reads[group]?.includes(frame[23] ?? 0) === true ? undefined : `user data ${group}`;
      }
      return kind === 1 && (frame[17] === 4 || frame[17] === 0xf0) ? undefined : `kind ${kind} function ${frame[17]}`;
    },
  },
  enip: {
    lengthAt: (bytes, at) => 24 + bytes.readUInt16LE(at + 2),
    forbidden: (frame) => {
      const command = frame.readUInt16LE(0);
      if (command !== 0x6f && command !== 0x70) return command <= 0x66 ? undefined : `command ${command}`;
      let message = frame.subarray(command === 0x6f ? 40 : 46);
      const isManager = (): boolean => message[2] === 0x20 && message[3] === 6;
      if (message[0] === 0x52 && isManager()) message = message.subarray(10);
      const service = message[0] ?? 0;
      if (service === 0x4e || service === 0x54 || service === 0x5b)
        return isManager() ? undefined : `service ${service}`;
      return [1, 3, 0x0a, 0x0e, 0x11, 0x4c, 0x52, 0x55, 0x56].includes(service) ? undefined : `service ${service}`;
    },
  },
  opcua: {
    lengthAt: (bytes, at) => bytes.readUInt32LE(at + 4),
    forbidden: (frame) => {
      if (frame.toString('latin1', 0, 4) !== 'MSGF') return undefined;
      const form = frame[24];
      const id = form === 0 ? frame[25] : form === 1 ? frame.readUInt16LE(26) : frame.readUInt32LE(27);
      return [673, 700, 712, 488, 494, 500, 506, 437].includes(id ?? 0) ? `service ${id}` : undefined;
    },
  },
  iec104: {
    lengthAt: (bytes, at) => 2 + (bytes[at + 1] ?? 0),
    forbidden: (frame) => {
      if (((frame[2] ?? 0) & 1) !== 0) return undefined;
      const type = frame[6] ?? 0;
      if (type === 101) return ((frame[15] ?? 0) & 0xc0) === 0 ? undefined : 'a freeze';
      return [100, 102, 104, 107].includes(type) ? undefined : `type ${type}`;
    },
  },
  dnp3: {
    lengthAt: (bytes, at) => {
      const user = (bytes[at + 2] ?? 5) - 5;
      return 10 + user + 2 * Math.ceil(user / 16);
    },
    forbidden: (frame) => {
      if ((frame[2] ?? 0) <= 5 || (frame[10] ?? 0) < 0xc0) return undefined;
      return [0, 1, 20, 21, 23].includes(frame[12] ?? 0) ? undefined : `function ${frame[12]}`;
    },
  },
};

/** What in the bytes of one connection is no read; empty where all is. */
export function forbiddenIn(protocol: FloorProtocol | 'modbus', bytes: Buffer): readonly string[] {
  const { lengthAt, forbidden } = references[protocol];
  const found: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + lengthAt(bytes, at);
    const why = forbidden(bytes.subarray(at, end));
    if (why !== undefined) found.push(why);
    at = Math.max(end, at + 1);
  }
  return found;
}
