/** What a security team takes along ready-made: rules and a dashboard that name nothing which is not told. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { toOcsf } from '../../main/audit/export/ocsf.ts';
import { openMetrics } from '../../main/engine/state/metrics.ts';
import { chainOf } from '../conformance/fleet-store.ts';
import { dashboardQueries } from '../support/dashboard.ts';
import { emptyState } from '../support/fake-engine.ts';

interface Rule {
  readonly name?: string;
  readonly detection?: { readonly selection: Readonly<Record<string, string | number>> };
  readonly correlation?: { readonly rules: readonly string[]; readonly 'group-by': readonly string[] };
}

const directory = join(process.cwd(), 'resources/siem/sigma');
const rules = readdirSync(directory).map((file) => parse(readFileSync(join(directory, file), 'utf8')) as Rule);

/** Records as engines write them, and what of each a rule looks at. */
const written = chainOf([
  { kind: 'violation', service: 'plc', identity: 'me', code: 'session.bytes_used', decision: 'deny', reason: 'r' },
  { kind: 'quarantine.added', subject: 'app:robot', by: 'breaker', cause: 'c' },
  { kind: 'gap', from: 1, to: 2 },
  { kind: 'alert', what: 'fleet', text: 'edge: it has 2 records, and 9 were seen' },
  { kind: 'verdict', agent: 'robot', decision: 'deny', code: 'policy.agent.no_reach', reason: 'r' },
  { kind: 'call', agent: 'robot', service: 'plc', tool: 'write', decision: 'deny', rule: 'mcp.deny' },
]).map(({ record }) => toOcsf(record, { hostname: 'edge', version: '0.2.0' }));
const quiet = chainOf([
  { kind: 'verdict', agent: 'robot', decision: 'allow', code: 'policy.allowed', reason: 'r' },
  { kind: 'call', agent: 'robot', service: 'plc', tool: 'read', decision: 'allow' },
  { kind: 'alert', what: 'budget', text: 'low' },
]).map(({ record }) => toOcsf(record, { hostname: 'edge', version: '0.2.0' }));

const at = (event: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], event);

test('each rule finds what it is for, and nothing of an ordinary day', () => {
  const plain = rules.filter(({ detection }) => detection !== undefined);
  for (const { name, detection } of plain) {
    const finds = (event: unknown): boolean =>
      Object.entries(detection?.selection ?? {}).every(([path, value]) => at(event, path) === value);
    expect([name, written.filter(finds).length, quiet.filter(finds).length]).toEqual([name, 1, 0]);
  }
  expect(plain).toHaveLength(written.length);
});

test('a rule over several counts what another one finds, by fields that it has', () => {
  const over = rules.flatMap(({ correlation }) => correlation ?? []);
  expect(over).not.toEqual([]);
  for (const { rules: named, 'group-by': fields } of over) {
    for (const name of named) expect(rules.map((rule) => rule.name)).toContain(name);
    for (const field of fields) expect(at(written.at(-1), field)).toBeTypeOf('string');
  }
});

test('the dashboard asks for figures that engines serve', async () => {
  await using metrics = await openMetrics({ listen: '127.0.0.1:0', status: () => emptyState().status });
  const page = await (await fetch(`http://${metrics.listen}/metrics`)).text();
  const served = new Set([...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  const asked = dashboardQueries().flatMap((query) => query.match(/culvert_\w+/g) ?? []);
  expect(asked.length).toBeGreaterThan(8);
  for (const name of asked) expect(served).toContain(name);
});
