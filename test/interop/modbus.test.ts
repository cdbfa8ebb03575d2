/** A PLC behind a read-only contract: `modbus-serial` reads through the network; no write of any kind arrives. */
import ModbusRTU from 'modbus-serial';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GovernedWorld } from '../support/governed-world.ts';
import { describeGoverned } from '../support/networks.ts';
import { openPlc, type Plc } from '../../main/cli/demo/plc.ts';
import { dialSocks } from '../support/socks-client.ts';
import { until } from '../support/until.ts';
import type { Socket } from 'node:net';

/** MBAP header and PDU. */
function frame(transaction: number, ...pdu: readonly number[]): Buffer {
  const bytes = Buffer.alloc(7 + pdu.length);
  bytes.writeUInt16BE(transaction, 0);
  bytes.writeUInt16BE(pdu.length + 1, 4);
  bytes[6] = 1;
  bytes.set(pdu, 7);
  return bytes;
}

/** Every public function code that writes or could (MODBUS Application Protocol 1.1b3 section 5.1), and some that nobody has assigned. */
const writeFrames: readonly (readonly number[])[] = [
  [5, 0, 1, 0xff, 0],
  [6, 0, 1, 0, 7],
  [8, 0, 1, 0, 0],
  [8, 0, 4, 0, 0],
  [15, 0, 0, 0, 2, 1, 3],
  [16, 0, 0, 0, 1, 2, 0, 7],
  [21, 9, 6, 0, 4, 0, 7, 0, 1, 0, 7],
  [22, 0, 4, 0, 0xf2, 0, 0x25],
  [23, 0, 3, 0, 1, 0, 14, 0, 1, 2, 0, 0xff],
  [43, 13, 0],
  [65, 1, 2],
  [90, 0, 41],
  [100],
];

describeGoverned('a PLC under a read-only contract', (network) => {
  let world: GovernedWorld;
  let plc: Plc;

  beforeAll(async () => {
    plc = await openPlc();
    world = await GovernedWorld.open(network(), {
      identities: ['laptop'],
      services: {
        plc: { target: plc.port, dial: ['laptop'], contract: { modbus: { allow: 'read' } } },
        tank: {
          target: plc.port,
          dial: ['laptop'],
          contract: { modbus: { allow: 'write', ranges: [{ table: 'holding', from: 0, to: 9 }] } },
        },
      },
    });
  }, 180_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await plc?.[Symbol.asyncDispose]();
  }, 60_000);

  /** A client of the kept library over a socket that went through the engine. */
  const connect = async (service: string): Promise<{ client: ModbusRTU; socket: Socket }> => {
    const socket = await dialSocks(world.proxy, `${service}.dark`, 80);
    const client = new ModbusRTU();
    void client.linkTCP(socket, {} as never);
    await until(() => client.isOpen);
    client.setID(1);
    client.setTimeout(5_000);
    return { client, socket };
  };

  const take = async (socket: Socket, length: number): Promise<Buffer> => {
    let held = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => (held = Buffer.concat([held, chunk])));
    await until(() => held.length >= length);
    return held;
  };

  test('reads pass, and every write is answered by the guard with exception 01', async () => {
    const { client, socket } = await connect('plc');
    expect((await client.readHoldingRegisters(40, 2)).data).toEqual([1040, 1041]);
    expect((await client.readInputRegisters(7, 1)).data).toEqual([1007]);
    expect((await client.readCoils(0, 2)).data.slice(0, 2)).toEqual([true, false]);
    expect((await client.readDiscreteInputs(1, 2)).data.slice(0, 2)).toEqual([false, true]);
    for (const write of [
      () => client.writeCoil(1, true),
      () => client.writeCoils(0, [true, true]),
      () => client.writeRegister(1, 7),
      () => client.writeRegisters(0, [7]),
      () => client.maskWriteRegister(4, 0xf2, 0x25),
    ]) {
      await expect(write()).rejects.toMatchObject({ modbusCode: 1 });
    }
    expect(plc.writes()).toBe(0);
    // The session lives on: it was the guard's answer, in the protocol's own words.
    expect((await client.readHoldingRegisters(0, 1)).data).toEqual([1000]);
    const row = await world.newest('plc');
    expect(row).toMatchObject({ state: 'open', guard: 'modbus' });
    const denied = await world.records('call', '--service', 'plc', '--decision', 'deny');
    expect(denied).toHaveLength(5);
    expect(denied.at(-1)).toMatchObject({
      method: expect.stringMatching(/write/) as string,
      rule: 'contract:modbus.allow',
    });
    socket.destroy();
  });

  test('every other function code that could change something gets exception 01', async () => {
    const socket = await dialSocks(world.proxy, 'plc.dark', 80);
    for (const [index, pdu] of writeFrames.entries()) {
      const answer = take(socket, 9);
      socket.write(frame(100 + index, ...pdu));
      expect([...(await answer)], `function ${pdu[0] ?? 0}`).toEqual([
        0,
        100 + index,
        0,
        0,
        0,
        3,
        1,
        (pdu[0] ?? 0) | 0x80,
        1,
      ]);
      socket.removeAllListeners('data');
    }
    expect(plc.writes()).toBe(0);
    socket.destroy();
  });

  test('frames cut anywhere and sent many at a time are read as one stream', async () => {
    const socket = await dialSocks(world.proxy, 'plc.dark', 80);
    socket.setNoDelay(true);
    const all = Buffer.concat([
      frame(1, 3, 0, 40, 0, 1),
      frame(2, 6, 0, 1, 0, 7),
      frame(3, 3, 0, 41, 0, 1),
      frame(4, 16, 0, 0, 0, 1, 2, 0, 7),
      frame(5, 3, 0, 42, 0, 1),
    ]);
    const answers = take(socket, 3 * 11 + 2 * 9);
    for (const byte of all) {
      socket.write(Buffer.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(transactionsOf(await answers).sort()).toEqual([1, 2, 3, 4, 5]);
    socket.removeAllListeners('data');
    const pipelined = take(socket, 3 * 11 + 2 * 9);
    socket.write(all);
    const got = await pipelined;
    expect(transactionsOf(got).sort()).toEqual([1, 2, 3, 4, 5]);
    expect(plc.writes()).toBe(0);
    socket.destroy();
  });

  test('register ranges let a write pass inside them only', async () => {
    const { client, socket } = await connect('tank');
    await client.writeRegister(9, 1);
    await expect(client.writeRegister(10, 1)).rejects.toMatchObject({ modbusCode: 2 });
    expect(plc.writes()).toBe(1);
    socket.destroy();
  });
});

function transactionsOf(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + 6 <= bytes.length; at += 6 + bytes.readUInt16BE(at + 4)) found.push(bytes.readUInt16BE(at));
  return found;
}
