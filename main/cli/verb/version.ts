import type { Command } from 'commander';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';

/** `culvert version`: which Culvert this is, and on what it runs. */
export function addVersion(program: Command, cli: Cli): void {
  addVerb(program, 'version', 'which version this is, and on what it runs').action((options: CommonOptions) => {
    const facts = {
      version: cli.programs.version,
      node: process.versions.node,
      platform: process.platform,
      arch: process.arch,
    };
    cli.print(
      options,
      facts,
      ({ version, node, platform, arch }) => `culvert ${version} (Node ${node}, ${platform} ${arch})\n`,
    );
  });
}
