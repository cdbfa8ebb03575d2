/** Programs that play AI agents: `mcp-agent.ts` bundled under several names, for what makes each an agent is the path it is run from. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { start } from './governed-world.ts';
import type { AgentResult, AgentStep } from './mcp-agent.ts';

/** `HOME/bin/NAME.mjs` for each name. */
export async function buildAgents(home: string, names: readonly string[]): Promise<void> {
  const source = fileURLToPath(new URL('../support/mcp-agent.ts', import.meta.url));
  await build({
    entryPoints: Object.fromEntries(names.map((name) => [name, source])),
    outdir: join(home, 'bin'),
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    logLevel: 'error',
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
  });
}

/** Run an agent through its steps; `proxy` empty: it knows nothing of one. */
export async function runAgent(
  script: string,
  to: { readonly proxy: string; readonly url: string; readonly generation: string },
  steps: readonly AgentStep[],
): Promise<AgentResult[]> {
  const ran = await start(process.execPath, [script, to.proxy, to.url, to.generation, JSON.stringify(steps)]).done;
  if (ran.code !== 0) throw new Error(`${script}: ${ran.err}`);
  return JSON.parse(ran.out) as AgentResult[];
}
