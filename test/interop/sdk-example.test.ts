/** The SDK's README: its example compiles as it stands, and does what it says. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, expect, test } from 'vitest';
import type { ZitiContext } from '../../main/ziti/ziti.ts';
import { describeNetworks } from '../support/networks.ts';
import { until } from '../support/until.ts';
import { uniqueName } from '../support/ziti-world.ts';

interface Example {
  join(jwt: string): Promise<ZitiContext>;
  greet(context: ZitiContext, service: string): Promise<AsyncDisposable>;
  ask(context: ZitiContext, service: string, name: string): Promise<string>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, '.cache');
const file = join(cache, `sdk-example-${process.pid}.ts`);
const block = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'main/ziti/README.md'), 'utf8'))?.[1] ?? '';
mkdirSync(cache, { recursive: true });
writeFileSync(file, block.replaceAll("'./ziti.ts'", "'../main/ziti/ziti.ts'"));
afterAll(() => rmSync(file, { force: true }));

test('the example compiles under the rules of the house', () => {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => readFileSync(path, 'utf8')) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const program = ts.createProgram([file, join(root, 'main/sodium-native.d.ts')], options);
  const own = ts.getPreEmitDiagnostics(program, program.getSourceFile(file));
  expect(own.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});

describeNetworks('the example of the SDK', (network) => {
  test('one identity greets another', async () => {
    const { join, greet, ask } = (await import(file)) as Example;
    const { admin } = network();
    const name = uniqueName('greeter');
    const services = [await admin.createService({ name })];
    const [host, guest] = await Promise.all(['host', 'guest'].map((who) => admin.createIdentity(uniqueName(who))));
    await admin.createServicePolicy({ type: 'Bind', services, identities: [host?.id ?? ''] });
    await admin.createServicePolicy({ type: 'Dial', services, identities: [guest?.id ?? ''] });
    await using hosting = await join(host?.jwt ?? '');
    await using dialling = await join(guest?.jwt ?? '');
    const has = ({ context }: { context: ZitiContext }): boolean => context.services().some((one) => one.name === name);
    await until(() => has({ context: hosting }) && has({ context: dialling }), 20_000);
    await using _ = await greet(hosting, name);
    await until(async () => (await admin.terminators(services[0] ?? '')).length > 0, 20_000);
    expect(await ask(dialling, name, 'Ada')).toBe('hello, Ada');
  }, 60_000);
});
