/** The whole program in `tun` mode, in a namespace of its own, on the embedded overlay and on real OpenZiti: what applications see. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { openZitiBinary, openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { whyNoNamespaces } from './support/netns.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly ms?: number;
  readonly detail?: unknown;
}

const candidates = [
  { name: 'embedded', missing: whyNoNamespaces },
  { name: 'OpenZiti', missing: () => whyNoNamespaces() ?? openZitiMissing() },
] as const;

const checks = [
  'mode',
  'curl by name',
  'the session names the program',
  'an address of a prefix, ports of a range',
  'a wildcard name, interactive',
  'UDP there and back',
  'nobody hosts: connection refused, not accepted and cut',
  'an unknown name is the system resolver’s',
  'a thousand flows at one time',
  'revoked: reset within 500 ms, reason policy_revoked, name gone',
  'stopped: routes and resolver as before',
  'killed: a repair puts everything back',
] as const;

/** Private network and mounts: loopback alone, and a resolv.conf nobody else reads. */
const inside = `set -e
mount --make-rprivate /
ip link set lo up
printf 'nameserver 127.0.0.9\\n' > "$1/resolv.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
exec "$2" "$3" "$4"`;

for (const candidate of candidates) {
  describe.skipIf(mustSkip(candidate.missing()))(`tun mode on ${candidate.name}`, () => {
    const findings = new Map<string, Finding>();
    let output = '';

    beforeAll(async () => {
      // Built here, where there is a network to fetch modules from, not inside.
      if (candidate.name === 'OpenZiti') await openZitiBinary();
      const bundle = join(root, 'test', 'support', `.engine-in-tun-${process.pid}.mjs`);
      const directory = await mkdtemp(join(root, '.cache', 'tun-'));
      try {
        await build({
          absWorkingDir: root,
          entryPoints: ['test/system/support/engine-in-tun.ts'],
          outfile: bundle,
          bundle: true,
          platform: 'node',
          target: 'node20.19',
          format: 'esm',
          packages: 'external',
          logLevel: 'error',
        });
        const args = [
          '--net',
          '--mount',
          'bash',
          '-c',
          inside,
          'inside',
          directory,
          process.execPath,
          bundle,
          candidate.name,
        ];
        const child = spawn('unshare', args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
        const timer = setTimeout(() => child.kill('SIGKILL'), 200_000);
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
        await new Promise((resolve) => child.once('close', resolve));
        clearTimeout(timer);
      } finally {
        await rm(bundle, { force: true });
        await rm(directory, { recursive: true, force: true });
      }
      for (const line of output.split('\n').filter((text) => text.startsWith('{"check"'))) {
        const finding = JSON.parse(line) as Finding;
        findings.set(finding.check, finding);
      }
    }, 240_000);

    it.each(checks)('%s', (name) => {
      const finding = findings.get(name);
      expect(finding, output.slice(-3000)).toBeDefined();
      expect(finding?.ok, JSON.stringify(finding?.detail)).toBe(true);
    });

    it('logs nothing that nobody expects', () => {
      expect(findings.get('no unexpected warning in the log')?.detail).toEqual([]);
    });
  });
}
