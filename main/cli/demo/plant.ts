/**
 * Scenario `plant`: a maintenance laptop reads one PLC behind an edge box, for two hours, through one session, read-only by contract; who
 * did what stands in a record that shows tampering.
 */
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { RecordingView } from '../../api/floor-views.ts';
import type { Cli } from '../cli.ts';
import { openPlc } from './plc.ts';
import { openS7Plc } from './s7-plc.ts';
import { s7Port, visitS7 } from './s7-visit.ts';
import {
  onStage,
  darkConfigs,
  failed,
  startDevice,
  waitUntil,
  waitUntilHosted,
  type Demo,
  type Narrate,
} from './stage.ts';
import { openTunnel } from './tunnel.ts';

const laptop = 'maintenance-laptop';
const box = 'edge-box';
const service = 'press-7.plc';
const s7Service = 'press-8.plc';
/** Modbus/TCP's port. Source: IANA service names, mbap. */
const modbusPort = 502;
const answerTimeoutMs = 10_000;

const contract = {
  maxDurationSeconds: 7200,
  idleTimeoutSeconds: 900,
  maxSessions: 1,
  modbus: { allow: 'read', units: [1] },
};

const s7Contract = {
  maxDurationSeconds: 7200,
  maxSessions: 1,
  s7: { allow: 'read', objects: [{ area: 'db', db: 1 }] },
  approval: { by: [box], forSeconds: 1800, reason: 'required' },
  record: { values: true, pcap: true },
};

/** Run the scenario; resolves with everything still up. Throws where any step fails, leaving nothing behind. */
export function openPlant(cli: Cli, narrate: Narrate): Promise<Demo> {
  return onStage((stack, directory) => scenario(cli, narrate, stack, directory));
}

async function scenario(cli: Cli, narrate: Narrate, stack: DisposalStack, directory: string): Promise<Demo> {
  const { programs } = cli;
  const plc = stack.use(await openPlc());
  narrate(
    'A PLC (simulated) speaks Modbus/TCP on the machine network',
    `port ${plc.port}; it knows no login and no password`,
  );

  const s7Plc = stack.use(await openS7Plc());
  const s7Configs = { ...darkConfigs(s7Service, s7Port, s7Plc.port), 'culvert.contract.v1': s7Contract };
  const configs = { ...darkConfigs(service, modbusPort, plc.port), 'culvert.contract.v1': contract };
  const overlay = stack.use(
    await programs.openOverlay({
      directory: join(directory, 'overlay'),
      seed: {
        identities: [laptop, box],
        services: [
          { name: service, configs, dial: [laptop], bind: [box] },
          { name: s7Service, configs: s7Configs, dial: [laptop], bind: [box] },
        ],
      },
    }),
  );
  const { tokens } = overlay;
  await startDevice({ name: box, mode: 'host', tokens, directory, programs }, stack);
  await waitUntilHosted(cli, join(directory, box));
  narrate(`"${box}" hosts the PLC as the dark service ${service}`, 'no inbound port was opened on the floor');
  const engine = await startDevice({ name: laptop, mode: 'proxy', tokens, directory, programs }, stack);
  const proxy = engine.ready.proxy ?? '';
  const state = join(directory, laptop);
  narrate(`"${laptop}" may reach it under a contract`, 'two hours, one session at a time, Modbus reads of unit 1 only');

  const socket = await openTunnel(proxy, service, modbusPort);
  stack.defer(() => void socket.destroy());
  // Read holding registers 40 to 43: MODBUS Application Protocol 1.1b3 section 6.3.
  const read = await ask(socket, 1, [3, 0, 40, 0, 4]);
  if (read.length !== 9 + 8) throw failed('the registers could not be read');
  const values = [9, 11, 13, 15].map((at) => read.readUInt16BE(at));
  narrate('It reads the holding registers 40 to 43', values.join(', '));

  // Write single register (6) and multiple registers (16): sections 6.6 and 6.12.
  for (const [transaction, pdu] of [[2, [6, 0, 40, 0, 0]] as const, [3, [16, 0, 40, 0, 1, 2, 0, 0]] as const]) {
    const answer = await ask(socket, transaction, pdu);
    if (answer[7] !== (pdu[0] | 0x80) || answer[8] !== 1) throw failed('a write was not refused');
  }
  if (plc.writes() !== 0) throw failed('a write reached the PLC');
  narrate(
    'It tries to write registers: exception 01, from the guard',
    `what reached the PLC: reads ${plc.reads()}, writes ${plc.writes()}`,
  );

  const second = await openTunnel(proxy, service, modbusPort).then(
    (opened) => opened,
    (error: Error) => error.message,
  );
  if (typeof second !== 'string') throw failed('a second session was let in');
  narrate('A second session at the same time is refused', second);

  const calls = await cli.withEngine({ state }, (client) => client.audit.search({ kind: 'call', service, limit: 10 }));
  const denied = calls.filter((call) => call['decision'] === 'deny').length;
  if (calls.length !== 3 || denied !== 2) throw failed('the record does not hold what was done');
  await letIn(cli, proxy, join(directory, box), narrate);
  await visitS7(proxy, s7Service, s7Plc, narrate);
  await readBack(cli, join(directory, box), narrate);

  const verified = await programs.verifyAudit(state);
  if (!verified.ok) throw failed('the record does not verify');
  narrate('Every read and every refused write stands in the record', `${verified.count} records, chain unbroken`);
  // The one that is still up.
  const listed = await cli.withEngine({ state }, (client) => client.session.list());
  const sessions = listed.filter((session) => session.service === service);
  return {
    state,
    mode: 'proxy',
    proxy,
    sessions,
    next: [
      [`CULVERT audit search --kind call --state ${state}`, 'who read and tried to write what, and which rule decided'],
      [`CULVERT audit verify --state ${state}`, 'the chain of records, checked'],
      [`CULVERT why ${service}:${modbusPort} --state ${state}`, 'each step from the name to who hosts it'],
    ],
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** The second PLC is nobody's without a word from the floor: the vendor asks by dialling, whoever is at the box says yes, with a reason. */
async function letIn(cli: Cli, proxy: string, state: string, narrate: Narrate): Promise<void> {
  const refused = await openTunnel(proxy, s7Service, s7Port).then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (refused === undefined) throw failed('the second PLC was reached without approval');
  const id = await cli.withEngine({ state }, async (client) => {
    const waiting = await client.approval.list();
    const row = waiting.find(({ service: asked, state: stands }) => asked === s7Service && stands === 'pending');
    if (row === undefined) throw failed('nothing waits for approval');
    narrate('A second PLC asks for a person first: the vendor is refused, the floor is asked', refused);
    await client.approval.answer({ id: row.id, grant: true, minutes: 30, reason: 'the belt is stuck' });
    return row.id;
  });
  narrate(
    'The floor operator says yes, for half an hour: "the belt is stuck"',
    `culvert session attend ${id} shows it what is done`,
  );
}

/** The box kept its session with the second PLC: who did what, with values. */
async function readBack(cli: Cli, state: string, narrate: Narrate): Promise<void> {
  let found: RecordingView | undefined;
  await waitUntil(cli, 'the recording is closed', async () => {
    const kept = await cli.withEngine({ state }, (client) => client.record.list());
    found = kept.find((one) => one.service === s7Service && one.endedAt !== undefined);
    return found !== undefined;
  });
  const { session = '', caller = '' } = found ?? {};
  const { calls } = await cli.withEngine({ state }, (client) => client.record.show({ session }));
  const read = calls.find((call) => call['method'] === 'read-var');
  const values = JSON.stringify(read?.['arguments']);
  if (!values.includes('01020304')) throw failed('the recording does not hold what was read');
  narrate(
    'The box kept that session, sealed; read back it says who did what',
    `${caller} read-var ${String(read?.['target'])}: 01 02 03 04`,
  );
}

/** One request, one answer. MBAP header: MODBUS Messaging on TCP/IP 1.0b section 3.1.3. */
function ask(socket: Socket, transaction: number, pdu: readonly number[]): Promise<Buffer> {
  socket.write(Buffer.from([0, transaction, 0, 0, 0, pdu.length + 1, 1, ...pdu]));
  return new Promise((resolve, reject) => {
    let held = Buffer.alloc(0);
    const timer = setTimeout(() => done(() => reject(failed('the PLC did not answer'))), answerTimeoutMs);
    const onData = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk]);
      if (held.length >= 6 && held.length >= 6 + held.readUInt16BE(4)) done(() => resolve(held));
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
