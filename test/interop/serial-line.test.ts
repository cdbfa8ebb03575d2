/** A serial line behind a hosted service: a kept RTU device on a pair of pseudo terminals, kept clients of Modbus/TCP in front. */
import { existsSync, realpathSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import ModbusRTU from 'modbus-serial';
import { ServerSerial, type IServiceVector } from 'modbus-serial';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { SerialLines } from '../../main/hosting/serial/serial-lines.ts';
import { parseSerialAddress, type SerialSettings } from '../../main/hosting/serial/serial-settings.ts';
import { splice } from '../../main/net/proxy/splice.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { Child } from '../support/child.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { mustSkip } from '../support/optional.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { toolsMissing } from '../support/tools.ts';
import { until } from '../support/until.ts';

const settingsOf = (path: string, query = ''): SerialSettings => {
  const read = parseSerialAddress(`serial:${path}?baud=115200&timeout=300${query}`);
  if (typeof read === 'string') throw new Error(read);
  return read;
};

describe.skipIf(mustSkip(toolsMissing('socat')))('a serial line behind a service', () => {
  const cleanUps: (() => unknown)[] = [];
  const lines = new SerialLines(systemClock);
  let pair: Child;
  let here = '';
  const written: string[] = [];

  beforeEach(async () => {
    const directory = temporaryDirectory('serial');
    const [near, far] = [join(directory, 'near'), join(directory, 'far')];
    written.length = 0;
    pair = new Child('socat', [`pty,raw,echo=0,link=${near}`, `pty,raw,echo=0,link=${far}`], {
      logFile: join(directory, 'socat.log'),
    });
    await until(() => existsSync(near) && existsSync(far));
    here = near;
    const write = (address: number, value: unknown, unit: number): void =>
      void written.push(`${unit} ${address} ${String(value)}`);
    const device = new ServerSerial(
      {
        getHoldingRegister: (address: number, unit: number) => Promise.resolve(unit * 1000 + address),
        getCoil: (address: number) => Promise.resolve(address % 2 === 1),
        setRegister: write,
        setCoil: write,
        readDeviceIdentification: () => ({ 0: 'Plant', 1: 'Press', 2: '1.2' }),
      } as IServiceVector,
      { path: realpathSync(far), baudRate: 115_200, unitID: 7, lock: false },
    );
    await new Promise<void>((resolve, reject) => {
      device.on('initialized', () => resolve());
      device.on('error', reject);
    });
    // Without the pair it is closed already.
    cleanUps.push(() => (pair.running ? new Promise<void>((resolve) => device.close(() => resolve())) : undefined));
  });

  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
    await pair[Symbol.asyncDispose]();
  });

  /** A loopback port whose connections have the line at their other end, as a hosted service's do. */
  async function openLinePort(settings = settingsOf(here)): Promise<number> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      void lines.connect(settings).then(
        (line) => splice(tcpStream(socket), line),
        () => socket.resetAndDestroy(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUps.push(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  async function client(port: number, unit = 7): Promise<ModbusRTU> {
    const made = new ModbusRTU();
    await made.connectTCP('127.0.0.1', { port });
    made.setID(unit);
    made.setTimeout(5_000);
    cleanUps.push(() => new Promise<void>((resolve) => made.close(() => resolve())));
    return made;
  }

  it('is shared by clients of Modbus/TCP, each with the answers to its own questions', async () => {
    const port = await openLinePort();
    const [one, other] = [await client(port), await client(port)];
    const asked = [3, 40, 3, 41, 90].flatMap((address) => [
      one.readHoldingRegisters(address, 2).then(({ data }) => data[0]),
      other.readHoldingRegisters(address + 1, 1).then(({ data }) => data[0]),
    ]);
    expect(await Promise.all(asked)).toEqual([7003, 7004, 7040, 7041, 7003, 7004, 7041, 7042, 7090, 7091]);
    expect((await one.readCoils(1, 4)).data.slice(0, 4)).toEqual([true, false, true, false]);
    await other.writeRegister(5, 42);
    expect(written).toEqual(['7 5 42']);
    expect((await one.readDeviceIdentification(1, 0)).data).toMatchObject({ 0: 'Plant', 1: 'Press', 2: '1.2' });
  });

  it('says that a unit does not answer, or cannot be one, and goes on', async () => {
    const port = await openLinePort();
    const made = await client(port, 9);
    await expect(made.readHoldingRegisters(0, 1)).rejects.toMatchObject({ modbusCode: 0x0b });
    made.setID(250);
    await expect(made.readHoldingRegisters(0, 1)).rejects.toMatchObject({ modbusCode: 0x0a });
    made.setID(7);
    expect((await made.readHoldingRegisters(0, 1)).data).toEqual([7000]);
  });

  it('is held to a contract as every Modbus device is', async () => {
    await using guarded = await openGuardedPort(await openLinePort(), { modbus: { allow: 'read', units: [7] } });
    const made = await client(guarded.port);
    await expect(made.writeRegister(5, 42)).rejects.toMatchObject({ modbusCode: 1 });
    expect((await made.readHoldingRegisters(5, 1)).data).toEqual([7005]);
    expect(written).toEqual([]);
  });

  it('is opened by nobody who asks for another speed, and for nothing that is no line', async () => {
    const held = await lines.connect(settingsOf(here));
    await expect(lines.connect(settingsOf(here, '&parity=odd'))).rejects.toMatchObject({
      code: 'hosting.connect_failed',
      message: expect.stringContaining('in use otherwise') as string,
    });
    held.reset();
    for (const path of ['/dev/null', '/dev/console', '/etc/hostname', '/dev/nowhere']) {
      await expect(lines.connect(settingsOf(path))).rejects.toMatchObject({ code: 'hosting.connect_failed' });
    }
  });

  it('that is pulled out ends its sessions', async () => {
    const socket = connect(await openLinePort(), '127.0.0.1');
    const closed = new Promise<void>((resolve) => socket.on('error', () => undefined).on('close', () => resolve()));
    const answered = once(socket, 'data') as Promise<[Buffer]>;
    socket.write(Buffer.from([0, 1, 0, 0, 0, 6, 7, 3, 0, 3, 0, 1]));
    expect((await answered)[0].subarray(-2)).toEqual(Buffer.from([7003 >> 8, 7003 & 0xff]));
    await pair[Symbol.asyncDispose]();
    await closed;
  });
});
