/** systemd: a unit, the user it runs as, and leave to tell the resolver about our names. */
import type { ServiceFile, ServicePlan, ServiceRequest, ServiceStep } from './plan.ts';

const usualState = '/var/lib/culvert';
const usualProgram = '/usr/bin/culvert';

/** The engine as a systemd service: the files and commands, in order. */
export function linuxPlan(request: ServiceRequest): ServicePlan {
  const { root, packaged, resource } = request;
  const at = (path: string): string => `${root}${path}`;
  const elsewhere = root === '' ? [] : [`--root=${root}`];
  const step = (command: string, args: readonly string[], does: string, needsManager: boolean): ServiceStep => ({
    command,
    args,
    does,
    needsManager,
  });
  const systemctl = (args: readonly string[], does: string): ServiceStep => step('systemctl', args, does, true);
  const files: ServiceFile[] = packaged
    ? []
    : [
        { path: at('/etc/systemd/system/culvert.service'), content: unit(request) },
        { path: at('/etc/sysusers.d/culvert.conf'), content: resource('systemd/culvert.sysusers') },
        { path: at('/etc/polkit-1/rules.d/50-culvert.rules'), content: resource('systemd/culvert.polkit.rules') },
        { path: at('/etc/culvert/culvert.yaml'), content: resource('systemd/culvert.yaml'), keep: true },
      ];
  if (request.seePrograms) {
    files.push({
      path: at('/etc/systemd/system/culvert.service.d/see-programs.conf'),
      content: resource('systemd/see-programs.conf'),
    });
  }
  return {
    files,
    directories: [at('/etc/systemd/system/culvert.service.d'), at('/etc/culvert')],
    install: (changed) => [
      ...(packaged
        ? []
        : [
            step(
              'systemd-sysusers',
              [...elsewhere, at('/etc/sysusers.d/culvert.conf')],
              'make the user culvert',
              false,
            ),
          ]),
      systemctl(['daemon-reload'], 'have systemd read the unit'),
      step('systemctl', [...elsewhere, 'enable', 'culvert.service'], 'start it at boot', false),
      {
        ...systemctl([changed ? 'restart' : 'start', 'culvert.service'], 'start the engine'),
        mayFail: true,
      },
    ],
    beforeUninstall: [
      { ...systemctl(['stop', 'culvert.service'], 'stop the engine'), mayFail: true },
      {
        ...step('systemctl', [...elsewhere, 'disable', 'culvert.service'], 'no longer start it at boot', false),
        mayFail: true,
      },
    ],
    afterUninstall: [systemctl(['daemon-reload'], 'have systemd forget the unit')],
    stays: [
      `identities and audit in ${request.stateDirectory}`,
      'the user culvert, to whom they belong',
      ...(packaged ? ['the package: apt remove culvert'] : []),
    ],
  };
}

/** The unit as it is shipped, with this installation's program and state directory in it. */
function unit(request: ServiceRequest): string {
  const program = request.program.map(unitWord).join(' ');
  const text = request.resource('systemd/culvert.service').replaceAll(usualProgram, () => program);
  if (request.stateDirectory === usualState) return text;
  const state = unitWord(request.stateDirectory);
  return text
    .replace(/StateDirectory=.*\nStateDirectoryMode=.*\n/, () => `ReadWritePaths=${state}\n`)
    .replaceAll(usualState, () => state);
}

/** Quoting of systemd.service(5), section "Command lines"; `%` and `$` stand for themselves doubled. */
function unitWord(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /[\s"'\\;]/.test(word) ? `"${escaped.replace(/["\\]/g, '\\$&')}"` : escaped;
}
