// `npm run test:wine`: Culvert's Windows side under Wine. A Windows Node runs the unit suite, and then two engines, the demo and its scenarios as
// a person on Windows would. Where Wine is missing it says so and ends well; CULVERT_REQUIRE_ALL=1 makes that a failure.
//   npm run test:wine                         everything
//   npm run test:wine -- engines              one part: unit, engines, package
//   npm run test:wine -- unit test/unit/files.test.ts    these files alone
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';
import { packageSteps } from './wine-package.mjs';
import {
  buildWindowsAddon,
  closePrefix,
  fetchParts,
  fetchWindowsNode,
  openPrefix,
  runWindows,
  windowsPath,
  wineMissing,
} from './wine-place.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const parts = { unit: 'test/unit', engines: 'test/wine' };
/** Fewer of the unit tests than that passing is a failure in itself: then tests have been left out. */
const leastUnitTests = 1_060;
/** What fails under Wine 8 for Wine's own sake, by the beginning of the test's name, with the reason. One that passes has to go from the list. */
const known = JSON.parse(readFileSync(join(root, 'test', 'wine', 'known.json'), 'utf8'));

const missing = wineMissing();
if (missing !== undefined) {
  console.log(`skipped: ${missing}`);
  process.exit(process.env.CULVERT_REQUIRE_ALL === '1' ? 1 : 0);
}
const [first, ...files] = process.argv.slice(2);
const names = [...Object.keys(parts), 'package'];
if (first !== undefined && !names.includes(first)) {
  console.error(`unknown part: ${first} (there are: ${names.join(', ')})`);
  process.exit(2);
}
ensureInstalled(root);
await ensureBuilt(root);
const node = fetchWindowsNode();
const modulePath = fetchParts(true);
await buildWindowsAddon();
openPrefix();
let failures = 0;
try {
  const version = runWindows(node, [windowsPath(join(root, 'dist', 'culvert.mjs')), '--version'], { modulePath });
  console.log(`culvert --version: ${version.out.trim() || version.err.trim()}`);
  if (version.code !== 0) failures += 1;
  for (const part of first === undefined ? names : [first]) {
    failures += part === 'package' ? await packaged() : run(part, files);
  }
} finally {
  closePrefix();
}
process.exit(failures === 0 ? 0 : 1);

/** One part by vitest under Wine; the number of failures that count. */
function run(part, files) {
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  const report = join(cache, `wine-${part}.json`);
  rmSync(report, { force: true });
  const startedAt = Date.now();
  const ran = runWindows(
    node,
    [
      windowsPath(join(root, 'node_modules', 'vitest', 'vitest.mjs')),
      'run',
      '--config',
      'test/vitest.config.ts',
      // The configuration's own root is a path of Unix.
      '--root',
      windowsPath(root),
      '--reporter=json',
      `--outputFile=${windowsPath(report)}`,
      ...(files.length > 0 ? files : [parts[part]]),
    ],
    { modulePath, timeoutMs: 3_600_000 },
  );
  if (!existsSync(report)) {
    console.error(`${part}: no report (exit ${ran.code})\n${ran.out.slice(-2000)}${ran.err.slice(-2000)}`);
    return 1;
  }
  return tell(part, JSON.parse(readFileSync(report, 'utf8')), (Date.now() - startedAt) / 1000, files.length === 0);
}

/** The package's steps, each told; those after one that failed are not tried. */
async function packaged() {
  for (const [name, step] of Object.entries(packageSteps(root))) {
    try {
      const skipped = await step();
      console.log(`package: ${name}: ${typeof skipped === 'string' ? `skipped, ${skipped}` : 'ok'}`);
    } catch (error) {
      console.log(`package: ${name}: FAILED: ${error.message}`);
      return 1;
    }
  }
  return 0;
}

function tell(part, { testResults }, seconds, isWhole) {
  const rows = testResults.flatMap((file) => {
    const name = relative(root, file.name.replace(/^z:/i, '').replaceAll('\\', '/'));
    if (file.assertionResults.length === 0) return [{ name, full: name, status: file.status, message: file.message }];
    return file.assertionResults.map((test) => ({
      name,
      full: `${name} › ${test.fullName}`,
      status: test.status,
      message: test.failureMessages[0],
    }));
  });
  const failed = rows.filter(({ status }) => status === 'failed');
  const excused = failed.filter(({ full }) => known.some(({ test }) => full.startsWith(test)));
  const counted = failed.filter((row) => !excused.includes(row));
  const passes = known.filter(({ test }) =>
    rows.some(({ full, status }) => status === 'passed' && full.startsWith(test)),
  );
  const passed = rows.filter(({ status }) => status === 'passed').length;
  const skipped = rows.length - passed - failed.length;
  console.log(
    `${part}: ${passed} passed, ${counted.length} failed, ${excused.length} known, ${skipped} skipped (${Math.round(seconds)} s)`,
  );
  for (const { full, message } of counted) console.log(`  failed: ${full}: ${(message ?? '').split('\n', 1)[0]}`);
  for (const { full } of excused)
    console.log(`  known:  ${full}: ${known.find(({ test }) => full.startsWith(test)).why}`);
  for (const { test } of passes) console.log(`  passes: ${test}: it is in test/wine/known.json no longer`);
  const isShort = part === 'unit' && isWhole && passed < leastUnitTests;
  if (isShort) console.log(`  failed: ${passed} tests passed, ${leastUnitTests} at least are wanted`);
  return counted.length + passes.length + (isShort ? 1 : 0);
}
