import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TunnelerError } from '../../main/base/errors.ts';
import { openOverlay, type Overlay } from '../../main/overlay/overlay.ts';
import { seedOverlay } from '../../main/overlay/seed.ts';
import { enrolClient } from '../support/overlay-client.ts';
import { keepsModes } from '../support/modes.ts';

let directory: string;
const open: Overlay[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'culvert-overlay-state-'));
});

afterEach(async () => {
  for (const overlay of open.splice(0)) await overlay.close();
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Parameters<typeof openOverlay>[0] = {}): Promise<Overlay> {
  const overlay = await openOverlay({ dir: directory, ...options });
  open.push(overlay);
  return overlay;
}

function failure(promise: Promise<unknown>): Promise<TunnelerError> {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error as TunnelerError,
  );
}

const seed = {
  identities: ['laptop', 'box'],
  services: [{ name: 'web', configs: { 'host.v1': { port: 80 } }, dial: ['laptop'], bind: ['box'] }],
};

describe('the state of the embedded overlay', () => {
  test('outlives a restart: ports, trust, identities, services, open sessions', async () => {
    const first = await start();
    const client = await enrolClient(first, 'laptop');
    await seedOverlay(first, { services: [{ name: 'web', dial: ['laptop'] }] }, directory);
    await client.signIn();
    await first.close();
    const second = await start();
    expect([second.controller, second.router, second.caPem]).toEqual([first.controller, first.router, first.caPem]);
    expect((await client.call('GET', 'services')).at('data.0.name')).toBe('web');
    expect((await client.signIn()).status).toBe(200);
  });

  test('is one file that only its owner reads', async () => {
    await (await start()).close();
    if (keepsModes) expect((await stat(join(directory, 'overlay.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['overlay.json']);
  });

  test.each([
    ['cut short', (text: string) => text.slice(0, text.length / 2)],
    ['another document', () => '{"format":"something else"}'],
    ['without a key', (text: string) => text.replace('"intermediate"', '"gone"')],
  ])('when corrupt (%s) it is refused and left as it is', async (_, corrupt) => {
    await (await start()).close();
    const path = join(directory, 'overlay.json');
    const text = corrupt(await readFile(path, 'utf8'));
    await writeFile(path, text);
    const error = await failure(start());
    expect([error.code, error.details['path']]).toEqual(['overlay.state_corrupt', path]);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  test('a port in use is told as that, and nothing is left running', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const { port } = blocker.address() as AddressInfo;
    expect((await failure(start({ listen: `127.0.0.1:${port}` }))).code).toBe('net.address_in_use');
    expect((await failure(start({ listen: 'nonsense' }))).code).toBe('overlay.invalid');
    blocker.close();
  });

  test('new host names get new certificates from the same authorities', async () => {
    const first = await start();
    await first.close();
    const second = await start({ advertise: 'overlay.example' });
    expect(second.controller).toMatch(/^https:\/\/overlay\.example:/);
    expect(second.caPem).toBe(first.caPem);
  });

  test.each(['[::1]:0', '::1:0', 'localhost:0'])('listens on %s with a certificate that fits', async (listen) => {
    const overlay = await openOverlay({ listen });
    open.push(overlay);
    const client = await enrolClient(overlay, 'one');
    expect((await client.signIn()).status).toBe(200);
  });

  test('an abort closes it', async () => {
    const abort = new AbortController();
    const overlay = await openOverlay({}, { signal: abort.signal });
    const client = await enrolClient(overlay, 'one');
    abort.abort();
    await overlay.close();
    await expect(client.signIn()).rejects.toThrow();
  });
});

describe('a seed', () => {
  test('makes identities, services and policies, and writes a one-time token for each identity', async () => {
    const overlay = await start();
    const { tokens } = await seedOverlay(overlay, seed, directory);
    expect(tokens).toEqual({ laptop: join(directory, 'laptop.jwt'), box: join(directory, 'box.jwt') });
    if (keepsModes) expect((await stat(tokens['box']!)).mode & 0o777).toBe(0o600);
    expect(overlay.admin.listPolicies().map((policy) => policy.type)).toEqual(['Dial', 'Bind']);
  });

  test('repeated, also after a restart, changes nothing; who enrolled gets no token again', async () => {
    const first = await start();
    const { tokens } = await seedOverlay(first, seed, directory);
    const token = await readFile(tokens['laptop']!, 'utf8');
    await first.close();
    const second = await start();
    const again = await seedOverlay(second, seed, directory);
    expect(await readFile(again.tokens['laptop']!, 'utf8')).toBe(token);
    expect(second.admin.listServices().length).toBe(1);
    expect(second.admin.listPolicies().length).toBe(2);
    await enrolClient(second, 'other');
    const third = await seedOverlay(second, { identities: ['other'] }, directory);
    expect(third.tokens).toEqual({});
  });

  test.each([
    [[], ''],
    [{ identitys: [] }, 'identitys'],
    [{ services: [{ name: 'a', config: {} }] }, 'services.0.config'],
    [{ identities: [3] }, 'identities.0'],
    [{ identities: ['../etc/passwd'] }, 'identities.0'],
  ])('a field it does not know or that is wrong is refused by name: %j', async (value, path) => {
    const overlay = await start();
    const error = await failure(seedOverlay(overlay, value, directory));
    expect([error.code, error.details['path']]).toEqual(['overlay.invalid', path]);
    expect(overlay.admin.listServices()).toEqual([]);
  });

  test('a service for an identity it does not list is refused by name', async () => {
    const overlay = await start();
    const error = await failure(seedOverlay(overlay, { services: [{ name: 'web', dial: ['nobody'] }] }, directory));
    expect(error.details['identity']).toBe('nobody');
  });
});
