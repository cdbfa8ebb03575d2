/** launchd: a daemon of the system domain. */
import { repairStep, stopStep, xmlText, type ServicePlan, type ServiceRequest } from './plan.ts';

const label = 'io.culvert.engine';

/** The engine as a launchd daemon: the files and commands, in order. */
export function darwinPlan(request: ServiceRequest): ServicePlan {
  const { root, stateDirectory } = request;
  const plist = `${root}/Library/LaunchDaemons/${label}.plist`;
  const config = `${stateDirectory}/culvert.yaml`;
  const program = request.program.map((word) => `<string>${xmlText(word)}</string>`).join('\n    ');
  const launchctl = (args: readonly string[], does: string) => ({
    command: 'launchctl',
    args,
    does,
    needsManager: true,
  });
  return {
    files: [
      {
        path: plist,
        content: request
          .resource('launchd/io.culvert.engine.plist')
          .replace('<string>@PROGRAM@</string>', () => program)
          .replace('@CONFIG@', () => xmlText(config))
          .replace('@STATE@', () => xmlText(stateDirectory)),
      },
      { path: `${root}${config}`, content: request.resource('systemd/culvert.yaml'), keep: true },
    ],
    directories: [],
    install: (changed) => [
      // launchd does not wait for what it ends, and starts nothing while that lasts: an engine that ended by itself is gone.
      ...(changed
        ? [
            stopStep(request),
            { ...launchctl(['bootout', `system/${label}`], 'stop the one that runs'), mayFail: true as const },
          ]
        : []),
      // Already there: bootstrap says so, and nothing is wrong.
      { ...launchctl(['bootstrap', 'system', plist], 'start the engine, now and at boot'), mayFail: true },
    ],
    beforeUninstall: [
      stopStep(request),
      { ...launchctl(['bootout', `system/${label}`], 'stop the engine'), mayFail: true },
      repairStep(request),
    ],
    afterUninstall: [],
    stays: [`identities and audit in ${stateDirectory}`],
  };
}
