/** One simulated device of the fleet's benchmark, a process of its own: enrols, writes a signed journal, then sends it and obeys the desk. */
import { join } from 'node:path';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { RecordSender } from '../../main/engine/record/record-sender.ts';
import { newSoftwareKey, enroll, openZitiContext } from '../../main/ziti/ziti.ts';
import { openSignedJournal, enrolIdentity } from '../support/signed-journal.ts';

/** What a device is told by its starter. */
export interface FleetDeviceOrder {
  readonly name: string;
  readonly directory: string;
  readonly service: string;
  readonly jwt: string;
  readonly records: number;
}

const programs = ['node', 'python3', 'claude', 'codex', 'curl', 'psql'];
const tools = ['read_file', 'search', 'send_mail', 'write_row', 'list_tables'];

/** Until its standard input ends: writes, says `written`, waits for a line, sends. */
export async function runFleetDevice({ name, directory, service, jwt, records }: FleetDeviceOrder): Promise<void> {
  const state = join(directory, name);
  await using journal = await openSignedJournal(state, { clock: systemClock });
  await enrolIdentity(journal, name);
  for (let i = 1; i <= records; i += 1) {
    journal.audit.record({
      kind: i % 3 === 0 ? 'call' : 'verdict',
      service: `service-${i % 40}`,
      identity: name,
      app: `/usr/bin/${programs[i % programs.length]}`,
      decision: i % 50 === 0 ? 'deny' : 'allow',
      ...(i % 3 === 0 ? { method: 'tools/call', target: tools[i % tools.length] } : { session: `s-${name}-${i}` }),
      reason: i % 50 === 0 ? `refused by rule number ${i % 7}` : 'allowed by the service policy and the contract',
    });
    // The journal writes behind; a burst of everything at once would only fill memory.
    if (i % 2000 === 0) await journal.audit.checkpoint();
  }
  await journal.audit.checkpoint();
  process.stdout.write(`written ${journal.audit.head().count}\n`);
  await new Promise((resolve) => process.stdin.once('data', resolve));
  const key = await newSoftwareKey();
  const identity = await enroll({ jwt, clock: systemClock, prepareKey: () => Promise.resolve(key) });
  const { apis, caPem, certPem = '' } = identity;
  const credential = { kind: 'certificate', certPem, key } as const;
  const context = await openZitiContext({
    name,
    apis,
    caPem,
    credential,
    clock: systemClock,
    log: silentLog,
    version: 'bench',
  });
  const sender = new RecordSender({
    stateDirectory: state,
    service,
    clock: systemClock,
    dial: (wanted, signal) => {
      const id = context.services().find((one) => one.name === wanted)?.id ?? '';
      return context.dial(id, { signal });
    },
    signer: () => journal.journalKey.signer(),
    certificates: () => [],
    audit: journal.audit,
    log: silentLog,
    raise: ({ text }) => void process.stdout.write(`alert ${text}\n`),
    obey: () => 'quarantined',
  });
  await new Promise((resolve) => process.stdin.once('end', resolve).resume());
  await sender[Symbol.asyncDispose]();
  await context[Symbol.asyncDispose]();
}
