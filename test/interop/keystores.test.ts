/** Each key store with a real life: enrol, run, dial, restart, dial again; and nothing on the disk that is a private key. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IdentityView, ServiceView } from '../../main/api/views.ts';
import { culvert, culvertJson, startCulvert } from '../support/culvert.ts';
import { describeNetworks } from '../support/networks.ts';
import { mustSkip } from '../support/optional.ts';
import { softKeyringMissing, startSoftKeyring } from '../support/soft-keyring.ts';
import { addonMissing, softHsm, softHsmMissing } from '../support/tools.ts';
import { softTpmMissing, startSoftTpm } from '../support/soft-tpm.ts';
import { dialSocks, echo } from '../support/socks-client.ts';
import { until } from '../support/until.ts';

interface Prepared {
  readonly keystore: string;
  readonly env: Readonly<Record<string, string>>;
  tearDown(): Promise<void>;
}

interface Candidate {
  readonly name: 'file' | 'keychain' | 'tpm' | 'pkcs11';
  missing(): string | undefined;
  prepare(home: string): Promise<Prepared>;
}

const candidates: readonly Candidate[] = [
  {
    name: 'file',
    missing: () => undefined,
    async prepare(home) {
      await mkdir(join(home, 'credentials'));
      await writeFile(join(home, 'credentials', 'culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
      const env = { CREDENTIALS_DIRECTORY: join(home, 'credentials') };
      return { keystore: 'file', env, tearDown: () => Promise.resolve() };
    },
  },
  {
    name: 'keychain',
    missing: softKeyringMissing,
    async prepare() {
      const keyring = await startSoftKeyring();
      return { keystore: 'keychain', env: keyring.env, tearDown: async () => keyring[Symbol.asyncDispose]() };
    },
  },
  {
    name: 'tpm',
    missing: () => softTpmMissing() ?? addonMissing(),
    async prepare(home) {
      await mkdir(join(home, 'tpm'));
      const tpm = await startSoftTpm(join(home, 'tpm'));
      return { keystore: 'tpm', env: { TPM2TOOLS_TCTI: tpm.tcti }, tearDown: () => tpm.stop() };
    },
  },
  {
    name: 'pkcs11',
    missing: softHsmMissing,
    async prepare(home) {
      await mkdir(join(home, 'tokens'));
      await writeFile(
        join(home, 'softhsm2.conf'),
        `directories.tokendir = ${join(home, 'tokens')}\nobjectstore.backend = file\n`,
      );
      const env = { SOFTHSM2_CONF: join(home, 'softhsm2.conf') };
      execFileSync(
        'softhsm2-util',
        ['--init-token', '--free', '--label', 'edge', '--pin', '1234', '--so-pin', '5678'],
        {
          env: { ...process.env, ...env },
          stdio: 'ignore',
        },
      );
      const keystore = `pkcs11:token=edge?module-path=${softHsm}&pin-value=1234`;
      return { keystore, env, tearDown: () => Promise.resolve() };
    },
  },
];

/** Anything below a directory that reads as a private key in plain. */
async function plainKeys(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.filter((one) => one.isFile())) {
    const text = await readFile(join(entry.parentPath, entry.name), 'latin1');
    if (/PRIVATE KEY/.test(text)) found.push(join(entry.parentPath, entry.name));
  }
  return found;
}

describeNetworks('key stores', (network) => {
  let home: string;
  let backend: Server;
  let serviceId: string;
  let host: Awaited<ReturnType<typeof startCulvert>>;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'culvert-keystores-'));
    backend = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    const { admin } = network();
    serviceId = await admin.createService({
      name: 'keyed',
      configs: {
        'intercept.v1': { protocols: ['tcp'], addresses: ['keyed.dark'], portRanges: [{ low: 7, high: 7 }] },
        'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: (backend.address() as AddressInfo).port },
      },
    });
    const box = await admin.createIdentity('keyed-box');
    await admin.createServicePolicy({ type: 'Bind', services: [serviceId], identities: [box.id] });
    await writeFile(join(home, 'box.jwt'), box.jwt);
    await mkdir(join(home, 'box-credentials'));
    await writeFile(join(home, 'box-credentials', 'culvert-passphrase'), 'x\n');
    const env = { CREDENTIALS_DIRECTORY: join(home, 'box-credentials') };
    expect(
      (await culvert(['enroll', join(home, 'box.jwt'), '--keystore', 'file', '--state', join(home, 'box')], { env }))
        .code,
    ).toBe(0);
    host = await startCulvert(['run', '--mode', 'host', '--state', join(home, 'box')], { env });
    await until(async () => (await admin.terminators(serviceId)).length > 0, 30_000);
  }, 120_000);

  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    backend?.close();
    await rm(home, { recursive: true, force: true });
  });

  for (const candidate of candidates) {
    describe.skipIf(mustSkip(candidate.missing()))(candidate.name, () => {
      test('enrols, dials, restarts and dials again, with no private key in plain on the disk', async () => {
        const directory = await mkdtemp(join(home, `${candidate.name}-`));
        const prepared = await candidate.prepare(directory);
        try {
          await live(directory, candidate.name, prepared);
        } finally {
          await prepared.tearDown();
        }
      }, 120_000);
    });
  }

  async function live(directory: string, name: string, { keystore, env }: Prepared): Promise<void> {
    const { admin } = network();
    const created = await admin.createIdentity(`keyed-${name}`);
    await admin.createServicePolicy({ type: 'Dial', services: [serviceId], identities: [created.id] });
    const token = join(directory, 'token.jwt');
    const state = join(directory, 'state');
    await writeFile(token, created.jwt);
    const enrolled = await culvertJson<IdentityView>(
      ['enroll', token, '--name', 'device', '--keystore', keystore, '--state', state],
      { env },
    );
    expect(enrolled).toMatchObject({ name: 'device', keystore: name });
    for (const life of ['first', 'second']) {
      const engine = await startCulvert(['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', state], {
        env,
      });
      try {
        await until(async () => {
          const services = await culvertJson<ServiceView[]>(['services', '--state', state]);
          return services.some((service) => service.name === 'keyed' && service.status === 'available');
        }, 30_000);
        const socket = await dialSocks(String(engine.ready['proxy']), 'keyed.dark', 7);
        expect(await echo(socket, `hello from the ${life} life`)).toBe(`hello from the ${life} life`);
        socket.destroy();
        const [identity] = await culvertJson<IdentityView[]>(['identity', 'list', '--state', state]);
        expect(identity).toMatchObject({ state: 'ready', keystore: name });
        expect(engine.errors()).not.toContain('1234');
      } finally {
        await engine[Symbol.asyncDispose]();
      }
    }
    expect(await plainKeys(state)).toEqual([]);
    expect((await culvert(['identity', 'remove', 'device', '--state', state], { env })).code).toBe(0);
    expect(await readdir(join(state, 'keys'))).toEqual([]);
  }
});
