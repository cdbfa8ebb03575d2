/** Frames of the floor's protocols as captures of real clients have them, and builders for those a test varies. */

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/[\s|]/g, ''), 'hex'));

const le = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, index) => (value / 2 ** (8 * index)) & 0xff);

/** S7comm: TPKT, COTP data, and a PDU. */
export const s7 = {
  connect: hex('0300001611e00000000100c1020100c2020101c0010a'),
  tpkt: (pdu: readonly number[]): Uint8Array => {
    const length = 7 + pdu.length;
    return Uint8Array.of(3, 0, length >> 8, length & 0xff, 2, 0xf0, 0x80, ...pdu);
  },
  job: (reference: number, parameter: readonly number[], data: readonly number[] = []): Uint8Array =>
    s7.tpkt([
      ...[0x32, 1, 0, 0, reference >> 8, reference & 0xff],
      ...[parameter.length >> 8, parameter.length & 0xff, data.length >> 8, data.length & 0xff],
      ...[...parameter, ...data],
    ]),
  userData: (reference: number, group: number, sub: number, data: readonly number[] = [0x0a, 0, 0, 0]): Uint8Array =>
    s7.tpkt([
      ...[0x32, 7, 0, 0, reference >> 8, reference & 0xff, 0, 8, data.length >> 8, data.length & 0xff],
      ...[0, 1, 0x12, 4, 0x11, 0x40 | group, sub, 0, ...data],
    ]),
  /** A byte item of a data block. */
  item: (db: number, byte: number, count = 1): readonly number[] => {
    const bit = byte * 8;
    return [
      0x12,
      0x0a,
      0x10,
      2,
      count >> 8,
      count & 0xff,
      db >> 8,
      db & 0xff,
      0x84,
      bit >> 16,
      (bit >> 8) & 0xff,
      bit & 0xff,
    ];
  },
  setup: hex('0300001902f080 32010000000100080000 f0000001000101e0'),
  answer: (reference: number, parameter: readonly number[], data: readonly number[]): Uint8Array =>
    s7.tpkt([
      ...[0x32, 3, 0, 0, reference >> 8, reference & 0xff],
      ...[0, parameter.length, data.length >> 8, data.length & 0xff, 0, 0, ...parameter, ...data],
    ]),
};

/** EtherNet/IP: encapsulation and CIP. */
export const enip = {
  frame: (command: number, data: readonly number[], session = 7, context = 1): Uint8Array =>
    Uint8Array.of(
      ...le(command, 2),
      ...le(data.length, 2),
      ...le(session, 4),
      ...le(0, 4),
      ...le(context, 8),
      ...le(0, 4),
      ...data,
    ),
  unconnected: (message: readonly number[], context = 1): Uint8Array =>
    enip.frame(
      0x6f,
      [...le(0, 4), ...le(5, 2), 2, 0, 0, 0, 0, 0, 0xb2, 0, ...le(message.length, 2), ...message],
      7,
      context,
    ),
  connected: (connection: number, sequence: number, message: readonly number[]): Uint8Array =>
    enip.frame(0x70, [
      ...[...le(0, 4), ...le(0, 2), 2, 0, 0xa1, 0, 4, 0, ...le(connection, 4)],
      ...[0xb1, 0, ...le(message.length + 2, 2), ...le(sequence, 2), ...message],
    ]),
  tag: (service: number, name: string, data: readonly number[]): readonly number[] => {
    const bytes = [...Buffer.from(name, 'latin1')];
    const path = [0x91, bytes.length, ...bytes, ...(bytes.length % 2 === 1 ? [0] : [])];
    return [service, path.length / 2, ...path, ...data];
  },
  of: (service: number, code: number, instance: number, data: readonly number[] = []): readonly number[] => [
    ...[service, 2, 0x20, code, 0x24, instance, ...data],
  ],
  send: (message: readonly number[]): readonly number[] =>
    enip.of(0x52, 6, 1, [
      5,
      0x9d,
      ...le(message.length, 2),
      ...message,
      ...(message.length % 2 === 1 ? [0] : []),
      1,
      0,
      1,
      0,
    ]),
};

/** OPC UA: chunks of a conversation without security. */
export const opcua = {
  hello: hex('48454c46 20000000 00000000 00000100 00000100 00000000 00000000 00000000'),
  chunk: (
    type: string,
    head: readonly number[],
    sequence: number,
    request: number,
    body: readonly number[],
  ): Uint8Array => {
    const length = 8 + head.length + 8 + body.length;
    return Uint8Array.of(
      ...Buffer.from(type),
      ...le(length, 4),
      ...head,
      ...le(sequence, 4),
      ...le(request, 4),
      ...body,
    );
  },
  open: (policy: string, sequence = 1): Uint8Array => {
    const uri = [...Buffer.from(`http://opcfoundation.org/UA/SecurityPolicy#${policy}`)];
    const certificate = policy === 'None' ? le(0xffffffff, 4) : [...le(3, 4), 1, 2, 3];
    return opcua.chunk(
      'OPNF',
      [...le(9, 4), ...le(uri.length, 4), ...uri, ...certificate, ...le(0xffffffff, 4)],
      sequence,
      1,
      [1, 0, 0xbe, 1],
    );
  },
  message: (sequence: number, request: number, body: readonly number[], final = 'F'): Uint8Array =>
    opcua.chunk(`MSG${final}`, [...le(9, 4), ...le(4, 4)], sequence, request, body),
  /** Type id and request header with the given handle. */
  request: (type: number, handle: number, rest: readonly number[]): readonly number[] => [
    ...[1, 0, ...le(type, 2), 2, 0, 0, ...le(77, 4), ...le(0, 8), ...le(handle, 4), ...le(0, 4)],
    ...[...le(0xffffffff, 4), ...le(5_000, 4), 0, 0, 0, ...rest],
  ],
  node: (name: string): readonly number[] => [3, 2, 0, ...le(name.length, 4), ...Buffer.from(name)],
  read: (handle: number, ...names: readonly string[]): readonly number[] =>
    opcua.request(631, handle, [
      ...[...le(0, 8), ...le(0, 4), ...le(names.length, 4)],
      ...names.flatMap((name) => [...opcua.node(name), ...le(13, 4), ...le(0xffffffff, 4), 0, 0, ...le(0xffffffff, 4)]),
    ]),
  /** Writes of 32 bit numbers. */
  write: (handle: number, name: string, value: number): readonly number[] =>
    opcua.request(673, handle, [
      ...[...le(1, 4), ...opcua.node(name), ...le(13, 4), ...le(0xffffffff, 4)],
      ...[1, 6, ...le(value, 4)],
    ]),
  answer: (sequence: number, request: number, type: number, handle: number, rest: readonly number[]): Uint8Array =>
    opcua.message(sequence, request, [
      ...[1, 0, ...le(type, 2), ...le(0, 8), ...le(handle, 4), ...le(0, 4), 0, ...le(0xffffffff, 4), 0, 0, 0, ...rest],
    ]),
};

/** IEC 60870-5-104. */
export const iec104 = {
  start: hex('680407000000'),
  information: (sent: number, received: number, asdu: readonly number[]): Uint8Array =>
    Uint8Array.of(0x68, 4 + asdu.length, (sent << 1) & 0xff, sent >> 7, (received << 1) & 0xff, received >> 7, ...asdu),
  supervisory: (received: number): Uint8Array => Uint8Array.of(0x68, 4, 1, 0, (received << 1) & 0xff, received >> 7),
  asdu: (type: number, point: number, element: readonly number[], cause = 6): readonly number[] => [
    ...[type, 1, cause, 0, 47, 0, ...le(point, 3), ...element],
  ],
};

/** DNP3: link frames with one segment each. */
export const dnp3 = {
  checksum: (bytes: readonly number[]): readonly number[] => {
    let sum = 0;
    for (const byte of bytes) {
      sum ^= byte;
      for (let bit = 0; bit < 8; bit += 1) sum = (sum & 1) === 1 ? (sum >> 1) ^ 0xa6bc : sum >> 1;
    }
    return le(~sum & 0xffff, 2);
  },
  frame: (control: number, destination: number, source: number, user: readonly number[]): Uint8Array => {
    const head = [0x05, 0x64, 5 + user.length, control, ...le(destination, 2), ...le(source, 2)];
    const blocks: number[] = [];
    for (let at = 0; at < user.length; at += 16) {
      const block = user.slice(at, at + 16);
      blocks.push(...block, ...dnp3.checksum(block));
    }
    return Uint8Array.of(...head, ...dnp3.checksum(head), ...blocks);
  },
  request: (number: number, code: number, body: readonly number[] = []): Uint8Array =>
    dnp3.frame(0xc4, 10, 1, [0xc0, 0xc0 | number, code, ...body]),
  answer: (number: number, body: readonly number[]): Uint8Array =>
    dnp3.frame(0x44, 1, 10, [0xc0, 0xc0 | number, 0x81, 0, 0, ...body]),
};
