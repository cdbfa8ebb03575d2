import { describe, expect, it } from 'vitest';
import { createInjector } from '../../main/guard/http/inject.ts';
import { answer, GuardDriver, post, recut } from '../support/guard-driver.ts';

const key = { kind: 'key', header: 'x-api-key', value: 'sk-real', rule: 'hosting:key provider' } as const;
const none = { kind: 'none', why: 'none for you', rule: 'hosting:key provider' } as const;

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
      expect(sent.match(/^X-Api-Key: sk-real\r$/gm)).toHaveLength(2);
      expect(sent).not.toMatch(/stolen|mine/);
      expect(sent).toContain(body);
      expect(sent).toContain('Accept: */*\r\n');
      expect(outcome.toApp.toString()).not.toContain('sk-real');
      expect(JSON.stringify(outcome.calls)).not.toContain('sk-real');
      expect(outcome.calls).toHaveLength(2);
    }
  });

  it('are refused to whom they are not bound, and to what is no HTTP', () => {
    const refused = new GuardDriver(createInjector(none)).run([['app', post('{}')]]);
    expect(refused.toService).toHaveLength(0);
    expect(refused.toApp.toString()).toContain('403');
    expect(refused.toApp.toString()).toContain('none for you');
    expect(refused.calls).toMatchObject([{ decision: 'deny', rule: 'hosting:key provider' }]);
    const raw = new GuardDriver(createInjector(key)).run([['app', '\x16\x03\x01\n']]);
    expect(raw.toService).toHaveLength(0);
    expect(raw.violations).toHaveLength(1);
  });

  it('go to the provider under its own name where it has one', () => {
    const outcome = new GuardDriver(createInjector({ ...key, host: 'api.provider.example' })).run([
      ['app', post('{}')],
    ]);
    expect(outcome.toService.toString().match(/^host: .*$/gim)).toEqual(['Host: api.provider.example']);
  });

  it('stand beside no key in the address, and go nowhere they would come back from', () => {
    const driver = new GuardDriver(createInjector({ ...key, header: 'x-goog-api-key' }));
    driver.app('GET /v1beta/models?key=mine&alt=sse&%6bey=mine&API-Key=mine HTTP/1.1\r\nHost: a\r\n\r\n');
    const sent = driver.takeService();
    expect(sent).toMatch(/^GET \/v1beta\/models\?alt=sse HTTP\/1\.1\r\n/);
    expect(sent).not.toContain('mine');
    for (const line of ['TRACE /', 'CONNECT a:1', 'GET http://b\\c/'])
      driver.app(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(driver.takeService()).toBe('');
    expect(driver.outcome.calls.filter((call) => call.decision === 'deny')).toHaveLength(3);
  });

  it('cannot break out of their header', () => {
    expect(() => createInjector({ ...key, value: 'a\r\nHost: evil' })).toThrow(/cannot carry/);
  });
});
