/**
 * A throw-away copy of this system: an overlay over `/` whose upper side is memory, in a mount namespace of its own, so that dpkg, its
 * maintainer scripts and what they install are the real ones and nothing of them stays.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rootMissing, toolsMissing } from '../../support/tools.ts';

/** An overlay of `/` at $M, and the package directory at /packages in it. */
const mountOverlay = (directory: string, tmp: string): string => `
B=${directory}/system; mkdir -p $B
mount -t tmpfs -o mode=0755 none $B
mkdir -p $B/upper $B/work $B/root
mount -t overlay overlay -o lowerdir=/,upperdir=$B/upper,workdir=$B/work $B/root
M=$B/root
mkdir -p $M/packages $M/proc $M/dev $M/tmp
mount --bind ${directory} $M/packages
mount -t proc none $M/proc
mount --rbind /dev $M/dev
${tmp}
`;
/** Not by chroot: nobody in one may make user namespaces, which browsers keep their pages in. */
const enter = 'cd $M; mkdir -p .old; pivot_root . .old; umount -l /.old; exec /bin/sh';
const ownTmp = 'mount -t tmpfs none $M/tmp';
const sharedTmp = 'mount --bind /tmp $M/tmp';

/** For `mustSkip`. `directory` is where one would be made. */
export function throwAwaySystemMissing(directory: string): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  const lacking = rootMissing() ?? toolsMissing('unshare');
  if (lacking !== undefined) return lacking;
  const tried = spawnSync('unshare', ['-m', 'sh', '-ec', `${mountOverlay(directory, ownTmp)}\ntrue`]);
  return tried.status === 0 ? undefined : 'needs overlayfs and mount namespaces';
}

/** A shell in the copy that lives as long as the tests, one script after the other. What `directory` holds is at /packages there. */
export class ThrowAwaySystem implements Disposable {
  readonly #shell: ChildProcess;
  #out = '';
  #number = 0;

  /** @param options with `shared`, network and /tmp are this machine's: what runs there meets what runs here. */
  constructor(directory: string, options: { readonly shared?: boolean } = {}) {
    const shared = options.shared === true;
    // A process namespace of its own: when the shell goes, so does whatever it started.
    const script = `${mountOverlay(directory, shared ? sharedTmp : ownTmp)}\n${enter}`;
    const spaces = ['--mount', '--pid', ...(shared ? [] : ['--net'])];
    this.#shell = spawn('unshare', [...spaces, '--fork', '--kill-child', 'sh', '-ec', script], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
    this.#shell.stdout?.on('data', (chunk: Buffer) => (this.#out += chunk.toString()));
    this.#shell.stderr?.on('data', (chunk: Buffer) => (this.#out += chunk.toString()));
  }

  /** Run a script; what it printed. Throws where it fails. */
  async run(script: string, timeoutMs = 60_000): Promise<string> {
    this.#number += 1;
    const mark = `--end-${this.#number}-`;
    const start = this.#out.length;
    this.#shell.stdin?.write(`( set -e; ${script}\n) 2>&1; code=$?; echo; echo "${mark}$code"\n`);
    const endsAt = Date.now() + timeoutMs;
    for (;;) {
      const said = this.#out.slice(start);
      const end = new RegExp(`\\n${mark}(\\d+)`).exec(said);
      if (end !== null) {
        const output = said.slice(0, end.index);
        if (end[1] !== '0') throw new Error(`${script}: exit ${end[1]}\n${output.slice(-3000)}`);
        return output;
      }
      if (Date.now() > endsAt || this.#shell.exitCode !== null)
        throw new Error(`${script}: no end\n${said.slice(-3000)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** A command of this machine that runs in the copy: what comes before it. */
  within(): readonly string[] {
    const { pid = 0 } = this.#shell;
    const inner = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return ['nsenter', '--target', inner, '--mount', '--pid'];
  }

  [Symbol.dispose](): void {
    this.#shell.kill('SIGKILL');
  }
}
