/**
 * Making the engine a service of this machine, and undoing that. Each file is journalled before it is written, with what stood there; the
 * journal lies outside the engine's own directory, for what root undoes must not be the engine's to write.
 */
import { existsSync, mkdirSync, realpathSync, rmSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { TunnelerError } from '../base/errors.ts';
import { readFileBefore, replaceFile, restoreFile, sha256, type FileChange } from '../net/journal/file-change.ts';
import { HostJournal } from '../net/journal/host-journal.ts';
import { runCommand, type RunCommand } from '../net/run-command.ts';
import { windowsRights, type RightsReader } from '../files/directory-rights.ts';
import { guardPlaces, requireReachable, type ServicePlaces } from './reachable.ts';
import { darwinPlan } from './plan.darwin.ts';
import { linuxPlan } from './plan.linux.ts';
import type { ServiceFile, ServicePlan, ServiceRequest, ServiceStep } from './plan.ts';
import { windowsPlan } from './plan.windows.ts';
import type { ServiceChange, ServiceReport } from './report.ts';
import { readResource } from './resources.ts';

/** What the verb `service` was given. */
export interface ServiceOptions {
  readonly stateDirectory: string;
  readonly dryRun: boolean;
  readonly seePrograms: boolean;
  /** Another root than `/`, for images; absent: this system. */
  readonly root?: string;
}

/** The system as it is; tests hand in another. */
export interface ServiceHost {
  readonly platform: NodeJS.Platform;
  readonly run: RunCommand;
  readonly program: readonly string[];
  readonly isRoot: boolean;
  /** A service manager runs here. */
  readonly managed: boolean;
  /** Windows: whose files are, asked and set; absent where the addon is not built. */
  readonly rights?: RightsReader | undefined;
  /** macOS: whose files are; absent: as they are. */
  readonly look?: NonNullable<ServicePlaces['look']>;
}

/** The machine this process runs on. */
export function thisHost(): ServiceHost {
  const { platform } = process;
  const packaged = '/usr/bin/culvert';
  const script = realpathSync(process.argv[1] ?? '');
  return {
    platform,
    run: runCommand,
    program: existsSync(packaged) ? [packaged] : [process.execPath, script],
    // Windows says no by itself: schtasks fails where the rights are missing.
    isRoot: platform === 'win32' || process.getuid?.() === 0,
    // sd_booted(3)
    managed: platform !== 'linux' || existsSync('/run/systemd/system'),
    rights: windowsRights(),
  };
}

/** Install, or bring up to date. Doing it again changes nothing. What fails half way is taken back. Throws `engine.service_…`. */
export async function installService(options: ServiceOptions, host: ServiceHost = thisHost()): Promise<ServiceReport> {
  const { plan, managed, journalDirectory } = prepare(options, host);
  requireReachable(host);
  const changes: ServiceChange[] = [];
  if (options.dryRun) {
    for (const { path, content } of plan.files) changes.push({ kind: 'file', what: path, state: 'planned', content });
    changes.push(...plan.install(true).map(planned));
    return report('install', options, changes, managed, []);
  }
  if (host.platform === 'win32') guardPlaces(host, [options.stateDirectory, journalDirectory], plan.files);
  using journal = HostJournal.open(journalDirectory);
  const placed: number[] = [];
  try {
    for (const file of plan.files) changes.push(place(file, journal, placed));
    changes.push(...(await runSteps(plan.install(filesChanged(changes)), host, managed)));
  } catch (error) {
    undo(journal, (id) => placed.includes(id));
    await runSteps(plan.afterUninstall, host, managed).catch(() => undefined); // the first failure is the one to tell
    if (error instanceof TunnelerError) throw error;
    throw new TunnelerError('engine.service_failed', `could not place a file: ${(error as Error).message}`, {
      cause: error,
      details: { next: 'mend that path; what had been placed is taken back' },
    });
  }
  return report('install', options, changes, managed, []);
}

/** Take away what was installed and put back what stood there before. Doing it again changes nothing. */
export async function uninstallService(
  options: ServiceOptions,
  host: ServiceHost = thisHost(),
): Promise<ServiceReport> {
  const { plan, managed, journalDirectory } = prepare(options, host);
  const known = existsSync(journalDirectory);
  if (!known && !isPackaged(options, host)) return report('uninstall', options, [], managed, []);
  if (options.dryRun) {
    const steps = [...plan.beforeUninstall, ...plan.afterUninstall].map(planned);
    return report('uninstall', options, steps, managed, plan.stays);
  }
  if (host.platform === 'win32') guardPlaces(host, [journalDirectory], []);
  const changes = await runSteps(plan.beforeUninstall, host, managed);
  if (known) {
    {
      using journal = HostJournal.open(journalDirectory);
      changes.push(...undo(journal, () => true));
    }
    rmSync(journalDirectory, { recursive: true, force: true });
    for (const directory of plan.directories) removeIfEmpty(directory);
  }
  changes.push(...(await runSteps(plan.afterUninstall, host, managed)));
  return report('uninstall', options, changes, managed, plan.stays);
}

function prepare(options: ServiceOptions, host: ServiceHost) {
  if (!host.isRoot && !options.dryRun) {
    throw new TunnelerError('engine.service_needs_root', 'only root may change the services of this machine', {
      details: { next: 'run it with sudo; --dry-run shows what it would do' },
    });
  }
  const root = (options.root ?? '').replace(/\/+$/, '');
  const request: ServiceRequest = {
    program: host.program,
    stateDirectory: options.stateDirectory,
    seePrograms: options.seePrograms,
    root,
    packaged: isPackaged(options, host),
    resource: readResource,
  };
  // Another root has no running manager.
  return {
    plan: planFor(host.platform, request),
    managed: host.managed && root === '',
    journalDirectory: journalOf(host, root),
  };
}

function planFor(platform: NodeJS.Platform, request: ServiceRequest): ServicePlan {
  switch (platform) {
    case 'linux':
      return linuxPlan(request);
    case 'darwin':
      return darwinPlan(request);
    case 'win32':
      return windowsPlan(request);
    default:
      throw new TunnelerError('base.unsupported', `services of ${platform} are not known here`);
  }
}

function journalOf(host: ServiceHost, root: string): string {
  if (host.platform === 'win32') return `${process.env['ProgramData'] ?? 'C:\\ProgramData'}\\Culvert-Service`;
  return `${root}${host.platform === 'darwin' ? '/Library/Application Support/Culvert Service' : '/var/lib/culvert-service'}`;
}

function isPackaged(options: ServiceOptions, host: ServiceHost): boolean {
  return host.platform === 'linux' && existsSync(`${options.root ?? ''}/usr/lib/systemd/system/culvert.service`);
}

function place(file: ServiceFile, journal: HostJournal, placed: number[]): ServiceChange {
  const now = readFileBefore(file.path);
  const current = now.kind === 'file' ? sha256(Buffer.from(now.contentBase64, 'base64').toString()) : undefined;
  if (current === sha256(file.content) || (file.keep === true && now.kind !== 'absent')) {
    return { kind: 'file', what: file.path, state: 'unchanged' };
  }
  const earlier = journal.pending().find(({ change }) => change.kind === 'file' && change.path === file.path);
  const ours = earlier?.change.kind === 'file' && earlier.change.ownSha256 === current ? earlier.change : undefined;
  mkdirSync(dirname(file.path), { recursive: true, mode: 0o755 });
  placed.push(replaceFile(journal, file.path, file.content, ours?.before ?? now));
  if (earlier !== undefined) journal.forget(earlier.id);
  return { kind: 'file', what: file.path, state: 'done' };
}

function undo(journal: HostJournal, which: (id: number) => boolean): ServiceChange[] {
  return journal
    .pending()
    .filter(({ id, change }) => change.kind === 'file' && which(id))
    .map(({ id, change }) => {
      const { path } = change as FileChange;
      const restored = restoreFile(change as FileChange);
      journal.forget(id);
      return restored
        ? { kind: 'file' as const, what: path, state: 'done' as const }
        : {
            kind: 'file' as const,
            what: path,
            state: 'unchanged' as const,
            reason: 'it was changed by hand, and stays',
          };
    });
}

async function runSteps(steps: readonly ServiceStep[], host: ServiceHost, managed: boolean): Promise<ServiceChange[]> {
  const changes: ServiceChange[] = [];
  for (const step of steps) {
    if (step.needsManager && !managed) {
      changes.push({ kind: 'command', what: line(step), state: 'skipped', reason: 'no service manager runs here' });
      continue;
    }
    const { code, stderr } = await host.run(step.command, step.args);
    if (code === 0) {
      changes.push({ kind: 'command', what: line(step), state: 'done', reason: step.does });
      continue;
    }
    const said = stderr.trim().split('\n').at(-1) ?? '';
    const reason = code === 127 ? `${step.command} is not installed` : `exit ${code}${said === '' ? '' : `: ${said}`}`;
    // Without its manager a system lacks the tools too; the files are what counts there.
    if (step.mayFail !== true && managed) {
      throw new TunnelerError('engine.service_failed', `could not ${step.does}: ${reason}`, {
        details: { command: line(step), next: `run it by hand to see more: ${line(step)}` },
      });
    }
    changes.push({ kind: 'command', what: line(step), state: managed ? 'failed' : 'skipped', reason });
  }
  return changes;
}

function report(
  action: ServiceReport['action'],
  options: ServiceOptions,
  changes: readonly ServiceChange[],
  managed: boolean,
  stays: readonly string[],
): ServiceReport {
  return {
    action,
    dryRun: options.dryRun,
    changed: filesChanged(changes),
    managed,
    changes,
    stays,
    ...(managed || action === 'uninstall' ? {} : { note: unmanagedNote }),
  };
}

const unmanagedNote =
  'No service manager runs here: the files are in place, and the engine starts with the next boot that has one.';

function filesChanged(changes: readonly ServiceChange[]): boolean {
  return changes.some(({ kind, state }) => kind === 'file' && state === 'done');
}

function line(step: ServiceStep): string {
  return [step.command, ...step.args].join(' ');
}

function planned(step: ServiceStep): ServiceChange {
  return { kind: 'command', what: line(step), state: 'planned', reason: step.does };
}

/** Not ours where something else lies in it. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}
