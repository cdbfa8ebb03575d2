/** What looking for data finds and costs: precision and recall on the published set, and how long a slice of a message holds the thread. */
import { CompiledDataRules } from '../../main/guard/data/data-rules.ts';
import { dataDetectors } from '../../main/guard/data/detectors.ts';
import { ScannedJson } from '../../main/guard/data/scanned-json.ts';
import { sliceBytes } from '../../main/guard/sliced-guard.ts';
import { dataSet } from '../support/data-set/data-set.ts';
import { scored, scoreTable } from '../support/data-set/measure.ts';
import { quantile, table } from './figures.ts';

const messageBytes = 8 * 1024 * 1024;

/** Texts of a message: what tools answer, what is full of data, and what costs detectors most. */
const contents: Readonly<Record<string, string>> = {
  prose: 'The quick brown fox jumps over the lazy dog, and again the other way. ',
  rows: '{"id":1234,"name":"Ada Lovelace","city":"London","since":"2026-11-30"},',
  'the set': dataSet.map(({ text }) => text).join('\n'),
  addresses: "postgres://user:pass@ https://example.com/a?b=c '",
};

export function measureData(): string {
  const detectors = dataDetectors();
  const { secrets, personal } = detectors;
  const scores = scored(dataSet, (text) => [...secrets(text), ...personal(text)]);
  const rules = new CompiledDataRules({ secrets: 'record', personal: 'record' }, detectors, undefined);
  const rows = Object.entries(contents).map(([name, text]) => {
    const alone = slices(text, () => new ScannedJson(undefined));
    const held = slices(text, () => new ScannedJson(rules.scan()));
    const perMiB = (times: readonly number[]): string =>
      (times.reduce((sum, ms) => sum + ms, 0) / (messageBytes / 1024 / 1024)).toFixed(1);
    return [name, perMiB(alone), perMiB(held), quantile(held, 0.5).toFixed(2), quantile(held, 0.99).toFixed(2)];
  });
  return [
    `${dataSet.length} texts, test/support/data-set`,
    scoreTable(scores),
    '',
    `a message of ${messageBytes / 1024 / 1024} MiB in slices of ${sliceBytes / 1024} KiB`,
    table(['text', 'read, ms/MiB', 'read and looked through, ms/MiB', 'a slice p50, ms', 'p99, ms'], rows),
  ].join('\n');
}

/** How long each slice holds the thread, in milliseconds of the processor: others on this machine take none of them. */
function slices(text: string, open: () => ScannedJson): readonly number[] {
  const bytes = Buffer.from(
    JSON.stringify({ text: text.repeat(Math.ceil(messageBytes / text.length)).slice(0, messageBytes) }),
  );
  const times: number[] = [];
  const reader = open();
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    times.push(processorMs(() => reader.push(bytes.subarray(at, at + sliceBytes))));
  }
  times.push(processorMs(() => reader.end()));
  return times;
}

function processorMs(act: () => unknown): number {
  const before = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
