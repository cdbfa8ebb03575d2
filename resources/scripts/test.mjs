// `npm test`: lint, types, then every suite, each doing its own set-up. Dependency-free until `npm ci` has run.
//   npm test                 everything this machine can run
//   npm test -- unit interop just these suites
// What needs a tool that is missing is skipped with its reason, listed at the end beside the command that installs it.
// CULVERT_REQUIRE_ALL=1 makes a skip a failure, but for those that test/support/allowed-skips.json names.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled } from './prepare.mjs';
import { filesToRepeat, suiteResult } from './suite-results.mjs';

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
if (chosen.some((suite) => ['unit', 'interop', 'system', 'e2e'].includes(suite))) await ensureBuilt(root);

const cache = join(root, '.cache');
mkdirSync(cache, { recursive: true });
const skips = join(cache, 'test-skips.jsonl');
rmSync(skips, { force: true });
const allowed = JSON.parse(readFileSync(join(root, 'test', 'support', 'allowed-skips.json'), 'utf8'));
const results = [];
/** Each file's time, over all suites. */
const times = [];
/** Files that passed only the second time, with what failed the first time. */
const needed = [];
/** What failed in the run that counts: `file › test: first line of the error`. */
const failures = [];
for (const suite of chosen) {
  if (suite === 'lint' || suite === 'types') results.push(run(suite, 'npm', ['run', '--silent', suite]));
  else if (existsSync(join(root, 'test', suite))) results.push(vitest(suite));
}
console.log('\nsuite         seconds  result');
for (const { suite, seconds, ok } of results) {
  console.log(`${suite.padEnd(13)} ${String(seconds).padStart(7)}  ${ok ? 'passed' : 'FAILED'}`);
}
for (const line of needed) console.log(`passed only the second time: ${line}`);
tellTimes();
tellSkips();
if (failures.length > 0) console.log(`\nfailed\n${failures.map((line) => `  ${line}`).join('\n')}`);
const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0);
const skipped = results.reduce((sum, result) => sum + result.skipped, 0);
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(results.every((result) => result.ok) ? 0 : 1);

/** One command, timed; it counts as one test passed or failed. */
function run(suite, command, args, env = {}) {
  console.log(`\n== ${suite}`);
  const start = Date.now();
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    env: { ...process.env, CULVERT_SKIPS: skips, ...env },
  });
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
  const repeat = filesToRepeat(first, serial);
  const again = repeat.length === 0 ? undefined : runFiles(suite, repeat, serial);
  const result = suiteResult(first, again, process.env.CULVERT_REQUIRE_ALL === '1');
  failures.push(...result.failures);
  needed.push(...result.needed);
  return result;
}

/** Run these and read what each file came to; no files where there is no report. */
function runFiles(suite, files, serial) {
  const report = join(cache, `test-${suite}.json`);
  const unhandled = join(cache, `test-${suite}-unhandled.jsonl`);
  for (const file of [report, unhandled]) rmSync(file, { force: true });
  const args = ['--no-install', 'vitest', 'run', '--config', 'test/vitest.config.ts', ...files];
  args.push('--reporter=default', '--reporter=json', `--outputFile.json=${report}`);
  args.push(`--reporter=${join(root, 'resources', 'scripts', 'unhandled-reporter.mjs')}`);
  if (serial) args.push('--no-file-parallelism');
  const result = run(suite, 'npx', args, { CULVERT_UNHANDLED: unhandled });
  const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  const { testResults } = JSON.parse(read(report) || '{"testResults":[]}');
  return {
    ...result,
    files: testResults.map((file) => fileResult(suite, file)),
    unhandled: read(unhandled)
      .split('\n')
      .filter(Boolean)
      .map((line) => firstLine(JSON.parse(line))),
  };
}

function fileResult(suite, file) {
  const name = relative(root, file.name);
  const seconds = Math.max(0, (file.endTime - file.startTime) / 1000);
  times.push({ file: name, suite, seconds: Math.round(seconds * 10) / 10 });
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  const skipped = file.assertionResults.filter((test) => ['pending', 'skipped', 'todo'].includes(test.status));
  const isBroken = file.status === 'failed';
  const outside =
    isBroken && failed.length === 0 ? [`${name}: ${firstLine(file.message) || 'failed outside of its tests'}`] : [];
  return {
    name,
    passed: file.assertionResults.length - failed.length - skipped.length,
    failed: failed.length + outside.length,
    skipped: skipped.length,
    /** Each failed test, or the file where that failed as a whole, with the first line of its error. */
    failures: [
      ...outside,
      ...failed.map((test) => `${name} › ${test.fullName}: ${firstLine(test.failureMessages[0])}`),
    ],
    // Where a file failed as a whole the rest of it is skipped because of that.
    unexpectedSkips: isBroken ? [] : skipped.map((test) => test.fullName).filter((full) => !isAllowed(full)),
  };
}

function isAllowed(fullName) {
  return allowed.some(({ test }) => fullName.startsWith(test));
}

function firstLine(text) {
  return (text ?? '').split('\n', 1)[0];
}

/** The slowest files, and all of them kept for comparison. */
function tellTimes() {
  if (times.length === 0) return;
  const run = { at: new Date().toISOString(), node: process.version, files: times };
  appendFileSync(join(cache, 'test-times.jsonl'), `${JSON.stringify(run)}\n`);
  console.log('\nslowest files (all of them: .cache/test-times.jsonl)');
  for (const { file, seconds } of [...times].sort((a, b) => b.seconds - a.seconds).slice(0, 10)) {
    console.log(`${String(seconds).padStart(7)} s  ${file}`);
  }
}

/** What was skipped and why, and the one command that brings the tools. */
function tellSkips() {
  if (!existsSync(skips)) return;
  const entries = readFileSync(skips, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const byReason = new Map();
  for (const { file, reason } of entries) {
    byReason.set(reason, (byReason.get(reason) ?? new Set()).add(file === undefined ? '?' : relative(root, file)));
  }
  console.log('\nskipped');
  for (const [reason, files] of byReason) console.log(`  ${reason}: ${[...files].sort().join(', ')}`);
  const tools = JSON.parse(readFileSync(join(root, 'test', 'support', 'tools.json'), 'utf8'));
  const lacking = [...byReason.keys()]
    .filter((reason) => reason.startsWith('needs '))
    .flatMap((reason) => reason.slice('needs '.length).split(', '));
  const packages = [...new Set(lacking.map((name) => tools[name]?.debian).filter(Boolean))].sort();
  if (packages.length > 0)
    console.log(`  to install: sudo apt-get install --no-install-recommends ${packages.join(' ')}`);
}
