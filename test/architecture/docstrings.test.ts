import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { undocumentedExports } from '../support/undocumented-exports.ts';

/** Rooms of `main` where nothing is left to say. A room that is done comes here. */
const done = [
  'api',
  'apps',
  'audit',
  'base',
  'console',
  'hosting',
  'identity',
  'intercept',
  'inventory',
  'net',
  'overlay',
  'peer',
  'policy',
  'recording',
  'sandbox',
  'service',
  'session',
  'shell',
  'sockets',
  'ziti',
];
/** Of all other rooms together; it only falls. */
const most = 160;

describe('what is exported says what it is', () => {
  const main = undocumentedExports(fileURLToPath(new URL('../../main', import.meta.url)));

  it('in the window', () => {
    expect(undocumentedExports(fileURLToPath(new URL('../../app', import.meta.url)))).toEqual([]);
  });

  it.each(done)('in main/%s', (room) => {
    expect(main.filter((one) => one.startsWith(`${room}/`))).toEqual([]);
  });

  it('elsewhere, by and by', () => {
    expect(main.length, 'what you export now has no docstring yet').toBeLessThanOrEqual(most);
  });
});
