/** The files that are installed as they are shipped. They lie beside the program, wherever that was put. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TunnelerError } from '../base/errors.ts';

/** A file that is shipped to be installed. */
export type ServiceResource =
  | 'systemd/culvert.service'
  | 'systemd/culvert.sysusers'
  | 'systemd/culvert.polkit.rules'
  | 'systemd/see-programs.conf'
  | 'systemd/culvert.yaml'
  | 'launchd/io.culvert.engine.plist'
  | 'windows/culvert-task.xml';

/** Text of a shipped file: `resources/` is looked for upwards from this code. Throws `engine.service_failed` where it was not shipped. */
export function readResource(name: ServiceResource): string {
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    const path = join(directory, 'resources', name);
    if (existsSync(path)) return readFileSync(path, 'utf8');
    if (directory === dirname(directory)) {
      throw new TunnelerError('engine.service_failed', `this installation lacks resources/${name}`, {
        details: { next: 'install Culvert anew, with its resources directory beside dist' },
      });
    }
  }
}
