/**
 * A program of its own that puts one identity to work from its state directory and renews its certificate with a new key, killed
 * (SIGKILL, by itself) at the point asked for: before the N-th call that changes the disk, or before or after the N-th request.
 *
 * Environment: `STATE`, `NAME`, `PASSPHRASE`, `DIE_AT` (1 is the first point; 0 never), `DIE_FROM` (`renewal`, or `start`: then only
 * changes to the disk count). It prints `ready` once signed in, and the point's name when it dies.
 */
import { promises as files, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { STATE = '', NAME = '', PASSPHRASE = '', DIE_AT = '0', DIE_FROM = 'renewal' } = process.env;
let armed = DIE_FROM === 'start';
let passed = 0;

function point(name: string): void {
  if (!armed) return;
  passed += 1;
  if (passed !== Number(DIE_AT)) return;
  writeSync(1, `died: ${name}\n`);
  process.kill(process.pid, 'SIGKILL');
}

const { open, rename, unlink } = files;
files.open = async (path, ...rest) => {
  // A directory is opened only to sync it, which changes nothing.
  if (kindOf(path) !== 'directory') point(`open ${kindOf(path)}`);
  const handle = await open(path, ...rest);
  const writeFile = handle.writeFile.bind(handle);
  handle.writeFile = (...written) => {
    point(`write ${kindOf(path)}`);
    return writeFile(...written);
  };
  return handle;
};
files.rename = (from, to) => {
  point(`rename ${kindOf(to)}`);
  return rename(from, to);
};
files.unlink = (path) => {
  point(`unlink ${kindOf(path)}`);
  return unlink(path);
};
syncBuiltinESMExports();

/** Names without what is random in them. */
function kindOf(path: unknown): string {
  const name = String(path).split('/').at(-1) ?? '';
  if (name.includes('.key')) return 'key';
  return name.includes('.json') ? 'record' : 'directory';
}

const { systemClock } = await import('../../main/base/clock.ts');
const { silentLog } = await import('../../main/base/log.ts');
const { SerialQueue } = await import('../../main/base/serial-queue.ts');
const { contextOpener } = await import('../../main/engine/identities/open-context.ts');
const { openIdentityStore } = await import('../../main/identity/identity-store.ts');
const { openHttpsTransport, openZitiContext } = await import('../../main/ziti/ziti.ts');
const { until } = await import('./until.ts');

const store = await openIdentityStore({ stateDirectory: STATE, log: silentLog });
const unlock = { passphrase: PASSPHRASE };
const record = await store.get(NAME);
const opening = contextOpener({
  store,
  clock: systemClock,
  log: silentLog,
  version: '0.0.0-test',
  gatherPosture: () => Promise.resolve({}),
  keyOpened: () => Promise.resolve(),
  openZitiContext: (options, more) =>
    openZitiContext(
      {
        ...options,
        open: (origin, credential) => {
          const http = openHttpsTransport(origin, credential);
          return {
            origin,
            send: async (request) => {
              const name = `${request.method} ${request.path.split('/').at(-1) ?? ''}`;
              if (DIE_FROM === 'renewal') point(`before ${name}`);
              const answer = await http.send(request);
              if (DIE_FROM === 'renewal') point(`after ${name}`);
              return answer;
            },
            [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
          };
        },
      },
      more,
    ),
});
const writes = new SerialQueue();
const context = await opening(record, await store.openKey(record, unlock), {
  unlock: () => unlock,
  name: () => record.name,
  writes,
  onRecord: () => undefined,
  signal: new AbortController().signal,
});
await until(() => context.state().kind === 'ready', 20_000);
writeSync(1, 'ready\n');
if (DIE_FROM === 'renewal') {
  // What a first sign-in teaches is written down in its own time; let that be over.
  await until(async () => (await store.get(NAME)).controllerName !== undefined);
  await writes.idle();
  armed = true;
  await context.renewCertificate({ rollKey: true });
  armed = false;
  writeSync(1, 'renewed\n');
}
await context[Symbol.asyncDispose]();
process.exit(0);
