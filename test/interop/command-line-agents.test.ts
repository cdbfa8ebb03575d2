/**
 * Two command-line agents from npm's registry, those that are installed and answer soonest, with nothing but what `culvert mcp config` and `culvert env`
 * say: each is told from others, finds a dark tool and calls it, is answered by a dark model and booked, and shows why a model is refused.
 * `npm run field -- ai` runs all that can be had.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { checksOf, realAgents } from '../support/agents/agents.ts';
import { installAgent } from '../support/agents/environment.ts';
import { mustSkip } from '../support/optional.ts';
import { runInside, type Findings } from '../system/support/inside.ts';
import { whyNoNamespaces } from '../system/support/netns.ts';

const versions: Readonly<Record<string, string>> = { 'gemini-cli': '0.61.0', opencode: '1.18.33' };
const agents = realAgents.filter(({ name }) => versions[name] !== undefined);
const directory = fileURLToPath(new URL('../../.cache/agents/', import.meta.url));

describe.skipIf(mustSkip(whyNoNamespaces()))('command-line agents', () => {
  let seen: Findings;

  beforeAll(async () => {
    await mkdir(directory, { recursive: true });
    const installed = await Promise.all(
      agents.map((agent) => installAgent(agent, join(directory, versions[agent.name] ?? ''), versions[agent.name])),
    );
    const file = join(directory, 'installed.json');
    await writeFile(file, JSON.stringify(installed));
    process.env['CULVERT_AGENTS'] = file;
    seen = await runInside('agents-in-namespace', ['embedded'], { timeoutMs: 240_000 });
  }, 600_000);

  test.each(agents.flatMap(checksOf))('%s', (check) => {
    const finding = seen.findings.get(check);
    expect(finding?.ok, String(finding?.detail ?? seen.output.slice(-2_000))).toBe(true);
  });
});
