/** A service is observed, its contract is learnt from the record, held against that record, and then enforced. */
import { writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import ModbusRTU from 'modbus-serial';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LearntView, ReplayView, SimulateView } from '../../main/api/learning-views.ts';
import type { PolicyView } from '../../main/api/views.ts';
import { openPlc, type Plc } from '../../main/cli/demo/plc.ts';
import { culvertProgram } from '../support/culvert.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import { openHandshakeServer, type McpTestServer } from '../support/mcp-servers.ts';
import { describeGoverned } from '../support/networks.ts';
import { dialSocks } from '../support/socks-client.ts';
import { until } from '../support/until.ts';

describeGoverned('a contract learnt from what was observed', (network) => {
  let world: GovernedWorld;
  let plc: Plc;
  let tools: McpTestServer;

  beforeAll(async () => {
    [plc, tools] = await Promise.all([openPlc(), openHandshakeServer()]);
    world = await GovernedWorld.open(network(), {
      identities: ['laptop'],
      services: {
        'seen-plc': {
          target: plc.port,
          dial: ['laptop'],
          contract: { modbus: { allow: 'read', units: [9] }, enforce: 'observe' },
        },
        'seen-tools': {
          target: tools.port,
          dial: ['laptop'],
          contract: { mcp: { allow: ['nothing'] }, enforce: 'observe' },
        },
      },
    });
  }, 180_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await plc?.[Symbol.asyncDispose]();
    await tools?.[Symbol.asyncDispose]();
  }, 60_000);

  const withPlc = async (use: (client: ModbusRTU) => Promise<void>): Promise<void> => {
    const socket: Socket = await dialSocks(world.proxy, 'seen-plc.dark', 80);
    const client = new ModbusRTU();
    void client.linkTCP(socket, {} as never);
    await until(() => client.isOpen);
    client.setID(1);
    client.setTimeout(5_000);
    await use(client);
    socket.end();
  };
  const readAndWrite = async (client: ModbusRTU): Promise<void> => {
    expect((await client.readHoldingRegisters(40, 2)).data).toEqual([1040, 1041]);
    await client.writeRegister(7, 21);
  };
  const withTools = async (use: (client: Client) => Promise<void>): Promise<void> => {
    const client = new Client({ name: 'observer', version: '1' });
    const args = [await culvertProgram(), 'mcp', 'connect', 'seen-tools', '--state', world.deviceState];
    await client.connect(new StdioClientTransport({ command: process.execPath, args }));
    await use(client);
    await client.close();
  };
  const search = async (client: Client): Promise<void> => {
    const { content } = await client.callTool({ name: 'search', arguments: { text: 'abc' } });
    expect(content).toEqual([{ type: 'text', text: 'search:3' }]);
  };
  const over = (service: string): Promise<void> =>
    until(async () => (await world.sessions(service)).every((row) => row.state === 'closed'));
  const learn = (service: string): Promise<LearntView> =>
    world.json<LearntView>(['policy', 'learn', '--service', service, '--since', '1h']);

  test('observing lets through what the lists refuse, and no search finds a denial that was none', async () => {
    await withPlc(readAndWrite);
    await withTools(async (client) => {
      expect((await client.listTools()).tools.map(({ name }) => name)).toContain('delete_user');
      await search(client);
    });
    await Promise.all([over('seen-plc'), over('seen-tools')]);
    expect(plc.writes()).toBe(1);
    expect(await world.newest('seen-plc')).toMatchObject({ observed: 2, guard: 'modbus' });
    expect(await world.records('call', '--decision', 'deny')).toEqual([]);
    const [written] = await world.records('call', '--service', 'seen-plc');
    expect(written).toMatchObject({
      method: 'write-single-register',
      decision: 'allow',
      observed: 'contract:modbus.units',
    });
    // The host keeps the same contract, and observes as well.
    const atHost = await world.json<unknown[]>(['audit', 'search', '--kind', 'call'], world.boxState);
    expect(atHost).toContainEqual(expect.objectContaining({ end: 'host', observed: 'contract:mcp.allow' }));
  }, 60_000);

  test('what is learnt refuses nothing of it, with and without an engine, and the same each time', async () => {
    const { contract, changes } = await learn('seen-plc');
    expect(contract).toMatchObject({
      modbus: {
        allow: [3, 6],
        units: [1],
        read: [{ table: 'holding', from: 40, to: 41, units: [1] }],
        write: [{ table: 'holding', from: 7, to: 7, units: [1], min: 21, max: 21 }],
      },
    });
    expect(changes).toContainEqual({ field: 'enforce', old: 'observe' });
    expect((await learn('seen-plc')).contract).toEqual(contract);
    for (const service of ['seen-plc', 'seen-tools']) {
      const printed = await world.run(['policy', 'learn', '--service', service, '--since', '1h']);
      expect(printed.out).toMatch(/^# learnt from \d+ calls/);
      const file = join(world.home, `${service}.yaml`);
      await writeFile(file, printed.out);
      const replay = await world.json<ReplayView>(['policy', 'replay', file, '--since', '1h']);
      expect(replay).toMatchObject({ refused: 0, unknown: [] });
      expect(replay.calls).toBeGreaterThan(0);
    }
    const strict = join(world.home, 'strict.yaml');
    await writeFile(strict, 'modbus: { allow: read }\n');
    const refused = await world.run(['policy', 'replay', strict, '--service', 'seen-plc', '--since', '1h', '--json']);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out)).toMatchObject({ refused: 1, rules: [{ rule: 'contract:modbus.allow', count: 1 }] });
    const change = join(world.home, 'change.json');
    await writeFile(
      change,
      JSON.stringify({ contracts: [{ service: 'seen-*', contract: { modbus: { allow: 'read' } } }] }),
    );
    const simulated = await world.run(['policy', 'simulate', change, '--since', '1h', '--json']);
    expect(simulated.code, simulated.err).toBe(1);
    const { rows } = JSON.parse(simulated.out) as SimulateView;
    expect(rows.find(({ service, end }) => service === 'seen-plc' && end === 'dial')).toMatchObject({
      ...{ identity: 'laptop', now: 'allowed', then: 'allowed', calls: { seen: 2, cut: 1, letIn: 0 } },
      rules: [{ rule: 'contract:modbus.allow', count: 1 }],
    });
    const misspelt = join(world.home, 'misspelt.json');
    await writeFile(misspelt, JSON.stringify({ contracts: [{ service: 'sene-*', contract: null }] }));
    const nothing = await world.run(['policy', 'simulate', misspelt, '--json']);
    expect(JSON.parse(nothing.out)).toMatchObject({ unmatched: [{ what: 'service', name: 'sene-*' }] });
    expect(nothing.err).toContain('there is no service sene-* here');
    const nowhere = await world.run(['policy', 'simulate', '--rules', join(world.home, 'nowhere')]);
    expect(nowhere).toMatchObject({ code: 1, err: expect.stringContaining('culvert: base.invalid: ') as string });
    const told = await world.run(['policy', 'simulate', change, '--service', 'seen-plc', '--since', '1h']);
    expect(told.out).toContain('laptop seen-plc: allowed, 1 of 2 calls cut');
    // The box's record stands for one whose engine is not asked: the journal's directory alone.
    const offline = await world.run([
      ...['policy', 'learn', '--service', 'seen-plc', '--since', '1h', '--json'],
      ...['--socket', join(world.home, 'nobody.sock')],
    ]);
    expect(JSON.parse(offline.out)).toMatchObject({ contract });
  }, 60_000);

  test('enforced, the same calls pass and others are refused', async () => {
    for (const service of ['seen-plc', 'seen-tools']) {
      const { contract } = await learn(service);
      // How long a test takes is no measure of the next run.
      const { maxDurationSeconds: _seconds, maxBytes: _bytes, ...lists } = contract;
      await network().admin.setServiceConfig(world.ids[service] ?? '', 'culvert.contract.v1', lists);
      await until(async () => {
        const { contracts } = await world.json<PolicyView>(['policy', 'explain']);
        return contracts.find((one) => one.service === service)?.terms['enforce'] === undefined;
      }, 30_000);
    }
    await withPlc(async (client) => {
      await readAndWrite(client);
      await expect(client.writeRegister(8, 21)).rejects.toMatchObject({ modbusCode: 2 });
      await expect(client.readHoldingRegisters(40, 3)).rejects.toMatchObject({ modbusCode: 2 });
    });
    await withTools(async (client) => {
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['search']);
      await search(client);
      await expect(client.callTool({ name: 'delete_user', arguments: {} })).rejects.toThrow(/Unknown tool/);
    });
    expect(tools.ran).not.toContain('delete_user');
    expect(plc.writes()).toBe(2);
    expect(await world.records('call', '--decision', 'deny')).toHaveLength(3);
  }, 60_000);
});
