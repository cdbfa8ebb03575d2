/** Ways to ask for a model: aliases and their weights, services that rest, questions under another name, one list for all. */
import { describe, expect, it } from 'vitest';
import { ModelHealth } from '../../main/engine/entries/model-health.ts';
import { mergedModels } from '../../main/engine/entries/model-lists.ts';
import { asksFor } from '../../main/engine/entries/model-rename.ts';
import { isReachable, routesFor, type AliasTarget, type Routing } from '../../main/engine/entries/model-routes.ts';
import { ManualClock } from '../support/manual-clock.ts';

const services = [
  { service: 'any', models: undefined },
  { service: 'east', models: ['small-*'] },
  { service: 'west', models: ['small-1', 'large-*'] },
];
const target = (model: string, weight = 1, service?: string): AliasTarget => ({ model, weight, service });
const how = (more: Partial<Routing> = {}): Routing => ({
  aliases: new Map([
    ['fast', [target('small-1', 3), target('large-1', 1, 'west'), target('spare', 0, 'any')]],
    ['gone', [target('large-1', 1, 'east')]],
  ]),
  isResting: () => false,
  random: () => 0,
  ...more,
});
const ways = (model: string | undefined, more: Partial<Routing> = {}): readonly string[] =>
  routesFor(model, services, how(more)).map((route) => `${route.service} ${route.model ?? '='}`);

describe('the ways to ask for a model', () => {
  it('are the services that name it, then those that match it, then those that take any', () => {
    expect(ways('small-1')).toEqual(['west =', 'east =', 'any =']);
    expect(ways('small-2')).toEqual(['east =', 'any =']);
    expect(routesFor('other', services.slice(1), how())).toEqual([]);
    expect(ways(undefined)).toEqual([]);
    expect(routesFor(undefined, services.slice(1, 2), how())).toEqual([{ service: 'east', model: undefined }]);
  });

  it('are an alias’s models by lot, as likely as their weights, and those without weight last', () => {
    const first = (random: number): string | undefined => ways('fast', { random: () => random })[0];
    expect([first(0), first(0.74), first(0.76), first(0.999)]).toEqual([
      'west small-1',
      'west small-1',
      'west large-1',
      'west large-1',
    ]);
    expect(ways('fast', { random: () => 0.9 })).toEqual([
      'west large-1',
      'west small-1',
      'east small-1',
      'any small-1',
      'any spare',
    ]);
  });

  it('have services that rest at their end', () => {
    expect(ways('small-1', { isResting: (service) => service === 'west' })).toEqual(['east =', 'any =', 'west =']);
  });

  it('are none where an alias stands for nothing that may be asked', () => {
    expect(ways('gone')).toEqual([]);
    expect(isReachable([target('large-1', 1, 'east')], services)).toBe(false);
    expect(isReachable([target('large-1')], services)).toBe(true);
  });
});

describe('a service', () => {
  it('rests after so many failures in a row, and again after one more', () => {
    const clock = new ManualClock();
    const health = new ModelHealth({ failures: 2, restMs: 1_000 }, clock);
    expect([health.failed('a'), health.isResting('a')]).toEqual([false, false]);
    health.worked('a');
    expect([health.failed('a'), health.failed('a'), health.isResting('a'), health.isResting('b')]).toEqual([
      false,
      true,
      true,
      false,
    ]);
    clock.advance(1_000);
    expect(health.isResting('a')).toBe(false);
    expect([health.failed('a'), health.isResting('a')]).toEqual([true, true]);
    health.worked('a');
    expect(health.isResting('a')).toBe(false);
  });
});

describe('a question under another name', () => {
  const body = (value: string): Buffer => Buffer.from(value);
  const renamed = (path: string, text: string): readonly string[] => {
    const { target: at, body: said } = asksFor({ target: path, body: body(text) }, 'fast', 'small-1');
    return [at, said.toString()];
  };

  it('is the same but for its model, digits and what a person wrote included', () => {
    expect(renamed('/v1/chat/completions', '{"n":1.50,"model":"fast","messages":[{"content":"model fast"}]}')).toEqual([
      '/v1/chat/completions',
      '{"n":1.50,"model":"small-1","messages":[{"content":"model fast"}]}',
    ]);
    expect(renamed('/v1beta/models/fast:generateContent?alt=sse', '{"contents":[]}')).toEqual([
      '/v1beta/models/small-1:generateContent?alt=sse',
      '{"contents":[]}',
    ]);
    expect(renamed('/openai/deployments/fast/chat/completions', '{}')[0]).toBe(
      '/openai/deployments/small-1/chat/completions',
    );
  });

  it('is left as it is where it asks for another model itself', () => {
    expect(renamed('/v1/messages', '{"model":"slow","fallbacks":["fast"]}')[1]).toBe(
      '{"model":"slow","fallbacks":["fast"]}',
    );
    expect(renamed('/v1/messages', 'fast')[1]).toBe('fast');
  });
});

describe('one list', () => {
  const lists = [
    { service: services[1] ?? { service: '', models: [] }, list: { data: [{ id: 'small-1' }, { id: 'hidden' }] } },
    { service: services[2] ?? { service: '', models: [] }, list: { models: [{ name: 'models/large-1' }] } },
    { service: { service: 'down', models: undefined }, list: undefined },
  ];
  const names = (path: string): unknown => mergedModels(path, lists, ['fast']);

  it('has the aliases and what no contract hides, in each dialect’s shape', () => {
    expect(names('/v1/models')).toMatchObject({
      object: 'list',
      data: [{ id: 'fast', object: 'model' }, { id: 'small-1' }, { name: 'models/large-1' }],
      first_id: 'fast',
      models: [{ name: 'models/fast' }, { name: 'models/small-1' }, { name: 'models/large-1' }],
    });
    expect(names('/v1beta/models')).toMatchObject({ models: [{ name: 'models/fast' }, {}, {}] });
    expect(names('/api/tags')).toMatchObject({ models: [{ name: 'fast', model: 'fast' }, {}, {}] });
  });
});
