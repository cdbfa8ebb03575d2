/**
 * A throw-away copy of this system, booted: systemd as process 1 in namespaces of its own, over an overlay of `/` whose upper side is
 * memory. Units, their sandboxes and credentials are the real ones; nothing of it stays.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../support/until.ts';

const init = '/lib/systemd/systemd';

/** What is missing for it; undefined where nothing is. */
export function systemdMissing(): string | undefined {
  return existsSync(init) ? undefined : `needs ${init}`;
}

/** The mounts a container gets from its manager; systemd makes the rest. `/` is shared again, or no credential reaches a unit. */
const boot = (directory: string): string => `
mount --make-rprivate /
B=${directory}/booted
mount -t tmpfs -o mode=0755 none $B
mkdir -p $B/upper $B/work $B/root
mount -t overlay overlay -o lowerdir=/,upperdir=$B/upper,workdir=$B/work $B/root
mkdir -p $B/root/packages && mount --bind ${directory} $B/root/packages
cd $B/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs none sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 none dev
mkdir -p dev/pts dev/shm dev/net
for node in null zero full random urandom tty net/tun; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=0755 none run
mount -t tmpfs -o mode=1777 none tmp
mkdir -p outside
pivot_root . outside
umount -l /outside
mount --make-rshared /
: >/etc/machine-id
# Images for containers keep packages from starting services.
rm -f /usr/sbin/policy-rc.d
export container=culvert-test
exec ${init} --unit=basic.target --show-status=0
`;

export class BootedSystem implements AsyncDisposable {
  readonly #unshare: ChildProcess;
  readonly #pid: number;

  private constructor(unshare: ChildProcess, pid: number) {
    this.#unshare = unshare;
    this.#pid = pid;
  }

  /** Boot, with `directory` at /packages. Throws where it is not up within 20 s. */
  static async boot(directory: string): Promise<BootedSystem> {
    mkdirSync(join(directory, 'booted'), { recursive: true });
    const flags = ['--mount', '--pid', '--cgroup', '--uts', '--ipc', '--net', '--fork', '--kill-child'];
    const unshare = spawn('unshare', [...flags, 'sh', '-ec', boot(directory)], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    unshare.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const children = `/proc/${unshare.pid ?? 0}/task/${unshare.pid ?? 0}/children`;
    const isInit = (pid: number): boolean => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(init);
    try {
      await until(() => {
        if (unshare.exitCode !== null) throw new Error(`systemd did not start: ${said}`);
        const pid = Number(readFileSync(children, 'utf8'));
        return Promise.resolve(pid > 0 && isInit(pid));
      }, 10_000);
      const system = new BootedSystem(unshare, Number(readFileSync(children, 'utf8')));
      await until(
        () => system.run('systemctl is-system-running').then((state) => /running|degraded/.test(state)),
        20_000,
      );
      return system;
    } catch (error) {
      unshare.kill('SIGKILL');
      throw error;
    }
  }

  /** Run a script inside; what it printed, whether it failed or not. */
  run(script: string, timeoutMs = 30_000): Promise<string> {
    const inside = [
      '-t',
      String(this.#pid),
      '-m',
      '-p',
      '-C',
      '-u',
      '-i',
      '-n',
      '-r',
      'sh',
      '-c',
      `exec 2>&1\n${script}`,
    ];
    return new Promise((resolve) => {
      const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
      execFile('nsenter', inside, { env, timeout: timeoutMs, maxBuffer: 1 << 24 }, (_failed, stdout) =>
        resolve(stdout),
      );
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#unshare.exitCode !== null) return Promise.resolve();
    const gone = new Promise<void>((resolve) => this.#unshare.once('exit', () => resolve()));
    this.#unshare.kill('SIGKILL');
    return gone;
  }
}
