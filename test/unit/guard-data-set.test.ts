/** The figures that decision 0023 gives are those of the detectors as they are. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dataDetectors } from '../../main/guard/data/detectors.ts';
import { dataSet } from '../support/data-set/data-set.ts';
import { scored, scoreTable } from '../support/data-set/measure.ts';

test('precision and recall on the published set are the published ones', () => {
  const { secrets, personal } = dataDetectors();
  const scores = scored(dataSet, (text) => [...secrets(text), ...personal(text)]);
  const decision = readFileSync('resources/docs/decisions/0023-data-in-calls.md', 'utf8');
  expect(decision.replace(/ +/g, ' ').replace(/-{3,}/g, '---')).toContain(scoreTable(scores));
});
