/** What the guards of the floor's protocols cost: one client that asks and waits, with and without a guard, its device and itself in processes of their own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { opcua } from '../support/floor-frames.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { quantile } from './figures.ts';

/** Answers each request with the same value: of Modbus two registers, of OPC UA one number. */
const deviceSource = `
import { createServer } from 'node:net';
const [protocol, hex] = process.argv.slice(2);
const answer = Buffer.from(hex, 'hex');
createServer((socket) => {
  socket.setNoDelay(true);
  let held = Buffer.alloc(0);
  let sequence = 0;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (;;) {
      const length = held.length < 8 ? Infinity : protocol === 'modbus' ? 6 + held.readUInt16BE(4) : held.readUInt32LE(4);
      if (held.length < length) return;
      const told = Buffer.from(answer);
      if (protocol === 'modbus') held.copy(told, 0, 0, 2);
      else { sequence += 1; told.writeUInt32LE(sequence, 16); held.copy(told, 20, 20, 24); }
      held = held.subarray(length);
      socket.write(told);
    }
  });
}).listen(0, '127.0.0.1', function () { process.send(this.address().port); });
`;
const clientSource = `
import { connect } from 'node:net';
const [protocol, hex, length, port, seconds] = process.argv.slice(2);
const request = Buffer.from(hex, 'hex');
const socket = connect(Number(port), '127.0.0.1');
socket.setNoDelay(true);
await new Promise((resolve) => socket.on('connect', resolve));
let got = 0;
let told = () => {};
socket.on('data', (chunk) => { got += chunk.length; if (got >= Number(length)) { got = 0; told(); } });
let number = 0;
const ask = () => new Promise((resolve) => {
  told = resolve;
  number += 1;
  if (protocol === 'modbus') request.writeUInt16BE(number & 0xffff, 0);
  else { request.writeUInt32LE(number, 16); request.writeUInt32LE(number, 20); }
  socket.write(request);
});
const run = async (ms) => {
  const times = [];
  const until = performance.now() + ms;
  while (performance.now() < until) { const from = performance.now(); await ask(); times.push(performance.now() - from); }
  return times;
};
await run(500);
process.send(await run(Number(seconds) * 1000), () => process.exit(0));
`;

/** A read of two registers; a read of one node and its number. */
const messages = {
  modbus: {
    request: Uint8Array.of(0, 1, 0, 0, 0, 6, 1, 3, 0, 40, 0, 2),
    answer: Uint8Array.of(0, 1, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2),
  },
  opcua: {
    request: opcua.message(1, 1, opcua.read(1, 'Speed')),
    answer: opcua.answer(1, 1, 634, 1, [1, 0, 0, 0, 1, 6, 7, 0, 0, 0, 255, 255, 255, 255]),
  },
} as const;

export interface FloorRound {
  readonly rates: { readonly plain: number; readonly guarded: number };
  readonly p99Ms: { readonly plain: number; readonly guarded: number };
}

/** Requests a second of one client, turn by turn without and with the guard. */
export async function measureFloorGuard(protocol: 'modbus' | 'opcua', rounds: number): Promise<readonly FloorRound[]> {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-bench-'));
  await writeFile(join(directory, 'device.mjs'), deviceSource);
  await writeFile(join(directory, 'client.mjs'), clientSource);
  const { request, answer } = messages[protocol];
  const device = fork(join(directory, 'device.mjs'), [protocol, hex(answer)], { execArgv: [] });
  try {
    const [port] = (await once(device, 'message')) as [number];
    const measure = async (terms: unknown): Promise<readonly number[]> => {
      await using guarded = await openGuardedPort(port, terms, { quiet: true });
      const asked = [protocol, hex(request), String(answer.length), String(guarded.port), '2'];
      const client = fork(join(directory, 'client.mjs'), asked, { execArgv: [] });
      const [times] = (await once(client, 'message')) as [number[]];
      return times;
    };
    const measured: FloorRound[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const plain = await measure(undefined);
      const guarded = await measure({ [protocol]: { allow: 'read' } });
      measured.push({
        rates: { plain: plain.length / 2, guarded: guarded.length / 2 },
        p99Ms: { plain: quantile(plain, 0.99), guarded: quantile(guarded, 0.99) },
      });
    }
    return measured;
  } finally {
    device.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
