/** The plant scenario's second machine: a controller that speaks S7comm is read, and neither written nor stopped. */
import type { Socket } from 'node:net';
import { failed, type Narrate } from './stage.ts';
import { tpkt, type S7Plc } from './s7-plc.ts';
import { openTunnel } from './tunnel.ts';

/** Source: IANA service names, iso-tsap. */
export const s7Port = 102;
const answerTimeoutMs = 10_000;

/** Reads, tries to write and to stop; ends its session. Throws where anything went otherwise. */
export async function visitS7(proxy: string, service: string, plc: S7Plc, narrate: Narrate): Promise<void> {
  const socket = await openTunnel(proxy, service, s7Port);
  try {
    await ask(socket, Buffer.from('0300001611e00000000100c1020100c2020101c0010a', 'hex'));
    await ask(socket, Buffer.from('0300001902f08032010000000100080000f0000001000101e0', 'hex'));
    // Four bytes of data block 1, from the first.
    const item = [0x12, 0x0a, 0x10, 2, 0, 4, 0, 1, 0x84, 0, 0, 0];
    const read = await ask(socket, job(1, [4, 1, ...item], []));
    const values = [...read.subarray(-4)];
    if (values.join() !== '1,2,3,4') throw failed('the data block could not be read');
    narrate('That PLC speaks S7comm: it reads DB1.DBB0 to DB1.DBB3', values.join(', '));

    const write = await ask(socket, job(2, [5, 1, 0x12, 0x0a, 0x10, 2, 0, 1, 0, 1, 0x84, 0, 0, 0], [0, 4, 0, 8, 0]));
    const stop = await ask(socket, job(3, [0x29, 0, 0, 0, 0, 0, 9, ...Buffer.from('P_PROGRAM')], []));
    // Accessing the object is not allowed; the service is not implemented.
    if (write.at(-1) !== 3 || stop[17] !== 0x81) throw failed('a write or a stop was not refused');
    if (plc.others() !== 0) throw failed('a write or a stop reached the PLC');
    narrate(
      'It tries to write, and to stop it: refused in the words of S7comm',
      `what reached that PLC: reads ${plc.reads()}, all else ${plc.others()}`,
    );
  } finally {
    socket.destroy();
  }
}

function job(reference: number, parameter: readonly number[], data: readonly number[]): Buffer {
  return tpkt(Buffer.from([0x32, 1, 0, 0, 0, reference, 0, parameter.length, 0, data.length, ...parameter, ...data]));
}

function ask(socket: Socket, request: Buffer): Promise<Buffer> {
  socket.write(request);
  return new Promise((resolve, reject) => {
    let held = Buffer.alloc(0);
    const timer = setTimeout(() => done(() => reject(failed('the PLC did not answer'))), answerTimeoutMs);
    const onData = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk]);
      if (held.length >= 4 && held.length >= held.readUInt16BE(2)) done(() => resolve(held));
    };
    const onClose = (): void => done(() => reject(failed('the session was closed')));
    const done = (settle: () => void): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onClose);
      settle();
    };
    socket.on('data', onData).on('close', onClose);
  });
}
