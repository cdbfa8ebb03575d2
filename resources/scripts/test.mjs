// `npm test`: lint, types, then every suite, each doing its own set-up. Dependency-free until `npm ci` has run.
//   npm test                 everything this machine can run
//   npm test -- unit interop just these suites
// CULVERT_REQUIRE_ALL=1 makes a test that would be skipped for want of a tool a failure.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const suites = ['architecture', 'unit', 'conformance', 'interop', 'system', 'e2e'];

ensureInstalled(root);
const asked = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const chosen = asked.length === 0 ? ['lint', 'types', ...suites] : asked;
const unknown = chosen.filter((suite) => !['lint', 'types', ...suites].includes(suite));
if (unknown.length > 0) {
  console.error(`unknown suite: ${unknown.join(', ')} (there are: lint, types, ${suites.join(', ')})`);
  process.exit(2);
}
if (chosen.some((suite) => ['unit', 'interop', 'system', 'e2e'].includes(suite))) ensureBuilt(root);

const results = [];
/** Files that passed only the second time. */
const needed = [];
for (const suite of chosen) {
  if (suite === 'lint' || suite === 'types') results.push(run(suite, 'npm', ['run', '--silent', suite]));
  else if (existsSync(join(root, 'test', suite))) results.push(vitest(suite));
}
console.log('\nsuite         seconds  result');
for (const { suite, seconds, ok } of results) {
  console.log(`${suite.padEnd(13)} ${String(seconds).padStart(7)}  ${ok ? 'passed' : 'FAILED'}`);
}
for (const file of needed) console.log(`passed only the second time: ${file}`);
const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0);
const skipped = results.reduce((sum, result) => sum + result.skipped, 0);
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(results.every((result) => result.ok) ? 0 : 1);

/** One command, timed; it counts as one test passed or failed. */
function run(suite, command, args) {
  console.log(`\n== ${suite}`);
  const start = Date.now();
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  const ok = status === 0;
  return {
    suite,
    seconds: Math.round((Date.now() - start) / 1000),
    ok,
    passed: ok ? 1 : 0,
    failed: ok ? 0 : 1,
    skipped: 0,
  };
}

/**
 * One folder of tests. Suites that start networks and namespaces run one file at a time: two cores are no more. They depend on other
 * people's processes as well as on ours, so a file that failed there gets one more run, and the summary says which needed it.
 */
function vitest(suite) {
  const serial = ['interop', 'system', 'e2e'].includes(suite);
  const first = runFiles(suite, [`test/${suite}/`], serial);
  if (first.ok || !serial || first.failedFiles.length === 0) return first;
  const again = runFiles(suite, first.failedFiles, serial);
  const mended = first.failedFiles.filter((file) => !again.failedFiles.includes(file));
  for (const file of mended) needed.push(file);
  const { ok, failed } = again;
  const rest = { passed: first.passed + first.failed - failed, failed, skipped: first.skipped };
  return { ...first, ...rest, ok: ok && first.strict.length === 0, seconds: first.seconds + again.seconds };
}

function runFiles(suite, files, serial) {
  const report = join(root, '.cache', `test-${suite}.json`);
  rmSync(report, { force: true });
  const args = ['--no-install', 'vitest', 'run', '--config', 'test/vitest.config.ts', ...files];
  args.push('--reporter=default', '--reporter=json', `--outputFile.json=${report}`);
  if (serial) args.push('--no-file-parallelism');
  const result = { ...run(suite, 'npx', args), failedFiles: [], strict: [] };
  try {
    const counts = JSON.parse(readFileSync(report, 'utf8'));
    const skipped = counts.numPendingTests + (counts.numTodoTests ?? 0);
    const strict = process.env.CULVERT_REQUIRE_ALL === '1' && skipped > 0 ? listSkipped(counts) : [];
    for (const name of strict) console.error(`skipped, though CULVERT_REQUIRE_ALL=1: ${name}`);
    const failedFiles = counts.testResults
      .filter((file) => file.status === 'failed')
      .map((file) => relative(root, file.name));
    const failed = counts.numFailedTests + strict.length;
    return {
      ...result,
      ok: result.ok && strict.length === 0,
      passed: counts.numPassedTests,
      failed,
      skipped,
      failedFiles,
      strict,
    };
  } catch {
    return result;
  }
}

/** Skips that no machine of this kind could avoid say so in their name: "(needs Electron's binary)". */
function listSkipped(counts) {
  return counts.testResults
    .flatMap((file) => file.assertionResults)
    .filter((test) => test.status === 'pending' || test.status === 'skipped' || test.status === 'todo')
    .map((test) => test.fullName)
    .filter((name) => !name.includes("(needs Electron's binary)"));
}
