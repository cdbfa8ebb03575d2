/** The README's quick start for developers, its lines as they stand: from nothing to a guarded tool call by an agent of its own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import { culvertJson, culvertProgram } from '../support/culvert.ts';
import { mustSkip } from '../support/optional.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bwrap = spawnSync('bwrap', ['--unshare-user', '--unshare-pid', '--bind', '/', '/', '--proc', '/proc', 'true']);
const missing = bwrap.status === 0 ? undefined : 'no namespaces can be made here (bubblewrap)';

/** Blocks of the section whose heading holds these words. */
function blocksUnder(heading: string): readonly string[] {
  const sections = readFileSync(join(root, 'README.md'), 'utf8').split(/^## /m);
  const section = sections.find((one) => one.split('\n')[0]?.includes(heading)) ?? '';
  return [...section.matchAll(/^```\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
}

/** Stands for the server that the README takes from npm: the same tools by name, on standard streams. */
const server = `
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') {
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'memory', version: '1' } });
  } else if (method === 'tools/list') {
    const tool = (name) => ({ name, inputSchema: { type: 'object' } });
    answer(id, { tools: ['read_graph', 'delete_entities'].map(tool) });
  } else if (method === 'tools/call') answer(id, { content: [{ type: 'text', text: params.name + ' was called' }] });
});
`;

describe.skipIf(mustSkip(missing))('the quick start of the README', () => {
  let shell: ChildProcess | undefined;
  afterAll(() => {
    // With all that was started in it.
    if (shell?.pid !== undefined) process.kill(-shell.pid, 'SIGTERM');
  });

  test('leads from nothing to a guarded call of a bound agent', { timeout: 120_000 }, async () => {
    const blocks = blocksUnder('a developer and an agent');
    expect(blocks).toHaveLength(5);
    const place = join(temporaryDirectory('readme'), 'try');
    const memory = join(temporaryDirectory('memory'), 'server.cjs');
    writeFileSync(memory, server);
    const program = await culvertProgram();
    const asHere = (block: string): string =>
      block
        .replace(/^npm install .*\n/m, '')
        .replace('/tmp/culvert-try/node_modules/.bin/mcp-server-memory', `${process.execPath} ${memory}`)
        .replaceAll('/tmp/culvert-try', place)
        .replaceAll('node dist/culvert.mjs', `${process.execPath} ${program}`);

    shell = spawn('bash', ['-O', 'expand_aliases'], { cwd: root, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [shell.stdout, shell.stderr]) stream?.on('data', (data: Buffer) => (said += data.toString()));
    const type = async (block: string, isDone: () => boolean): Promise<string> => {
      const before = said.length;
      const mark = `done ${before} ${Math.round(performance.now())}`;
      shell?.stdin?.write(`${block}\necho "${mark}"\n`);
      await until(() => said.includes(mark) && isDone(), 40_000);
      return said.slice(before);
    };
    await type(`alias culvert="${process.execPath} ${program}"\n`, () => true);
    const [seed = '', enrol = '', host = '', call = '', look = ''] = blocks.map(asHere);
    await type(seed, () => said.includes('token       researcher'));
    await type(enrol, () => said.includes('The engine is up'));
    await type(host, () => said.includes('notes.dark is answered by'));
    const answers = await type(call, () => true);
    expect(answers).toContain('read_graph was called');
    expect(answers).toContain('"rule":"contract:mcp.deny delete_*"');
    expect(answers).not.toContain('delete_entities was called');
    const record = await type(look, () => true);
    expect(record).toMatch(/note-taker +notes\.dark +delete_en\S* .*deny/);
    expect(record).toContain('note-taker reaches 1 of 1 services');
    expect(record).toContain('intact:');
    const calls = await culvertJson<AuditRecordView[]>(['audit', 'calls', '--state', join(place, 'state')]);
    expect(
      calls.filter((one) => one['end'] === 'dial').map((one) => [one['agent'], one['tool'], one['decision']]),
    ).toEqual([
      ['note-taker', 'delete_entities', 'deny'],
      ['note-taker', 'read_graph', 'allow'],
    ]);
  });
});
