import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { splitCommand } from '../../main/apps/app-finder.windows.ts';
import type { RightsReader } from '../../main/files/directory-rights.ts';
import type { FileOwner } from '../../main/service/reachable.ts';
import { installService, uninstallService, type ServiceHost } from '../../main/service/service.ts';
import { darwinPlan } from '../../main/service/plan.darwin.ts';
import { linuxPlan } from '../../main/service/plan.linux.ts';
import { windowsArgument, type ServiceRequest } from '../../main/service/plan.ts';
import { windowsPlan } from '../../main/service/plan.windows.ts';
import { readResource } from '../../main/service/resources.ts';
import { CommandRecorder } from '../support/command-recorder.ts';
import { culvert } from '../support/culvert.ts';
import { mustSkip } from '../support/optional.ts';
import { toolsMissing } from '../support/tools.ts';
import { isUnix } from '../support/modes.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'culvert-service-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const unitPath = '/etc/systemd/system/culvert.service';
const options = () => ({ stateDirectory: '/var/lib/culvert', dryRun: false, seePrograms: false, root });

function host(recorder: CommandRecorder, over: Partial<ServiceHost> = {}): ServiceHost {
  return {
    platform: 'linux',
    run: recorder.run,
    program: ['/opt/node/bin/node', '/opt/culvert/dist/culvert.mjs'],
    isRoot: true,
    managed: false,
    ...over,
  };
}

const request = (over: Partial<ServiceRequest> = {}): ServiceRequest => ({
  program: ['/usr/bin/culvert'],
  stateDirectory: '/var/lib/culvert',
  seePrograms: false,
  root: '',
  packaged: false,
  resource: readResource,
  ...over,
});

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length))
    .sort();
}

describe('installing the service', () => {
  it.runIf(isUnix)('places unit, user, polkit rule and settings, and says that nothing runs here', async () => {
    const recorder = new CommandRecorder();
    const report = await installService(options(), host(recorder));
    expect(report).toMatchObject({ action: 'install', changed: true, managed: false });
    expect(report.note).toContain('No service manager');
    expect(filesBelow(root).filter((path) => path.startsWith('/etc/'))).toEqual([
      '/etc/culvert/culvert.yaml',
      '/etc/polkit-1/rules.d/50-culvert.rules',
      unitPath,
      '/etc/sysusers.d/culvert.conf',
    ]);
    const unit = readFileSync(join(root, unitPath), 'utf8');
    expect(unit).toContain('ExecStart=/opt/node/bin/node /opt/culvert/dist/culvert.mjs run --config');
    expect(recorder.take()).toEqual([
      `systemd-sysusers --root=${root} ${root}/etc/sysusers.d/culvert.conf`,
      `systemctl --root=${root} enable culvert.service`,
    ]);
  });

  it('changes nothing the second time, and brings an older unit up to date', async () => {
    const recorder = new CommandRecorder();
    await installService(options(), host(recorder));
    const again = await installService(options(), host(recorder));
    expect(again.changed).toBe(false);
    const newer = await installService(options(), host(recorder, { program: ['/opt/culvert-2/culvert'] }));
    expect(newer.changes.filter(({ state, kind }) => state === 'done' && kind === 'file')).toHaveLength(1);
    await uninstallService(options(), host(recorder));
    expect(filesBelow(root)).toEqual([]);
  });

  it('puts back what stood there before, and leaves what was changed by hand', async () => {
    const recorder = new CommandRecorder();
    mkdirSync(join(root, '/etc/systemd/system'), { recursive: true });
    writeFileSync(join(root, unitPath), 'somebody else’s unit\n');
    await installService(options(), host(recorder));
    writeFileSync(join(root, '/etc/culvert/culvert.yaml'), 'mode: host\n');
    const report = await uninstallService(options(), host(recorder));
    expect(readFileSync(join(root, unitPath), 'utf8')).toBe('somebody else’s unit\n');
    expect(readFileSync(join(root, '/etc/culvert/culvert.yaml'), 'utf8')).toBe('mode: host\n');
    expect(report.changes.find(({ what }) => what.endsWith('culvert.yaml'))).toMatchObject({ state: 'unchanged' });
    expect(report.stays.join()).toContain('/var/lib/culvert');
    const nothing = await uninstallService(options(), host(recorder));
    expect(nothing).toMatchObject({ changed: false, changes: [] });
  });

  it.runIf(isUnix)('takes everything back where a file cannot be placed', async () => {
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/polkit-1'), 'not a directory');
    await expect(installService(options(), host(new CommandRecorder()))).rejects.toMatchObject({
      code: 'engine.service_failed',
      details: { next: expect.any(String) as string },
    });
    expect(filesBelow(root).filter((path) => path.startsWith('/etc'))).toEqual(['/etc/polkit-1']);
  });

  it('tells of tools that are missing or refuse where no manager runs, and installs all the same', async () => {
    const recorder = new CommandRecorder({ 'systemctl --root': { code: 1, stderr: 'read-only' } });
    const report = await installService(options(), host(recorder));
    expect(report.changes.find(({ what }) => what.includes('enable'))).toMatchObject({
      state: 'skipped',
      reason: 'exit 1: read-only',
    });
  });

  it('needs root, but for showing what it would do', async () => {
    const recorder = new CommandRecorder();
    const user = host(recorder, { isRoot: false });
    await expect(installService(options(), user)).rejects.toMatchObject({
      code: 'engine.service_needs_root',
      details: { next: expect.stringContaining('sudo') as string },
    });
    const shown = await installService({ ...options(), dryRun: true }, user);
    expect(shown.changes.every(({ state }) => state === 'planned')).toBe(true);
    expect(shown.changes[0]?.content).toContain('[Service]');
    expect(filesBelow(root)).toEqual([]);
    expect(recorder.take()).toEqual([]);
  });

  it('refuses a program in somebody’s home, which the service could not enter', async () => {
    const inHome = host(new CommandRecorder(), { program: ['/home/alice/node', '/opt/culvert.mjs'] });
    await expect(installService(options(), inHome)).rejects.toMatchObject({ code: 'engine.service_unreachable' });
  });
});

describe('the plans', () => {
  it('Linux: a running systemd reads the unit, enables and starts it; the journal is not the engine’s to write', () => {
    const plan = linuxPlan(request({ seePrograms: true }));
    expect(plan.install(true).map(({ command, args }) => [command, ...args].join(' '))).toEqual([
      'systemd-sysusers /etc/sysusers.d/culvert.conf',
      'systemctl daemon-reload',
      'systemctl enable culvert.service',
      'systemctl restart culvert.service',
    ]);
    expect(plan.install(false).at(-1)?.args).toEqual(['start', 'culvert.service']);
    expect(plan.files.at(-1)?.content).toContain('CAP_SYS_PTRACE');
  });

  it('Linux: a package brought the unit, so only starting it is left', () => {
    const plan = linuxPlan(request({ packaged: true }));
    expect(plan.files).toEqual([]);
    expect(plan.stays.join()).toContain('apt remove');
  });

  it('Linux: another state directory, with a blank and a percent sign in it, is quoted', () => {
    const unit = linuxPlan(request({ stateDirectory: '/srv/my culvert 100%' })).files[0]?.content;
    expect(unit).toContain('--state "/srv/my culvert 100%%"');
    expect(unit).toContain('ReadWritePaths="/srv/my culvert 100%%"');
    expect(unit).not.toContain('StateDirectory=');
  });

  it('macOS: a daemon of the system domain', () => {
    const plan = darwinPlan(request({ program: ['/opt/node', '/opt/a&b.mjs'], stateDirectory: '/Library/State' }));
    expect(plan.files[0]?.path).toBe('/Library/LaunchDaemons/io.culvert.engine.plist');
    expect(plan.files[0]?.content).toContain('<string>/opt/node</string>\n    <string>/opt/a&amp;b.mjs</string>');
    expect(plan.files[0]?.content).not.toContain('@');
    expect(plan.install(true).at(-1)?.args).toEqual(['bootstrap', 'system', plan.files[0]?.path]);
  });

  it('Windows: a task at boot under the system account', () => {
    const plan = windowsPlan(
      request({ program: ['C:\\Program Files\\node.exe', 'C:\\culvert.mjs'], stateDirectory: 'C:\\State Dir' }),
    );
    expect(plan.files[0]?.content).toContain('<Command>C:\\Program Files\\node.exe</Command>');
    expect(plan.files[0]?.content).toContain('--state "C:\\State Dir"');
    const verbs = (steps: ReturnType<typeof plan.install>): readonly unknown[] =>
      steps.map(({ args }) => (args[0] === 'C:\\culvert.mjs' ? args.slice(1, -2).join(' ') : args[0]));
    expect(verbs(plan.install(true))).toEqual(['service stop', '/End', '/Create', '/Run']);
    // It is asked first. The scheduler's own end is a kill, so what that left is put back before the last trace of it goes.
    expect(verbs(plan.beforeUninstall)).toEqual(['service stop', '/End', 'repair', '/Delete']);
    expect(plan.beforeUninstall[2]).toMatchObject({
      command: 'C:\\Program Files\\node.exe',
      args: ['C:\\culvert.mjs', 'repair', '--state', 'C:\\State Dir'],
    });
  });

  it('Windows: words of its command line are read as they were meant', () => {
    for (const words of [['C:\\a b\\', 'x'], ['say "so"', ''], ['C:\\plain', '\\"'], ['a\\\\"b c\\']]) {
      expect(splitCommand(words.map(windowsArgument).join(' '))).toEqual(words);
    }
  });

  it('macOS: what a stop left is put back before the files go', () => {
    const plan = darwinPlan(request({ program: ['/opt/node', '/opt/c.mjs'], stateDirectory: '/Library/State' }));
    expect(plan.beforeUninstall.map(({ command, args }) => [command, ...args].join(' '))).toEqual([
      '/opt/node /opt/c.mjs service stop --state /Library/State',
      'launchctl bootout system/io.culvert.engine',
      '/opt/node /opt/c.mjs repair --state /Library/State',
    ]);
  });
});

describe('a service of macOS', () => {
  it('runs as root nothing that others may exchange: no program of Homebrew, none of a place that is open to all', async () => {
    const program = ['/opt/homebrew/Cellar/node/24.1.0/bin/node', '/opt/culvert/culvert.mjs'];
    const owned = (strange: string, as: Partial<FileOwner>) => (path: string) => ({
      ...{ uid: 0, gid: 0, mode: 0o755 },
      ...(path === strange ? as : {}),
    });
    const dryRun = { ...options(), dryRun: true };
    const install = (look: (path: string) => FileOwner) =>
      installService(dryRun, host(new CommandRecorder(), { platform: 'darwin', program, look }));
    for (const [strange, as, who] of [
      ['/opt/homebrew', { uid: 501, gid: 80, mode: 0o775 }, 'uid 501'],
      ['/opt/culvert', { mode: 0o777 }, 'everybody'],
      ['/opt/culvert/culvert.mjs', { gid: 20, mode: 0o775 }, 'group 20'],
    ] as const) {
      const message = expect.stringContaining(`${who} may change ${strange}`) as string;
      await expect(install(owned(strange, as))).rejects.toMatchObject({ code: 'engine.service_unreachable', message });
    }
    // Who is of that group may become root anyway.
    await install(owned('/opt', { gid: 80, mode: 0o775 }));
  });
});

describe('a service of Windows', () => {
  const users = 'S-1-5-32-545';
  const machine = (owner: string, mask = 0): RightsReader & { readonly set: string[] } => {
    const set: string[] = [];
    return {
      set,
      fileRights: () => ({ owner, grants: mask === 0 ? [] : [{ sid: users, mask }] }),
      restrictFile: (path) => void set.push(path),
    };
  };
  const windows = (rights: RightsReader | undefined, program = ['C:\\Program Files\\Culvert\\node.exe']) => {
    const recorder = new CommandRecorder();
    return { recorder, host: host(recorder, { platform: 'win32', managed: true, program, rights }) };
  };
  const state = () => ({ ...options(), root: '', stateDirectory: join(root, 'Culvert') });
  beforeEach(() => vi.stubEnv('ProgramData', root));
  afterEach(() => vi.unstubAllEnvs());

  it('has its directories to itself, and its record of what was there before too', async () => {
    const rights = machine('S-1-5-32-544', 0x1200a9);
    await expect(installService(state(), windows(machine('S-1-5-32-544', 0x1f01ff)).host)).rejects.toMatchObject({
      code: 'engine.service_unreachable',
    });
    const { host: reading, recorder } = windows(rights);
    await installService(state(), reading);
    expect(rights.set).toEqual([join(root, 'Culvert'), `${root}\\Culvert-Service`]);
    expect(recorder.take().map((line) => line.split(' ').slice(1).join(' '))).toEqual([
      expect.stringContaining('service stop'),
      ...['/End', '/Create', '/Run'].map((verb) => expect.stringMatching(new RegExp(`^${verb} `)) as string),
    ]);
  });

  it('takes no directory that another user made beforehand, nor one whose owner nobody can ask', async () => {
    for (const rights of [machine('S-1-5-21-1-2-3-1001'), undefined]) {
      await expect(installService(state(), windows(rights).host)).rejects.toMatchObject({
        code: 'engine.state_unusable',
      });
      expect(readdirSync(root).filter((name) => name.includes('.'))).toEqual([]);
    }
  });

  it('runs no program out of a home', async () => {
    const { host: inHome } = windows(machine('S-1-5-18'), ['c:\\Users\\ann\\node.exe', 'C:\\culvert.mjs']);
    await expect(installService({ ...state(), dryRun: true }, inHome)).rejects.toMatchObject({
      code: 'engine.service_unreachable',
      details: { path: 'c:\\Users\\ann\\node.exe' },
    });
  });
});

describe.skipIf(mustSkip(toolsMissing('systemd-analyze')))('the unit, as systemd reads it', () => {
  function place(over: Partial<ServiceRequest>): string {
    const path = join(root, 'culvert.service');
    writeFileSync(path, linuxPlan(request({ program: ['/bin/true'], ...over })).files[0]?.content ?? '');
    return path;
  }

  it('verifies without a word', () => {
    for (const over of [{}, { stateDirectory: '/srv/state' }]) {
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', place(over)], {
        encoding: 'utf8',
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    }
  });

  it('leaves little open to attack', () => {
    const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', place({})], {
      encoding: 'utf8',
    });
    const score = Number(/exposure level for culvert\.service: ([\d.]+)/.exec(stdout)?.[1]);
    console.log(`systemd-analyze security: ${score}`);
    expect(score).toBeLessThan(3);
  });
});

describe('culvert service', () => {
  it.runIf(isUnix)(
    'installs into another root, tells it as JSON, and takes it away again',
    { timeout: 60_000 },
    async () => {
      const report = async (verb: string) =>
        culvert(['service', verb, '--root', root, '--json'], { env: { CULVERT_STATE: '/var/lib/culvert' } });
      const installed = await report('install');
      expect(installed.err).toBe('');
      expect(installed.code).toBe(0);
      expect(JSON.parse(installed.out)).toMatchObject({ action: 'install', changed: true, managed: false });
      expect(existsSync(join(root, unitPath))).toBe(true);
      const gone = await report('uninstall');
      expect(gone.code).toBe(0);
      expect(existsSync(join(root, unitPath))).toBe(false);
    },
  );
});
