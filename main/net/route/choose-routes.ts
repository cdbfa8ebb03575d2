/** The routes of this platform. */
import { TunnelerError } from '../../base/errors.ts';
import type { RunCommand } from '../run-command.ts';
import { DarwinRoutes } from './route.darwin.ts';
import { LinuxRoutes } from './route.linux.ts';
import { WindowsRoutes } from './route.windows.ts';
import type { HostRoutes } from './route.ts';

/** The host's routes by its own tools. Throws `base.unsupported` on a platform without. */
export function hostRoutes(run: RunCommand, platform: NodeJS.Platform = process.platform): HostRoutes {
  if (platform === 'linux') return new LinuxRoutes(run);
  if (platform === 'darwin') return new DarwinRoutes(run);
  if (platform === 'win32') return new WindowsRoutes(run);
  throw new TunnelerError('base.unsupported', `routes cannot be set on ${platform}`);
}
