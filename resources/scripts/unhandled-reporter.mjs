// A reporter of vitest: errors that no test and no file answers for, which its report in JSON leaves out, a line each into the file that
// CULVERT_UNHANDLED names.
import { writeFileSync } from 'node:fs';

export default class UnhandledReporter {
  onTestRunEnd(_modules, errors) {
    const lines = errors.map(({ name, message, VITEST_TEST_PATH: file }) =>
      JSON.stringify(`${name ?? 'Error'}: ${message}${file === undefined ? '' : ` (while ${file} ran)`}`),
    );
    writeFileSync(process.env.CULVERT_UNHANDLED, lines.map((line) => `${line}\n`).join(''));
  }
}
