/** What a security team takes along ready-made, in the hands of the tools it is for: Prometheus answers the dashboard, and pySigma reads the rules. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openMetrics } from '../../main/engine/state/metrics.ts';
import type { SessionEvent } from '../../main/session/sessions.ts';
import { Child, freePort } from '../support/child.ts';
import { dashboardQueries } from '../support/dashboard.ts';
import { emptyState } from '../support/fake-engine.ts';
import { mustSkip } from '../support/optional.ts';
import { openPythonEnvironment } from '../support/python-environment.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { findTool, toolsMissing } from '../support/tools.ts';
import { until } from '../support/until.ts';

describe.skipIf(mustSkip(toolsMissing('prometheus')))('Prometheus', () => {
  test('scrapes an engine, and every query of the dashboard has an answer', { timeout: 120_000 }, async () => {
    const status = emptyState().status;
    const routers = [
      { name: 'edge', identity: 'box', address: 'tls:edge:3022', latencyMs: 3, state: 'connected' as const },
    ];
    const identities = [{ name: 'box', state: 'ready' as const, controller: '', mfa: 'none' as const }];
    await using metrics = await openMetrics({
      listen: '127.0.0.1:0',
      status: () => ({ ...status, routers, identities }),
    });
    const call = { decision: 'allow', model: 'm', tokens: { input: 3, output: 1 } };
    const session = { service: 's', closeReason: 'idle_timeout', bytesSent: 5, bytesReceived: 7 };
    const happen = (): void => {
      metrics.session({ kind: 'opened', session } as SessionEvent);
      metrics.session({ kind: 'called', session, call } as SessionEvent);
      metrics.session({ kind: 'called', session, call: { decision: 'deny' } } as SessionEvent);
      metrics.session({ kind: 'violated', session } as unknown as SessionEvent);
      metrics.session({ kind: 'closed', session } as SessionEvent);
    };
    happen();
    const directory = temporaryDirectory('prometheus');
    const config = {
      global: { scrape_interval: '1s' },
      scrape_configs: [{ job_name: 'culvert', static_configs: [{ targets: [metrics.listen] }] }],
    };
    // JSON is YAML.
    await writeFile(join(directory, 'prometheus.yml'), JSON.stringify(config));
    const listen = `127.0.0.1:${await freePort()}`;
    const args = [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${listen}`,
    ];
    await using _server = new Child(findTool('prometheus') ?? '', args, { logFile: join(directory, 'log') });
    const ask = async (query: string): Promise<{ status: string; data?: { result: unknown[] } }> => {
      const answer = await fetch(`http://${listen}/api/v1/query?${new URLSearchParams({ query }).toString()}`);
      return (await answer.json()) as { status: string; data?: { result: unknown[] } };
    };
    for (const query of dashboardQueries()) {
      // A rate wants two scrapes, the second of them with more.
      await until(async () => {
        happen();
        const { status: said, data } = await ask(query).catch(() => ({ status: 'away', data: undefined }));
        if (said === 'error') throw new Error(`${query} is no query`);
        return (data?.result.length ?? 0) > 0;
      }, 60_000);
    }
  });
});

const sigma = await openPythonEnvironment('sigma', join(import.meta.dirname, '../support/siem/requirements.txt'));

describe.skipIf(mustSkip('missing' in sigma ? sigma.missing : undefined))('pySigma', () => {
  test('reads every rule, and finds nothing to better in them', { timeout: 120_000 }, async () => {
    const interpreter = 'missing' in sigma ? '' : sigma.interpreter;
    const rules = join(process.cwd(), 'resources/siem/sigma');
    const { stdout } = await promisify(execFile)(interpreter, [
      join(import.meta.dirname, '../support/siem/check.py'),
      rules,
    ]);
    expect(JSON.parse(stdout)).toEqual({ rules: 7, errors: [], issues: [] });
  });
});
