import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, unzipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { bundleOfDirectory } from '../../main/engine/bundle/bundle.ts';
import { noteEngine } from '../../main/engine/runtime/lineage-record.ts';
import { Redactor } from '../../main/engine/bundle/redactor.ts';
import { zipBundle } from '../../main/engine/bundle/zip-bundle.ts';
import { offlineBundle } from '../../main/engine/offline/offline.ts';
import { openLog } from '../../main/engine/runtime/logger.ts';
import { culvert, culvertJson, startCulvert } from '../support/culvert.ts';
import { keepsModes } from '../support/modes.ts';

const pem = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;
const keyBody = pem.split('\n')[1]!;

/** Planted, and found nowhere in a bundle. */
const secrets = {
  jwt: 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2N0cmwifQ.c2lnbmF0dXJlLW9mLXRva2Vu',
  bearer: 'otlp-bearer-9f8e7d6c5b4a',
  password: 'hunter2-hunter2',
  session: '0f6e7f1c-8a14-4b7e-9b39-2b0c6f1e9a77',
  pin: '7391-swordfish',
  github: 'ghp_16C7e42F292c6912E7710c838347Ae178B4a',
  keyBody,
  keyBlob: 'QXJnb24yaWQtc2VhbGVkLWtleS1ibG9iLTEyMzQ1Njc4OTA+/w==',
} as const;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'culvert-bundle-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function contents(zip: Uint8Array): Record<string, string> {
  return Object.fromEntries(Object.entries(unzipSync(zip)).map(([name, bytes]) => [name, strFromU8(bytes)]));
}

function expectNone(zip: Uint8Array, planted: Readonly<Record<string, string>>): void {
  const all = Object.values(contents(zip)).join('\n');
  const leaked = Object.entries(planted).filter(([, text]) => all.includes(text));
  expect(leaked.map(([name]) => name)).toEqual([]);
}

async function plant(): Promise<void> {
  await writeFile(
    join(directory, 'culvert.yaml'),
    [
      'mode: host',
      `log: { file: ${join(directory, 'engine.log')} }`,
      'exporters:',
      `  - { type: otlp, url: "https://otel:${secrets.password}@logs.acme.example/v1?key=${secrets.bearer}", headers: { x-tenant: "${secrets.bearer}" } }`,
      `agents: { coder: { identity: alice-agent, path: /home/alice/bin/coder } }`,
    ].join('\n'),
  );
  await writeFile(
    join(directory, 'engine.log'),
    [
      JSON.stringify({
        level: 'info',
        event: 'ziti.connected',
        controller: 'https://ctrl.acme.example:1280',
        token: secrets.jwt,
      }),
      JSON.stringify({
        level: 'warn',
        event: 'x',
        message: `exporter said: header ${secrets.bearer} is wrong`,
        user: 'alice',
      }),
      `plain text zt-session: ${secrets.session} and Authorization: Bearer ${secrets.jwt}`,
      `pkcs11:token=box?module-path=/usr/lib/x.so&pin-value=${secrets.pin} remote ${secrets.github}`,
      JSON.stringify({ level: 'error', event: 'y', message: pem }),
      `dial from 10.20.30.40 by alice to build.acme.example failed at fd00::17`,
    ].join('\n'),
  );
  await mkdir(join(directory, 'identities'));
  await writeFile(
    join(directory, 'identities', 'laptop.json'),
    JSON.stringify({
      ztAPI: 'https://ctrl.acme.example:1280/edge/client/v1',
      id: { key: `pem:${pem}`, ca: 'pem:' },
      culvert: { version: 1, enabled: true, scope: 'machine', keystore: 'file', keyReference: secrets.keyBlob },
    }),
  );
  await mkdir(join(directory, 'host-journal'));
  await writeFile(
    join(directory, 'host-journal', 'host-changes.jsonl'),
    `${JSON.stringify({ id: 1, change: { kind: 'file', path: '/etc/resolv.conf', before: { kind: 'file', contentBase64: 'c2VjcmV0LWluLWEtZmlsZQ==', mode: 420 }, ownSha256: 'a'.repeat(64) } })}\n`,
  );
}

describe('a bundle of a directory', () => {
  it.each(['basic', 'full'] as const)('%s: holds no secret that lay in settings, log or identity', async (level) => {
    await plant();
    const { zip, entries } = await offlineBundle(directory, level, '0.0.0');
    expectNone(zip, { ...secrets, file: 'c2VjcmV0LWluLWEtZmlsZQ', bearerInUrl: `key=${secrets.bearer}` });
    const files = contents(zip);
    expect(Object.keys(files).sort()).toEqual([
      'about.json',
      'audit-tail.jsonl',
      'audit-verify.json',
      'host-journal.jsonl',
      'identities.json',
      'log.jsonl',
      'policy.json',
      'settings.json',
    ]);
    expect(entries.find(({ name }) => name === 'settings.json')?.redactions).toBeGreaterThan(1);
    expect(entries.find(({ name }) => name === 'log.jsonl')?.bytes).toBe(Buffer.byteLength(files['log.jsonl']!));
    expect(files['log.jsonl']).toContain('ziti.connected');
  });

  it('basic: users become stand-ins, everything else stays readable', async () => {
    await plant();
    const { zip } = await offlineBundle(directory, 'basic', '0.0.0');
    const log = contents(zip)['log.jsonl']!;
    expect(log).not.toMatch(/\balice\b/);
    expect(log).toContain('build.acme.example');
    expect(log).toContain('10.20.30.40');
    const stands = new Set(
      Object.values(contents(zip))
        .join('\n')
        .match(/user-[0-9a-f]{10}/g),
    );
    expect(stands.size).toBe(1);
  });

  it('full: names and addresses become stand-ins, the same one everywhere', async () => {
    await plant();
    const { zip } = await offlineBundle(directory, 'full', '0.0.0');
    expectNone(zip, {
      host: 'acme.example',
      v4: '10.20.30.40',
      v6: 'fd00::17',
      agent: 'coder',
      identity: 'alice-agent',
    });
    const { 'log.jsonl': log, 'identities.json': identities } = contents(zip);
    expect(log).toContain('ziti.connected');
    const host = /https:\/\/(host-[0-9a-f]{10}):1280/.exec(identities!)?.[1];
    expect(host).toBeDefined();
    expect(log).toContain(host);
  });

  it('tells what could not be read instead of failing', async () => {
    await writeFile(join(directory, 'culvert.yaml'), `mode: [\npassword: ${secrets.password}\n`);
    const { zip } = await bundleOfDirectory('basic', {
      stateDirectory: directory,
      version: '0.0.0',
      clock: systemClock,
      identities: () => Promise.reject(new Error('the disk is gone')),
    });
    expectNone(zip, secrets);
    const files = contents(zip);
    expect(files['settings.json.failed.json']).toContain('culvert.yaml');
    expect(files['identities.json.failed.json']).toContain('the disk is gone');
  });

  it('of a directory has the settings its engine last ran with, and the rules that these name', async () => {
    const state = join(directory, 'elsewhere');
    await mkdir(join(state, 'rules'), { recursive: true });
    const configFile = join(state, 'service.yaml');
    await writeFile(configFile, `policy: { directory: ${JSON.stringify(join(state, 'rules'))} }\n`);
    await writeFile(join(state, 'rules', 'mine.cedar'), 'permit(principal, action, resource);\n');
    await noteEngine(state, new Set(), configFile);
    const { zip } = await bundleOfDirectory('basic', {
      stateDirectory: state,
      version: '0.0.0',
      clock: systemClock,
      identities: () => Promise.resolve([]),
    });
    const files = contents(zip);
    expect(files['settings.json']).toContain('directory');
    expect(JSON.parse(files['policy.json'] ?? '')).toMatchObject({ files: 1, rules: 1 });
  });
});

describe('the redactor', () => {
  it('does not take Culvert’s own words for names, even where a service is called like one', () => {
    const { zip } = zipBundle(
      [
        {
          name: 'a.json',
          value: [{ name: 'open', state: 'open', code: 'ziti.dial.refused', text: 'ziti.dial.refused' }],
        },
      ],
      'full',
    );
    const [row] = JSON.parse(contents(zip)['a.json']!) as [Record<string, string>];
    expect(row['state']).toBe('open');
    expect(row['name']).toMatch(/^name-/);
    expect(row['text']).toBe('ziti.dial.refused');
  });

  it('keeps hashes, times and versions', () => {
    const redactor = new Redactor('full');
    for (const text of ['a1'.repeat(32), '2026-01-02T03:04:05.678Z', 'v20.20.2', '/usr/lib/culvert/dist/culvert.mjs']) {
      expect(redactor.text(text)).toBe(text);
    }
  });

  it('leaves recorded arguments and secret groups out whole', () => {
    const redactor = new Redactor('basic');
    const shown = redactor.value({ arguments: { path: '/x' }, headers: { a: 'b' }, token: '', keyReference: 'blob' });
    expect(shown).toEqual({
      arguments: '[payload]',
      headers: { a: '[secret]' },
      token: '',
      keyReference: '[secret]',
    });
  });
});

describe('the log', () => {
  it('remembers its last lines, and no more than that', () => {
    const log = openLog({ level: 'info' });
    for (let number = 0; number < 2100; number++) log.info('tick', { number });
    const lines = log.recent();
    expect(lines).toHaveLength(2000);
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ event: 'tick', number: 2099 });
  });
});

describe('culvert bundle', () => {
  it('asks the running engine, or reads the directory; --preview writes nothing', { timeout: 60_000 }, async () => {
    await writeFile(
      join(directory, 'culvert.yaml'),
      `exporters: [{ type: otlp, url: "http://127.0.0.1:9/", headers: { key: "${secrets.bearer}" } }]\n`,
    );
    const file = join(directory, 'help.zip');
    const preview = await culvertJson<{ file?: string; entries: { name: string }[] }>([
      'bundle',
      '--preview',
      '--redact',
      'full',
      file,
      '--state',
      directory,
    ]);
    expect(preview.file).toBeUndefined();
    expect(preview.entries.map(({ name }) => name)).toContain('about.json');
    {
      await using engine = await startCulvert(['run', '--mode', 'host', '--state', directory]);
      expect(engine.ready).toMatchObject({ mode: 'host' });
      const made = await culvertJson<{ engineRunning: boolean; entries: { name: string; redactions: number }[] }>([
        'bundle',
        file,
        '--state',
        directory,
      ]);
      expect(made.engineRunning).toBe(true);
      const { readFile, stat } = await import('node:fs/promises');
      const zip = await readFile(file);
      if (keepsModes) expect((await stat(file)).mode & 0o777).toBe(0o600);
      expectNone(zip, secrets);
      const files = contents(zip);
      expect(JSON.parse(files['status.json']!)).toMatchObject({ mode: 'host' });
      expect(files['log.jsonl']).toContain('engine.ready');
      expect(files['audit-tail.jsonl']).toContain('engine.started');
      expect(made.entries.map(({ name }) => name).sort()).toEqual(Object.keys(files).sort());
    }
    const refused = await culvert(['bundle', join(directory, 'no', 'such.zip'), '--state', directory]);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('cannot write');
  });
});
