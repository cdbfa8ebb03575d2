/** Settings changed by a call: the file as a person keeps it, and nothing that would hand the engine to somebody. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { schema } from '../../main/api/schema.ts';
import { changeSettings } from '../../main/engine/offline/settings-file.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const kept = '# ours\nmode: proxy # not tun here\nagents:\n  coder:\n    path: /opt/coder\n';

async function settings(text = kept): Promise<string> {
  const file = join(temporaryDirectory('settings'), 'culvert.yaml');
  await writeFile(file, text);
  return file;
}

describe('a change to the settings', () => {
  it('is shown before it is made, with comments and order kept', async () => {
    const file = await settings();
    const changes = [{ path: ['proxy', 'listen'], value: '127.0.0.1:1080' }];
    const shown = await changeSettings(file, changes, false);
    expect(shown).toMatchObject({ before: kept, issues: [], applied: false, restart: true });
    expect(shown.after).toBe(`${kept}proxy:\n  listen: 127.0.0.1:1080\n`);
    expect(await readFile(file, 'utf8')).toBe(kept);
    expect(await changeSettings(file, changes, true)).toMatchObject({ applied: true });
    expect(await readFile(file, 'utf8')).toBe(shown.after);
  });

  it('is not made where the whole would not be valid, and says all that is wrong', async () => {
    const file = await settings();
    const changes = [
      { path: ['mode'], value: 'both' },
      { path: ['proxy', 'listen'], value: 'here' },
    ];
    const view = await changeSettings(file, changes, true);
    expect(view.issues.map(({ path }) => path)).toEqual(['mode', 'proxy.listen']);
    expect(view.applied).toBe(false);
    expect(await readFile(file, 'utf8')).toBe(kept);
  });

  it('takes a setting out, begins a file, and binds an agent at once', async () => {
    const file = await settings();
    expect((await changeSettings(file, [{ path: ['mode'] }], false)).after).not.toContain('mode');
    const bound = [{ path: ['agents', 'coder', 'identity'], value: 'agent-1' }];
    expect(await changeSettings(file, bound, true)).toMatchObject({ restart: false, applied: true });
    expect(await readFile(file, 'utf8')).toContain('    path: /opt/coder\n    identity: agent-1\n');
    const none = join(temporaryDirectory('settings-none'), 'culvert.yaml');
    expect((await changeSettings(none, [{ path: ['log', 'level'], value: 'debug' }], true)).after).toBe(
      'log:\n  level: debug\n',
    );
  });

  it('never names code to load, keys to hand out, other rules, or who may command the engine', () => {
    const asks = (...path: string[]): unknown =>
      schema.engine.changeSettings.parse({ changes: [{ path, value: 'x' }], apply: false });
    for (const path of [
      ['pkcs11', 'modules'],
      ['hosting', 'keys'],
      ['socket', 'group'],
      ['exporters'],
      ['policy'],
      ['policy', 'directory'],
      ['__proto__'],
      ['agents', '__proto__'],
    ]) {
      expect(() => asks(...path), path.join('.')).toThrow();
    }
    expect(() => asks('policy', 'unbound')).not.toThrow();
    expect(schema.engine.changeSettings).toMatchObject({ needs: 'administer', own: [] });
  });
});
