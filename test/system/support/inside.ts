/** Run a program of this folder inside private network and mount namespaces, and collect the findings it prints. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { openZitiBinary, openZitiMissing } from '../../support/openziti-binary.ts';
import { whyNoNamespaces } from './netns.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly ms?: number;
  readonly detail?: unknown;
}

export interface Findings {
  readonly findings: ReadonlyMap<string, Finding>;
  readonly output: string;
}

/** The networks a scenario runs against, and why one cannot. */
export const tunNetworks = [
  { name: 'embedded', missing: whyNoNamespaces },
  { name: 'OpenZiti', missing: () => whyNoNamespaces() ?? openZitiMissing() },
] as const;

/**
 * For `bash -c`, within fresh namespaces: loopback alone, and a resolv.conf in the directory `$1` that nobody else reads; then the rest of the
 * arguments. The shell stays the first process: a child of that one may be an orphan it took in, and so is nobody an engine knows.
 */
export const inside = `set -e
mount --make-rprivate /
ip link set lo up
printf 'nameserver 127.0.0.9\\n' > "$1/resolv.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
shift
"$@"
exit $?`;

/**
 * Bundle `program` and run it with `args` (the network's name first).
 * @param within a command that sets something up inside and then runs the rest of its arguments in its own place.
 */
export async function runInside(
  program: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly within?: readonly string[] },
): Promise<Findings> {
  // Built here, where there is a network to fetch modules from, not inside.
  if (args[0] === 'OpenZiti') await openZitiBinary();
  const bundle = join(root, 'test', 'support', `.${program}-${process.pid}-${args.join('-')}.mjs`);
  mkdirSync(join(root, '.cache'), { recursive: true });
  const directory = await mkdtemp(join(root, '.cache', 'tun-'));
  let output = '';
  try {
    await build({
      absWorkingDir: root,
      entryPoints: [`test/system/support/${program}.ts`],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      target: 'node20.19',
      format: 'esm',
      packages: 'external',
      logLevel: 'error',
    });
    const command = [...(options.within ?? []), process.execPath, bundle, ...args];
    // A process namespace of its own: when its first process goes, so does whatever that started.
    const apart = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const child = spawn('unshare', [...apart, 'bash', '-c', inside, 'inside', directory, ...command], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await new Promise((resolve) => child.once('close', resolve));
    clearTimeout(timer);
  } finally {
    await rm(bundle, { force: true });
    await rm(directory, { recursive: true, force: true });
  }
  const findings = new Map<string, Finding>();
  for (const line of output.split('\n').filter((text) => text.startsWith('{"check"'))) {
    const finding = JSON.parse(line) as Finding;
    findings.set(finding.check, finding);
  }
  return { findings, output };
}
