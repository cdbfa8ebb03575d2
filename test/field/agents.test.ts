/**
 * Command-line agents of the day, as their registries have them, with nothing but what `culvert mcp config` and `culvert env` say: part of
 * `npm run field -- ai`. They are installed first, and run where there is no other network than loopback. `CULVERT_FIELD_DIR` names a folder in which
 * what was installed is found again.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checksOf, realAgents } from '../support/agents/agents.ts';
import { installAgent, type InstalledAgent } from '../support/agents/environment.ts';
import { markdownTable, writeSection } from '../support/field-page.ts';
import { mustSkip } from '../support/optional.ts';
import { toolsMissing } from '../support/tools.ts';
import { runInside, type Findings } from '../system/support/inside.ts';
import { whyNoNamespaces } from '../system/support/netns.ts';

const missing = whyNoNamespaces() ?? toolsMissing('python3');
const timeoutMs = 60 * 60_000;

describe.skipIf(mustSkip(missing))('command-line agents of the day', () => {
  let made: string | undefined;
  let seen: Findings;
  const installed: InstalledAgent[] = [];

  beforeAll(async () => {
    const kept = process.env['CULVERT_FIELD_DIR'];
    made = kept === undefined ? await mkdtemp(join(tmpdir(), 'culvert-agents-')) : undefined;
    const directory = join(kept ?? made ?? '', 'agents');
    const refused: string[] = [];
    for (const agent of realAgents) {
      try {
        installed.push(await installAgent(agent, directory));
      } catch (error) {
        refused.push(`${agent.name}: ${(error as Error).message.split('\n')[0] ?? ''}`);
      }
    }
    const file = join(directory, 'installed.json');
    await writeFile(file, JSON.stringify(installed));
    process.env['CULVERT_AGENTS'] = file;
    seen = await runInside('agents-in-namespace', ['embedded'], { timeoutMs });
    for (const { check, ok, detail } of seen.findings.values())
      if (!ok) console.log(`field: ${check}: ${String(detail)}`);
    await writeSection('ai', 'Command-line agents', pageOf(installed, refused, seen));
  }, timeoutMs);

  afterAll(async () => {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
  });

  test('each does all that it can', () => {
    for (const agent of realAgents.filter(({ name }) => installed.some((one) => one.name === name))) {
      for (const check of checksOf(agent)) {
        const finding = seen.findings.get(check);
        expect.soft(finding?.ok, `${check}: ${String(finding?.detail ?? seen.output.slice(-2_000))}`).toBe(true);
      }
    }
  });
});

function pageOf(installed: readonly InstalledAgent[], refused: readonly string[], { findings }: Findings): string {
  const rows = realAgents.flatMap((agent) => {
    const version = installed.find(({ name }) => name === agent.name)?.version;
    if (version === undefined) return [];
    const checks = checksOf(agent);
    const cell = (end: string, none: string): string => {
      const check = checks.find((one) => one.endsWith(end));
      return check === undefined ? `– ${none}` : findings.get(check)?.ok === true ? 'yes' : '**no**';
    };
    const noModel = agent.noModel ?? '';
    return [
      [
        agent.name,
        version,
        cell('is configured', 'it speaks no MCP'),
        cell('of a dark service', 'it speaks no MCP'),
        cell('used is booked', noModel),
        cell('model is refused', noModel),
      ],
    ];
  });
  return [
    `${new Date().toISOString().slice(0, 10)}, on Linux x64, Node ${process.versions.node}. Each runs in a namespace that holds nothing but loopback; the provider is ours.`,
    markdownTable(
      [
        'agent',
        'version',
        '`culvert mcp config` writes what it reads',
        'lists and calls a dark tool by `mcp serve`, under its own name',
        'is answered by a dark model; what it used is booked under its name',
        'shows why a model is refused',
      ],
      rows,
    ),
    ...(refused.length === 0 ? [] : [`Not installed: ${refused.join('; ')}.`]),
  ].join('\n\n');
}
