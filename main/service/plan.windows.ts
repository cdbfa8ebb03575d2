/**
 * Windows: a task at boot, run by the system account and started again when it fails. Node does not speak to the service control manager, and
 * a task needs no wrapper program that would have to be trusted too.
 */
import {
  repairStep,
  stopStep,
  windowsArgument,
  xmlText,
  type ServicePlan,
  type ServiceRequest,
  type ServiceStep,
} from './plan.ts';

const task = 'Culvert Engine';

/** The engine as a task at boot: the files and commands, in order. */
export function windowsPlan(request: ServiceRequest): ServicePlan {
  const { stateDirectory } = request;
  const [command = '', ...first] = request.program;
  const config = `${stateDirectory}\\culvert.yaml`;
  const definition = `${stateDirectory}\\culvert-task.xml`;
  const words = [...first, 'run', '--config', config, '--state', stateDirectory];
  const schtasks = (args: readonly string[], does: string) => ({
    command: 'schtasks.exe',
    args,
    does,
    needsManager: true,
  });
  // It is a kill: nothing of the scheduler's asks a process without a window to end.
  const end = (does: string): ServiceStep => ({ ...schtasks(['/End', '/TN', task], does), mayFail: true });
  return {
    files: [
      {
        path: definition,
        content: request
          .resource('windows/culvert-task.xml')
          .replace('@PROGRAM@', () => xmlText(command))
          .replace('@ARGUMENTS@', () => xmlText(words.map(windowsArgument).join(' '))),
      },
      { path: config, content: request.resource('systemd/culvert.yaml'), keep: true },
    ],
    directories: [],
    install: (changed) => [
      ...(changed ? [stopStep(request), end('stop the one that runs')] : []),
      schtasks(['/Create', '/F', '/TN', task, '/XML', definition], 'start it at boot'),
      { ...schtasks(['/Run', '/TN', task], 'start the engine'), mayFail: true },
    ],
    beforeUninstall: [
      stopStep(request),
      end('stop the engine'),
      repairStep(request),
      { ...schtasks(['/Delete', '/F', '/TN', task], 'no longer start it at boot'), mayFail: true },
    ],
    afterUninstall: [],
    stays: [`identities and audit in ${stateDirectory}`],
  };
}
