/** Verbs about the machine and the settings, as scripts call them: the real program, no engine. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import packageFile from '../../package.json' with { type: 'json' };
import type { DoctorCheck } from '../../main/api/machine-views.ts';
import { everyVerb, type VerbNode } from '../../main/cli/verb-tree.ts';
import { culvert, culvertJson } from '../support/culvert.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { keepsModes } from '../support/modes.ts';
import { isUnix } from '../support/modes.ts';

const timeoutMs = 60_000;

it(
  'version says which it is',
  async () => {
    expect(await culvertJson(['version'])).toMatchObject({ version: packageFile.version, platform: process.platform });
    expect((await culvert(['version'])).out).toContain(`culvert ${packageFile.version}`);
  },
  timeoutMs,
);

it(
  'doctor looks at everything without an engine, each with a next step where something is amiss',
  async () => {
    const state = temporaryDirectory('doctor');
    const ran = await culvert(['doctor', '--json', '--state', state]);
    const { checks } = JSON.parse(ran.out) as { checks: DoctorCheck[] };
    expect(checks.map(({ name }) => name)).toEqual([
      'clock',
      'dns',
      'controller',
      'router',
      'keystore',
      'disk',
      'journal',
      'permissions',
      'vpn',
      'ports',
      'engine',
    ]);
    for (const check of checks) {
      expect(Object.keys(check).sort()).toEqual(['name', 'next', 'ok', 'text']);
      expect(check.ok ? check.next === null : typeof check.next === 'string', check.name).toBe(true);
    }
    expect(checks.find(({ name }) => name === 'engine')).toMatchObject({ ok: false });
    expect(ran.code).toBe(1);
    expect((await culvert(['doctor', '--state', state])).out).toMatch(/✗ engine/);
    // Whoever is root's user is no other user to root's engine.
    const uid = process.getuid?.();
    const inForce = checks.find(({ name }) => name === 'permissions')?.text;
    if (uid === 0) expect(inForce).toMatch(/to programs of root the same user's/);
    else if (uid !== undefined) expect(inForce).toMatch(/^a user's own engine/);
    const nowhere = await culvert(['doctor', '--json', '--state', join(state, 'nowhere')]);
    const there = (JSON.parse(nowhere.out) as { checks: DoctorCheck[] }).checks;
    expect(there.find(({ name }) => name === 'journal')).toMatchObject({ ok: true, text: 'no record yet' });
  },
  timeoutMs,
);

it(
  'audit verify vouches for no journal of a state directory that is none',
  async () => {
    const state = temporaryDirectory('verified');
    expect(await culvertJson(['audit', 'verify', '--state', state])).toMatchObject({ ok: true, count: 0 });
    const file = join(state, 'file');
    writeFileSync(file, '');
    for (const [none, why] of [
      [join(state, 'nowhere'), 'is not there'],
      [file, 'is a file'],
    ] as const) {
      const ran = await culvert(['audit', 'verify', '--json', '--state', none]);
      expect(ran.code).toBe(1);
      expect(JSON.parse(ran.out)).toMatchObject({
        error: {
          code: 'engine.state_unusable',
          message: `state directory ${none} ${why}`,
          details: { next: expect.stringContaining('--state') as string },
        },
      });
    }
  },
  timeoutMs,
);

it(
  'config shows, checks and changes the settings, keeping comments and refusing what is wrong',
  async () => {
    const state = temporaryDirectory('config');
    const file = join(state, 'culvert.yaml');
    writeFileSync(file, '# ours\nmode: proxy # always\n');
    const at = ['--state', state];
    expect(await culvertJson(['config', 'show', ...at])).toEqual({ file, config: { mode: 'proxy' } });
    chmodSync(file, 0o640);
    await culvertJson(['config', 'set', 'proxy.listen', '127.0.0.1:1080', ...at]);
    if (keepsModes) expect(statSync(file).mode & 0o777).toBe(0o640);
    await culvertJson(['config', 'set', 'policy.unbound', 'refuse', ...at]);
    expect(readFileSync(file, 'utf8')).toContain('mode: proxy # always');
    expect(await culvertJson(['config', 'show', ...at])).toMatchObject({
      config: { proxy: { listen: '127.0.0.1:1080' }, policy: { unbound: 'refuse' } },
    });
    const text = await culvert(['config', 'show', ...at]);
    expect(text.out).toBe(`# ${file}\nmode: proxy\nproxy:\n  listen: 127.0.0.1:1080\npolicy:\n  unbound: refuse\n`);
    const before = readFileSync(file, 'utf8');
    const wrong = await culvert(['config', 'set', 'proxy.lisen', '1', ...at, '--json']);
    expect(JSON.parse(wrong.err)).toMatchObject({ error: { code: 'engine.config_invalid' } });
    expect(readFileSync(file, 'utf8')).toBe(before);
    await culvertJson(['config', 'set', 'policy.unbound', ...at]);
    expect(readFileSync(file, 'utf8')).not.toContain('unbound');
    expect(await culvertJson(['config', 'check', ...at])).toEqual({ ok: true, file, issues: [] });
    writeFileSync(file, 'mode: sideways\nlog: { level: loud }\n');
    const checked = await culvert(['config', 'check', ...at, '--json']);
    expect(checked.code).toBe(1);
    expect((JSON.parse(checked.out) as { issues: { path: string }[] }).issues.map(({ path }) => path)).toEqual([
      'mode',
      'log.level',
    ]);
  },
  timeoutMs,
);

it(
  'policy check reads the directory that the settings name',
  async () => {
    const state = temporaryDirectory('policy');
    mkdirSync(join(state, 'rules'));
    writeFileSync(join(state, 'rules', 'bad.cedar'), 'permit(');
    writeFileSync(join(state, 'culvert.yaml'), `policy: { directory: ${JSON.stringify(join(state, 'rules'))} }\n`);
    const ran = await culvert(['policy', 'check', '--state', state, '--json']);
    expect(ran.code).toBe(1);
    expect(ran.out).toContain('bad.cedar');
  },
  timeoutMs,
);

it.runIf(isUnix)(
  'completion registers culvert and completes verbs, sub-verbs and options',
  async () => {
    const { out } = await culvert(['completion', 'bash']);
    const complete = (...words: string[]): string[] => {
      const script = `${out}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _culvert; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
    };
    expect(spawnSync('bash', ['-c', `${out}\ncomplete -p culvert`], { encoding: 'utf8' }).stdout).toContain('culvert');
    expect(complete('culvert', 'ser')).toEqual(['service', 'services']);
    expect(complete('culvert', 'quarantine', 're')).toEqual(['release']);
    expect(complete('culvert', 'identity', 'mfa', 'ver')).toEqual(['verify']);
    expect(complete('culvert', 'run', '--for')).toEqual(['--forward']);
    expect((await culvert(['completion', 'zsh'])).out).toContain('compdef _culvert culvert');
    expect((await culvert(['completion', 'fish'])).out).toContain('complete -c culvert');
    const asked = await culvert(['completion', 'bash', '--json']);
    expect(JSON.parse(asked.out)).toEqual({ shell: 'bash', script: out });
    expect((await culvert(['completion', 'tcsh'])).code).toBe(2);
  },
  timeoutMs,
);

it(
  'the man page names every verb with its options and reads without a complaint',
  async () => {
    const { out } = await culvert(['manual']);
    for (const { path, verbs } of everyVerb(await culvertJson<VerbNode>(['manual']))) {
      if (verbs.length === 0) expect(out).toContain(`.B culvert ${path.replaceAll('-', '\\-')}`);
    }
    expect(out).toContain('\\-\\-proxy\\-listen <host:port>');
    // Every line that begins with a dot is a macro.
    expect(
      out.split('\n').filter((line) => /^[.']/.test(line) && !/^\.(?:TH|SH|TP|PP|RS|RE|B|I)\b/.test(line)),
    ).toEqual([]);
    const read = spawnSync('man', ['--warnings', '-l', '-'], {
      input: out,
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '80' },
    });
    if (read.error !== undefined) return;
    expect(read.stderr).toBe('');
    expect(read.stdout).toContain('culvert identity mfa enroll <name>');
  },
  timeoutMs,
);

it(
  'help is grouped, each verb has an example, and verbs one letter apart point at each other',
  async () => {
    const { out } = await culvert(['help']);
    for (const group of ['Start:', 'Identities:', 'Look:', 'Act:', 'Mend:', 'Settings:']) expect(out).toContain(group);
    expect((await culvert(['why', '--help'])).out).toMatch(/Example:\n {2}\$ culvert why /);
    expect((await culvert(['service', 'list'])).err).toContain('culvert services');
    expect((await culvert(['sessions', 'close', 'x'])).err).toContain('culvert session close');
  },
  timeoutMs,
);
