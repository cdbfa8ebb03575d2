import { describe, expect, it } from 'vitest';
import { createInjector } from '../../main/guard/http/inject.ts';
import { answer, GuardDriver, post, recut } from '../support/guard-driver.ts';

const key = { header: 'x-api-key', value: 'sk-real' };

describe('provider keys on the hosting side', () => {
  it('stand in every request, and the caller’s own do not', () => {
    const body = '{"model":"m"}';
    const request = post(body, { Authorization: 'Bearer stolen', 'X-Api-Key': 'mine', Accept: '*/*' });
    for (const cuts of [[], [1], [7, 3]]) {
      const outcome = new GuardDriver(createInjector(key)).run(
        recut(
          [
            ['app', request + request],
            ['service', answer('{}') + answer('{}')],
          ],
          cuts,
        ),
      );
      const sent = outcome.toService.toString();
      expect(sent.match(/x-api-key: sk-real\r\n/g)).toHaveLength(2);
      expect(sent).not.toMatch(/stolen|mine/);
      expect(sent).toContain(body);
      expect(sent).toContain('Accept: */*\r\n');
      expect(outcome.toApp.toString()).not.toContain('sk-real');
      expect(JSON.stringify(outcome.calls)).not.toContain('sk-real');
      expect(outcome.calls).toHaveLength(2);
    }
  });

  it('are refused to whom they are not bound, and to what is no HTTP', () => {
    const none = new GuardDriver(createInjector(undefined)).run([['app', post('{}')]]);
    expect(none.toService).toHaveLength(0);
    expect(none.toApp.toString()).toContain('403');
    const raw = new GuardDriver(createInjector(key)).run([['app', '\x16\x03\x01\n']]);
    expect(raw.toService).toHaveLength(0);
    expect(raw.violations).toHaveLength(1);
  });

  it('cannot break out of their header', () => {
    expect(() => createInjector({ header: 'x-api-key', value: 'a\r\nHost: evil' })).toThrow(/cannot carry/);
  });
});
