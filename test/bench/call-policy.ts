/** What a decision of local rules on a call costs, with all of its context: the shipped example and fifty rules beside it. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../main/base/log.ts';
import { argumentTexts } from '../../main/guard/mcp/argument-texts.ts';
import { callQuestion } from '../../main/policy/local/questions.ts';
import { openPolicy } from '../../main/policy/policy.ts';
import { curl, facts, machine } from '../support/policy-world.ts';
import { quantile, table } from './figures.ts';

const calls = 20_000;
/** Fields of the arguments, and things called before. */
const [fields, things] = [12, 100];

export async function measureCallPolicy(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'culvert-bench-calls-'));
  try {
    await cp('resources/policy', dir, { recursive: true });
    const rules = Array.from(
      { length: 50 },
      (_, i) =>
        `@id("b${i}") forbid(principal, action == Action::"callTool", resource == Tool::"t${i}") when { context.hour < 6 };`,
    );
    await writeFile(join(dir, 'more.cedar'), rules.join('\n'));
    const policy = await openPolicy({ dir, device: 'bench', log: silentLog });
    const args = Object.fromEntries(Array.from({ length: fields }, (_, i) => [`field${i}`, `value ${i}`]));
    const session = {
      direction: 'dial' as const,
      app: { ...curl, agent: 'claude' },
      identity: 'laptop',
      service: 'mail',
      serviceId: 'id-mail',
      protocol: 'tcp',
      source: '127.0.0.1:5000',
      destination: 'mail.dark:80',
      entry: 'tun',
    };
    const before = {
      calls: 100,
      things: Array.from({ length: things }, (_, i) => `tool_${i}`),
      classesRead: ['email', 'iban'],
    };
    const known = { facts: facts({ laptop: machine }), workgroups: ['ops'], callsLastMinute: 3 };
    const times: number[] = [];
    for (let i = 0; i < calls; i += 1) {
      const began = process.cpuUsage();
      const call = {
        arguments: () => argumentTexts({ ...args, to: `a${i}@example.org` }),
        classes: ['email'],
        approved: false,
        before,
        risk: 0,
      };
      const question = callQuestion({ action: 'callTool', target: 'send_mail' }, session, { ...known, call });
      if (policy.ask(question).kind !== 'allow') throw new Error('refused');
      const { user, system } = process.cpuUsage(began);
      times.push((user + system) / 1000);
    }
    const figure = (q: number): string => `${quantile(times, q).toFixed(3)} ms`;
    return table(
      ['decision on a call in its context', 'p50', 'p99', 'wanted'],
      [[`${rules.length + 6} rules, ${fields + 1} arguments`, figure(0.5), figure(0.99), 'p99 < 1 ms']],
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
