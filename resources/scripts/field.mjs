/** `npm run field -- NAME`: what real peers see, by the tests that ask them; the tables beside are in resources/docs/field. */
import { spawnSync } from 'node:child_process';

const fields = {
  ai: ['test/field/ai-matrix.test.ts', 'test/field/agents.test.ts'],
  mcp: ['test/field/mcp-matrix.test.ts'],
  ot: [
    'test/interop/guard-floor-libraries.test.ts',
    'test/interop/inventory.test.ts',
    'test/interop/modbus.test.ts',
    'test/interop/serial-line.test.ts',
    'test/field/modbus-clients.test.ts',
    'test/field/tftp.test.ts',
    'test/system/floor-tun.test.ts',
  ],
  models: ['test/field/models.test.ts'],
  lines: ['test/field/lines.test.ts'],
  newcomer: ['test/field/newcomer.test.ts'],
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(fields, name));
if (asked.length === 0 || unknown.length > 0) {
  process.stderr.write(`field: one of ${Object.keys(fields).join(', ')}\n`);
  process.exit(2);
}
const files = asked.flatMap((name) => fields[name]);
const { status } = spawnSync('npx', ['vitest', 'run', '--config', 'test/vitest.config.ts', ...files], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
