/** The desktop's updates: fetched where whoever may make them has signed them, and told no better than they stand. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { silentLog } from '../../main/base/log.ts';
import { distrustOf, readUpdateKeys } from '../../main/shell/update-signature.ts';
import { watchUpdates, type Updater, type Updates } from '../../main/shell/updates.ts';
import { ManualClock } from '../support/manual-clock.ts';

const script = fileURLToPath(new URL('../../resources/scripts/sign-update.mjs', import.meta.url));
/** As electron-builder leaves it for a Linux package. */
const description = stringify({
  version: '1.1.0',
  files: [{ url: 'Culvert-1.1.0.AppImage', sha512: 'c2FtcGxl', size: 6 }],
  path: 'Culvert-1.1.0.AppImage',
  sha512: 'c2FtcGxl',
  releaseDate: '2026-11-30T00:00:00.000Z',
});

interface Info {
  version: string;
  files: { url: string; sha512: string }[];
  signature?: string;
}

let directory: string;
let publicPem: string;
let signed: Info;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'culvert-update-'));
  const key = join(directory, 'key.pem');
  const file = join(directory, 'latest-linux.yml');
  publicPem = execFileSync(process.execPath, [script, '--new-key', key], { encoding: 'utf8' });
  writeFileSync(file, description);
  execFileSync(process.execPath, [script, '--key', key, file]);
  signed = parse(readFileSync(file, 'utf8')) as Info;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the signature of an update', () => {
  it('is made by the release script and vouches for version and files', () => {
    const keys = readUpdateKeys(`# ours\n${publicPem}`);
    expect(keys).toHaveLength(1);
    expect(distrustOf(signed, keys)).toBeUndefined();
    const [file] = signed.files;
    expect(distrustOf({ ...signed, version: '1.2.0' }, keys)).toContain('no known key');
    expect(distrustOf({ ...signed, files: [{ ...file, sha512: 'b3RoZXI=' }] }, keys)).toContain('no known key');
    expect(distrustOf({ ...signed, files: [file, { url: 'more', sha512: 'bW9yZQ==' }] }, keys)).toContain(
      'no known key',
    );
  });

  it('is asked for: unsigned, unreadable, or with no key known, an update is not trusted', () => {
    const keys = readUpdateKeys(publicPem);
    expect(distrustOf(parse(description), keys)).toContain('not signed');
    expect(distrustOf({ version: '1.1.0', files: [] }, keys)).toContain('no description');
    expect(distrustOf(signed, [])).toContain('knows no key');
  });
});

describe('updates', () => {
  type Event = 'update-available' | 'update-not-available' | 'update-downloaded';

  function world(keysPem = publicPem) {
    const clock = new ManualClock();
    const listeners = new Map<string, (info: unknown) => void>();
    const done: string[] = [];
    let looks = 0;
    const updater: Updater = {
      autoDownload: true,
      autoInstallOnAppQuit: true,
      allowDowngrade: true,
      checkForUpdates: () => Promise.resolve((looks += 1)),
      downloadUpdate: () => Promise.resolve(done.push('downloaded')),
      quitAndInstall: () => void done.push('installed'),
      on: (event: string, listener: (info: never) => void) => listeners.set(event, listener as (info: unknown) => void),
    };
    const updates: Updates = watchUpdates(updater, {
      clock,
      log: silentLog,
      keys: readUpdateKeys(keysPem),
      onReady: (version) => done.push(`told ${version}`),
    });
    const say = (event: Event | 'error', info: unknown = {}): void => listeners.get(event)?.(info);
    return { clock, updater, updates, done, say, looks: () => looks };
  }

  it('are fetched once their signature holds, and installed when asked or at the end', () => {
    const { updater, updates, done, say } = world();
    expect(updater).toMatchObject({ autoDownload: false, autoInstallOnAppQuit: false, allowDowngrade: false });
    updates.install();
    expect(done).toEqual([]);
    say('update-available', signed);
    expect(updates.state()).toMatchObject({ kind: 'fetching', version: '1.1.0' });
    say('update-downloaded', { version: '1.1.0' });
    expect(updates.state()).toMatchObject({ kind: 'ready', version: '1.1.0' });
    expect(updater.autoInstallOnAppQuit).toBe(true);
    updates.install();
    expect(done).toEqual(['downloaded', 'told 1.1.0', 'installed']);
  });

  it('are not fetched where nobody trusted has signed them', () => {
    for (const { updates, done, say } of [world(''), world()]) {
      say('update-available', { ...signed, version: '9.9.9' });
      expect(updates.state()).toMatchObject({ kind: 'untrusted', version: '9.9.9' });
      updates.install();
      expect(done).toEqual([]);
    }
  });

  it('say up to date only when that was learnt, and that a look failed', () => {
    const { clock, updates, say, looks } = world();
    expect(updates.state()).toEqual({ kind: 'not-looked' });
    say('error', new Error('offline'));
    expect(updates.state()).toMatchObject({ kind: 'failed' });
    clock.advance(6 * 3_600_000);
    expect(looks()).toBe(2);
    say('update-not-available', { version: '1.0.0' });
    expect(updates.state()).toEqual({ kind: 'current', at: new Date(clock.now()).toISOString() });
    updates[Symbol.dispose]();
    clock.advance(24 * 3_600_000);
    expect(looks()).toBe(2);
  });

  it('that are ready stay so, whatever a later look says', () => {
    const { updates, say } = world();
    say('update-available', signed);
    say('update-downloaded', { version: '1.1.0' });
    say('error', new Error('offline'));
    expect(updates.state()).toMatchObject({ kind: 'ready' });
  });
});
