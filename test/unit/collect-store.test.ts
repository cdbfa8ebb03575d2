import { describe } from 'vitest';
import { openSqliteStore } from '../../main/engine/collect/sqlite-store.ts';
import { describeFleetStore } from '../conformance/fleet-store.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('the fleet’s record in SQLite', () => {
  describeFleetStore(() => Promise.resolve(openSqliteStore(temporaryDirectory('fleet'))));
});
