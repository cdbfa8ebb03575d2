/** Settings changed by a call: the file as a person keeps it, and nothing that would hand the engine to somebody. */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { editable } from '../../app/screens/settings/editable-settings.ts';
import type { GenericSchema } from 'valibot';
import type { SettingChange } from '../../main/api/machine-views.ts';
import { schema } from '../../main/api/schema.ts';
import { changeableSettings } from '../../main/api/settings-change.ts';
import { engineCalls, type EngineCallsDeps } from '../../main/engine/calls/engine-calls.ts';
import { changeSettings as changeFile, setSetting } from '../../main/engine/offline/settings-file.ts';
import { configSchema } from '../../main/engine/runtime/config.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const kept = '# ours\nmode: proxy # not tun here\nagents:\n  coder:\n    path: /opt/coder\n';

const changeSettings = (file: string, changes: readonly SettingChange[], apply: boolean) =>
  changeFile(file, changes, apply, () => undefined);

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

  it('is refused where the file is no YAML, with its code and what is wrong', async () => {
    const text = 'mode: [proxy\nlog:\n  level: info\n';
    const file = await settings(text);
    const invalid = {
      code: 'engine.config_invalid',
      details: { file, issues: [expect.objectContaining({ path: '' })] },
    };
    await expect(changeSettings(file, [{ path: ['mode'], value: 'tun' }], true)).rejects.toMatchObject(invalid);
    await expect(setSetting(file, 'mode', 'tun')).rejects.toMatchObject(invalid);
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  it('leaves no value behind that the next start would refuse', async () => {
    const changes: SettingChange[] = [
      { path: ['proxy', 'listen'], value: '0.0.0.0:1080' },
      { path: ['console', 'listen'], value: '192.0.2.7:7878' },
      { path: ['ranges', 'ipv4'], value: '100.64.0.0/24' },
      { path: ['ranges', 'ipv6'], value: '100.64.0.0/10' },
    ];
    const file = await settings();
    const { issues, applied } = await changeSettings(file, changes, true);
    expect(issues.map(({ path }) => path)).toEqual(['proxy.listen', 'ranges.ipv4', 'ranges.ipv6', 'console.listen']);
    expect(applied).toBe(false);
    const own = [{ path: ['proxy', 'listen'], value: '[::1]:1080' }];
    expect(await changeSettings(file, own, true)).toMatchObject({ issues: [], applied: true });
  });

  it('is recorded before it is written, and not written where it cannot be recorded', async () => {
    const file = await settings();
    const change = [{ path: ['mode'], value: 'tun' }];
    const refuse = (): void => {
      throw new Error('the journal is full');
    };
    await expect(changeFile(file, change, true, refuse)).rejects.toThrow('the journal is full');
    expect(await readFile(file, 'utf8')).toBe(kept);
    await changeFile(file, change, false, refuse);
    await changeFile(file, change, true, () => expect(readFileSync(file, 'utf8')).toBe(kept));
    expect(await readFile(file, 'utf8')).toContain('mode: tun');
  });

  it('waits for the one before it, and both stand', async () => {
    const file = await settings();
    const recorded: unknown[] = [];
    const calls = engineCalls({
      changeSettings: (changes: readonly SettingChange[], apply: boolean, record: () => void) =>
        changeFile(file, changes, apply, record),
      audit: { record: (event: { setting: unknown }) => recorded.push(event.setting) },
    } as unknown as EngineCallsDeps);
    const change = (path: string[], value: unknown) =>
      calls.changeSettings({ changes: [{ path, value }], apply: true }, undefined as never);
    await Promise.all([change(['mode'], 'tun'), change(['log', 'level'], 'debug'), change(['inventory'], true)]);
    expect(await readFile(file, 'utf8')).toBe(
      `${kept.replace('proxy # not tun here', 'tun')}log:\n  level: debug\ninventory: true\n`,
    );
    expect(recorded).toEqual(['mode', 'log.level', 'inventory']);
  });

  it('never names a file, a program or code to run, another machine, keys to hand out, other rules, or who may command', () => {
    const asks = (...path: string[]): unknown =>
      schema.engine.changeSettings.parse({ changes: [{ path, value: 'x' }], apply: false });
    for (const path of [
      ['pkcs11', 'modules'],
      ['hosting', 'keys'],
      ['socket', 'group'],
      ['exporters'],
      ['policy'],
      ['policy', 'directory'],
      ['log'],
      ['log', 'file'],
      ['dns', 'upstreams'],
      ['console', 'hosts'],
      ['proxy'],
      ['agents'],
      ['agents', 'coder'],
      ['agents', 'coder', 'internet'],
      ['proxy', 'listen', 'x'],
      ['__proto__'],
      ['agents', '__proto__', 'path'],
    ]) {
      expect(() => asks(...path), path.join('.')).toThrow();
    }
    expect(() => asks('policy', 'unbound')).not.toThrow();
    expect(schema.engine.changeSettings).toMatchObject({ needs: 'administer', own: [] });
  });

  it('is of a setting that the schema has, whichever may be changed or is offered by the window', () => {
    for (const name of changeableSettings) expect(isSetting(name.split('.')), name).toBe(true);
    expect(isSetting(['audit', 'keepfiles'])).toBe(false);
    for (const { path } of editable) expect(changeableSettings).toContain(path.join('.'));
  });
});

/** Does the schema of the settings have it? */
function isSetting(path: readonly string[]): boolean {
  let at: SchemaPart | undefined = configSchema as GenericSchema as SchemaPart;
  for (const name of path) {
    while (at?.wrapped !== undefined) at = at.wrapped;
    at = name === '*' ? at?.value : at?.entries?.[name];
  }
  return at !== undefined;
}

/** What valibot's schemas hold within them. */
interface SchemaPart {
  readonly wrapped?: SchemaPart;
  readonly value?: SchemaPart;
  readonly entries?: Readonly<Record<string, SchemaPart>>;
}
