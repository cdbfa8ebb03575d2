/** A TPM 2.0 in software (swtpm) for tests: its own ports, its own state, ended by its own pid. */
import { spawn, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { freePorts } from './child.ts';
import { toolsMissing } from './tools.ts';
import { until } from './until.ts';

export const softTpmMissing = (): string | undefined => toolsMissing('swtpm', 'tpm2_createprimary');

export interface SoftTpm {
  /** What `TPM2TOOLS_TCTI` takes. */
  readonly tcti: string;
  stop(): Promise<void>;
}

/** Start one over the state in a directory. */
export async function startSoftTpm(stateDirectory: string): Promise<SoftTpm> {
  const [port] = (await freePorts(1)) as [number];
  // Where the TPM tools expect it.
  const control = port + 1;
  const child: ChildProcess = spawn(
    'swtpm',
    [
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${stateDirectory}`,
      '--server',
      `type=tcp,port=${port}`,
      '--ctrl',
      `type=tcp,port=${control}`,
      '--flags',
      'not-need-init',
    ],
    { stdio: 'ignore' },
  );
  await until(
    () =>
      new Promise((resolve) => {
        const probe = connect(control, '127.0.0.1', () => resolve(probe.destroy() !== undefined));
        probe.once('error', () => resolve(false));
      }),
  );
  return {
    tcti: `swtpm:host=127.0.0.1,port=${port}`,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) {
          resolve();
          return;
        }
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}
