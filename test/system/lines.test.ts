/** Lines that are not a laboratory's: a satellite's, one that loses packets, one that goes away; through a relay of our own between two namespaces. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { culvertJson, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { mustSkip } from '../support/optional.ts';
import { toolsMissing } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { Namespace, whyNoNamespaces } from './support/netns.ts';

const here = dirname(fileURLToPath(import.meta.url));
const farAddress = '10.88.0.2';
const largeBytes = 512 * 1024;

describe.skipIf(mustSkip(whyNoNamespaces() ?? toolsMissing('python3')))('a line', () => {
  let home: string;
  let near: Namespace;
  let far: Namespace;
  let relay: ChildProcess;
  const running: RunningCulvert[] = [];
  let engine: RunningCulvert;
  let env: Record<string, string>;

  const within = (namespace: Namespace): string[] => ['ip', 'netns', 'exec', namespace.name];
  const state = (name: string): string[] => ['--state', join(home, name)];

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'culvert-lines-'));
    mkdirSync(join(home, 'credentials'));
    mkdirSync(join(home, 'files'));
    writeFileSync(join(home, 'credentials', 'culvert-passphrase'), 'a passphrase for a test');
    writeFileSync(join(home, 'files', 'small'), 'hello from afar');
    writeFileSync(join(home, 'files', 'large'), Buffer.alloc(largeBytes, 'x'));
    env = { CREDENTIALS_DIRECTORY: join(home, 'credentials') };
    near = new Namespace();
    far = new Namespace();
    await layLine();
    const web = far.spawn('python3', [
      '-m',
      'http.server',
      '8088',
      '--bind',
      '127.0.0.1',
      '--directory',
      join(home, 'files'),
    ]);
    web.stderr?.resume();
    writeFileSync(join(home, 'seed.json'), JSON.stringify(seed));
    running.push(
      await startCulvert(
        [
          'overlay',
          '--listen',
          `${farAddress}:7443`,
          '--dir',
          join(home, 'overlay'),
          '--seed',
          join(home, 'seed.json'),
        ],
        { within: within(far), env },
      ),
    );
    for (const [name, namespace] of [
      ['far', far],
      ['near', near],
    ] as const) {
      const token = join(home, 'overlay', `${name}.jwt`);
      await culvertJson(['enroll', token, '--name', name, '--keystore', 'file', ...state(name)], {
        within: within(namespace),
        env,
      });
    }
    running.push(await startCulvert(['run', '--mode', 'host', ...state('far')], { within: within(far), env }));
    await startNear();
    await fetches('small');
  }, 240_000);

  afterAll(async () => {
    for (const one of running.splice(0).reverse()) await one[Symbol.asyncDispose]();
    relay?.kill('SIGKILL');
    near?.[Symbol.dispose]();
    far?.[Symbol.dispose]();
    rmSync(home, { recursive: true, force: true });
  }, 60_000);

  /** Both ends of the relay's line, one in each namespace. */
  async function layLine(): Promise<void> {
    const [a, b] = [`ln${process.pid % 100_000}a`, `ln${process.pid % 100_000}b`];
    relay = spawn('python3', [join(here, 'support', 'line.py'), a, b], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(createInterface({ input: relay.stdout! }), 'line');
    for (const [device, namespace, address] of [
      [a, near, '10.88.0.1/30'],
      [b, far, `${farAddress}/30`],
    ] as const) {
      const moved = spawnSync('ip', ['link', 'set', device, 'netns', namespace.name]);
      if (moved.status !== 0) throw new Error(`${device} cannot be moved: ${moved.stderr.toString()}`);
      namespace.ip('address', 'add', address, 'dev', device);
      namespace.ip('link', 'set', device, 'up');
    }
  }

  function set(line: { readonly delay?: number; readonly loss?: number; readonly down?: boolean }): void {
    relay.stdin?.write(`${JSON.stringify({ delay: 0, loss: 0, down: false, ...line })}\n`);
  }

  async function startNear(): Promise<void> {
    engine = await startCulvert(['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:1088', ...state('near')], {
      within: within(near),
      env,
    });
    running.push(engine);
  }

  async function stopNear(): Promise<void> {
    running.splice(running.indexOf(engine), 1);
    await engine[Symbol.asyncDispose]();
  }

  const fetchOnce = (file: string, seconds: number): Promise<{ code: number; stdout: string }> =>
    near.run(
      'curl',
      ['-s', '--max-time', String(seconds), '--socks5-hostname', '127.0.0.1:1088', `http://web.dark/${file}`],
      (seconds + 5) * 1000,
    );

  /** The file arrives whole, tried until it does. */
  async function fetches(file: 'small' | 'large', withinMs = 60_000): Promise<void> {
    const length = file === 'small' ? 'hello from afar'.length : largeBytes;
    await until(async () => (await fetchOnce(file, 45)).stdout.length === length, withinMs);
  }

  it.each([
    ['of a satellite, 600 ms there and back', { delay: 0.3 }],
    ['that loses one packet in fifty', { delay: 0.02, loss: 0.02 }],
  ])(
    '%s: an engine starts over it, connects and transfers',
    async (_what, line) => {
      set(line);
      await stopNear();
      await startNear();
      await fetches('small');
      await fetches('large', 90_000);
      set({});
    },
    240_000,
  );

  it('that goes away and comes back is used again by itself', async () => {
    set({ down: true });
    const during = await fetchOnce('small', 5);
    expect(during.stdout).toBe('');
    set({});
    await fetches('small', 90_000);
  }, 180_000);
});

const seed = {
  identities: ['near', 'far'],
  services: [
    {
      name: 'web',
      configs: {
        'intercept.v1': { addresses: ['web.dark'], portRanges: [{ low: 80, high: 80 }], protocols: ['tcp'] },
        'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: 8088 },
      },
      dial: ['near'],
      bind: ['far'],
    },
  ],
};
