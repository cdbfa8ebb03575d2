/** Services that Culvert answers itself: in place of a host config, for as long as somebody does, nothing dialled. */
import { createServer } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import type { Answerer } from '../../main/hosting/hosting.ts';
import { answerBySocket, answeredServices } from '../../main/engine/hosting/answered-services.ts';
import { bindersFor } from '../../main/engine/hosting/served-processes.ts';
import { createHosting } from '../../main/hosting/create-hosting.ts';
import type { HostedAnswer, HostedDial, HostedService, Hosting } from '../../main/hosting/hosting.ts';
import { splice } from '../../main/net/proxy/splice.ts';
import { memoryStreamPair } from '../support/memory-stream.ts';
import { RecordingSink } from '../support/recording-sink.ts';
import { until } from '../support/until.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Where a dialer's bytes go once `service` is bound. */
class Bound {
  bindings = 0;
  unbound = 0;
  #onDial: ((dial: HostedDial) => void) | undefined;

  service(answer: HostedAnswer | undefined, configs: Record<string, unknown> = {}): HostedService {
    return {
      identity: 'box',
      tunnelerName: 'box',
      tunnelerAppData: {},
      serviceId: 'id',
      serviceName: 'inbox',
      encryptionRequired: true,
      configs,
      ...(answer === undefined ? {} : { answer }),
      bind: (_options, onDial) => {
        this.bindings += 1;
        this.#onDial = onDial;
        return Promise.resolve({
          terminators: () => 1,
          update: () => undefined,
          onStopped: () => ({ [Symbol.dispose]: () => undefined }),
          onChanged: () => ({ [Symbol.dispose]: () => undefined }),
          [Symbol.asyncDispose]: () => {
            this.unbound += 1;
            return Promise.resolve();
          },
        });
      },
    };
  }

  /** What the service answers to `say`, or the sentence of the refusal. */
  async ask(say: string): Promise<string> {
    const dialled = await new Promise<ReturnType<typeof memoryStreamPair>[0] | string>((resolve) => {
      this.#onDial?.({
        appData: undefined,
        caller: { name: 'meter', id: 'm1', asserted: true },
        circuitId: 'c1',
        routerName: 'er1',
        encrypted: true,
        accept: (kind) => {
          const [near, far] = memoryStreamPair({ kind });
          resolve(near);
          return far;
        },
        reject: resolve,
      });
    });
    if (typeof dialled === 'string') return dialled;
    const sink = RecordingSink.on(dialled);
    dialled.write(new TextEncoder().encode(say));
    await sink.until(() => sink.ends === 1);
    dialled.end();
    return sink.bytes().toString();
  }
}

function hosting(): Hosting {
  const made = createHosting({
    clock: systemClock,
    log: silentLog,
    admit: () => ({ kind: 'accept', join: splice, failed: () => undefined }),
  });
  cleanUps.push(() => made[Symbol.asyncDispose]());
  return made;
}

/** An HTTP server without a listener: it is handed its connections, and says who called. */
function serverAnswer(): Answerer {
  const server = createServer((request, response) => {
    response.setHeader('connection', 'close');
    response.end(`${request.method} ${request.url}`);
  });
  return { what: 'a test', open: answerBySocket((socket) => void server.emit('connection', socket)) };
}

const get = 'GET /hello HTTP/1.1\r\nhost: inbox\r\nconnection: close\r\n\r\n';

test('a service without any host config is bound and answered in this process', async () => {
  const answered = answeredServices();
  answered.answer('inbox', serverAnswer());
  const network = new Bound();
  const host = hosting();
  await host.replace('box', [network.service(answered.of('inbox', 'id-of-box'))]);
  await until(() => network.bindings === 1, 2000);
  expect(await network.ask(get)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*GET \/hello$/);
  expect(host.states()).toMatchObject([{ target: 'a test', problem: undefined }]);
  expect(host.targetHosts()).toEqual([]);
});

test('what its host config says is neither dialled nor complained of', async () => {
  const network = new Bound();
  const host = hosting();
  const answered = answeredServices();
  answered.answer('inbox', serverAnswer());
  const broken = { 'host.v1': { protocol: 'tcp', address: '192.0.2.1', port: 'x' } };
  await host.replace('box', [network.service(answered.of('inbox', 'id'), broken)]);
  await until(() => network.bindings === 1, 2000);
  expect(host.states()).toMatchObject([{ problem: undefined }]);
  expect(await network.ask(get)).toContain('200 OK');
});

test('an answer that cannot be made refuses the dial in its own words', async () => {
  const network = new Bound();
  const answered = answeredServices();
  answered.answer('inbox', { what: 'a test', open: () => Promise.reject(new Error('the program would not start')) });
  await hosting().replace('box', [network.service(answered.of('inbox', 'id'))]);
  await until(() => network.bindings === 1, 2000);
  expect(await network.ask(get)).toBe('the program would not start');
});

test('one who answers at a time; another one is bound anew, and listeners hear of both', async () => {
  const answered = answeredServices();
  const heard: string[] = [];
  answered.subscribe((service) => heard.push(service));
  const first = answered.answer('inbox', serverAnswer());
  expect(() => answered.answer('inbox', serverAnswer())).toThrow(/answered here already/);
  expect(() => answered.answer('inbox', { ...serverAnswer(), identity: 'one' })).toThrow(/answered here already/);
  const network = new Bound();
  const host = hosting();
  await host.replace('box', [network.service(answered.of('inbox', 'id'))]);
  await until(() => network.bindings === 1, 2000);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  answered.answer('inbox', { ...serverAnswer(), identity: 'one' });
  answered.answer('inbox', { ...serverAnswer(), identity: 'two' });
  expect(heard).toEqual(['inbox', 'inbox', 'inbox', 'inbox']);
  expect(answered.of('inbox', 'three')).toBeUndefined();
  await host.replace('box', [network.service(answered.of('inbox', 'two'))]);
  await until(() => network.bindings === 2, 2000);
  expect(network.unbound).toBe(1);
  await host.replace('box', [network.service(answered.of('inbox', 'two'))]);
  expect(network.bindings).toBe(2);
});

test('who may not host a service is named, and where nobody may, that is said', () => {
  const binders = new Map([['box', 'runner-1']]);
  expect([...bindersFor('notes', undefined, binders).keys()]).toEqual(['box']);
  const refused = (message: string): object =>
    expect.objectContaining({ code: 'hosting.not_bindable', message }) as object;
  expect(() => bindersFor('notes', 'ada', binders)).toThrow(refused('ada may not host notes'));
  expect(() => bindersFor('notes', undefined, new Map())).toThrow(refused('no identity here may host notes'));
});
