/** A service `private` at `private.dark:80` that says "for ada", hosted by an engine of its own, and a token for whoever may dial it. */
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DisposalStack } from '../../main/base/lifecycle.ts';
import { culvertJson, startCulvert } from './culvert.ts';
import type { Network } from './network.ts';
import { until } from './until.ts';

/** Hosted when this resolves. `home` holds `hers.jwt` (0644), and the engine's state; `env` is what that is started with. */
export async function openPrivateService(
  { admin }: Pick<Network, 'admin'>,
  home: string,
  env: Readonly<Record<string, string>>,
): Promise<AsyncDisposable> {
  const stack = new DisposalStack();
  const backend = createServer((_request, response) => response.end('for ada'));
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  stack.defer(() => void backend.close());
  const service = await admin.createService({
    name: 'private',
    configs: {
      'intercept.v1': { protocols: ['tcp'], addresses: ['private.dark'], portRanges: [{ low: 80, high: 80 }] },
      'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: (backend.address() as AddressInfo).port },
    },
  });
  for (const [name, type] of [
    ['box', 'Bind'],
    ['hers', 'Dial'],
  ] as const) {
    const { id, jwt } = await admin.createIdentity(name);
    await admin.createServicePolicy({ type, services: [service], identities: [id] });
    await writeFile(join(home, `${name}.jwt`), jwt, { mode: 0o644 });
  }
  const state = join(home, 'box');
  await culvertJson(['enroll', join(home, 'box.jwt'), '--keystore', 'file', '--state', state], { env });
  stack.use(await startCulvert(['run', '--mode', 'host', '--state', state], { env }));
  await until(async () => (await admin.terminators(service)).length > 0, 30_000);
  return stack;
}
