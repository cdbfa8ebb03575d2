import { describe, expect, it } from 'vitest';
import { diffLines } from '../../app/parts/diff-lines.ts';
import { engagementStories } from '../../app/screens/agents/engagement-stories.ts';
import { changedFields } from '../../app/screens/agents/pin-fields.ts';
import { buildMap } from '../../app/screens/map/map-model.ts';
import { bookOf, groupsWithout } from '../../app/screens/map/service-book.ts';
import { modelUsage } from '../../app/screens/models/model-usage.ts';
import { openLines } from '../../app/screens/services/open-lines.ts';
import { sceneState } from '../support/window/scene.ts';
import { manyState } from '../support/window/many.ts';
import { sceneModelCalls } from '../support/window/scene-fleet.ts';

const nowMs = Date.parse('2026-11-30T12:00:00Z');

function mapOf(state: ReturnType<typeof sceneState>, refusals: Parameters<typeof buildMap>[0]['refusals'] = []) {
  return buildMap({
    sessions: Object.values(state.sessions),
    services: bookOf(Object.values(state.services)),
    identities: Object.values(state.identities),
    routers: Object.values(state.routers),
    agents: Object.values(state.agents),
    quarantine: Object.values(state.quarantine),
    refusals,
  });
}

describe('engagements of an agent', () => {
  const step = (seq: number, engagement: string, state: string, more: object = {}) => ({
    seq,
    at: new Date(nowMs + seq).toISOString(),
    kind: `engagement.${state}`,
    engagement,
    service: 'broker',
    end: 'dial',
    counterparty: null,
    ...more,
  });

  it('are told from the proposal to the end, those that something happened to last first', () => {
    const stories = engagementStories([
      step(9, 'two', 'proposed', { end: 'host', counterparty: 'laptop' }),
      step(1, 'one', 'proposed'),
      step(12, 'one', 'closed', { reason: 'enough' }),
      step(3, 'one', 'accepting', { counterparty: 'box' }),
      { seq: 4, at: '', kind: 'engagement.active' },
    ]);
    expect(stories.map(({ id, counterparty, hosts, isOver }) => ({ id, counterparty, hosts, isOver }))).toEqual([
      { id: 'one', counterparty: 'box', hosts: false, isOver: true },
      { id: 'two', counterparty: 'laptop', hosts: true, isOver: false },
    ]);
    expect(stories[0]?.steps.map(({ seq }) => seq)).toEqual([1, 3, 12]);
    expect(stories[0]?.newest['reason']).toBe('enough');
  });
});

describe('services counted for the map', () => {
  const services = Object.values(manyState(40).services);
  const shared = { ...services[0]!, identity: 'second' };

  it('are names in workgroups, each with who holds how many of them', () => {
    const book = bookOf([...services, shared]);
    expect(book.byName.get(shared.name)).toEqual({ group: 'group 0', holders: ['identity-0', 'second'] });
    expect(book.groups.size).toBe(20);
    expect(book.groups.get('group 0')).toEqual({
      names: 2,
      holders: new Map([
        ['identity-0', 1],
        ['second', 1],
        ['identity-20', 1],
      ]),
    });
  });

  it('leave out those that stand for themselves, as if they had never been in the list', () => {
    const own = new Set(services.slice(0, 25).map(({ name }) => name));
    const others = services.filter(({ name }) => !own.has(name));
    expect(groupsWithout(bookOf([...services, shared]), own)).toEqual(bookOf(others).groups);
    expect(groupsWithout(bookOf(services), new Set(['nobody’s']))).toEqual(bookOf(services).groups);
  });
});

describe('the map', () => {
  it('has a way for each open session, whole from program to router', () => {
    const state = sceneState(nowMs);
    const { nodes, edges } = mapOf(state);
    const open = Object.values(state.sessions).filter((one) => one.state === 'open' && one.direction === 'dial');
    const toIdentities = edges.filter(({ to }) => to.startsWith('identity:')).flatMap(({ sessions }) => sessions);
    expect(new Set(toIdentities)).toEqual(new Set(open.map(({ id }) => id)));
    const ids = new Set(nodes.map(({ id }) => id));
    expect(edges.every(({ from, to }) => ids.has(from) && ids.has(to))).toBe(true);
  });

  it('counts each session once where it is met, and what could be reached against what was', () => {
    const state = sceneState(nowMs);
    const claude = mapOf(state).nodes.find(({ label }) => label === 'claude-code');
    expect(claude).toMatchObject({ open: 7, isAgent: true, reach: { could: 6 } });
    expect(claude?.reach?.used).toBeLessThanOrEqual(6);
    expect(mapOf(state).nodes.find(({ label }) => label === 'goose')?.isCutOff).toBe(true);
  });

  it('shows a refusal as a way of its own, also where no service claimed the name', () => {
    const refusal = { seq: 1, at: '', kind: 'verdict', agent: 'cursor', destination: 'nowhere.example:80' };
    const { nodes, edges } = mapOf(sceneState(nowMs), [refusal, refusal]);
    expect(edges.find(({ refused }) => refused > 0)).toMatchObject({ from: 'program:cursor', refused: 2 });
    expect(nodes.find(({ label }) => label === 'nowhere.example:80')).toMatchObject({ column: 'service', refused: 2 });
  });

  it('groups thousands, and loses none of them', () => {
    const { nodes } = mapOf(manyState(5_000));
    const services = nodes.filter(({ column }) => column === 'service');
    expect(nodes.length).toBeLessThan(70);
    expect(services.reduce((sum, { grouped }) => sum + (grouped ?? 1), 0)).toBe(5_000);
  });
});

describe('the usage of models', () => {
  it('adds up by agent, model and day, and leaves no day out', () => {
    const calls = sceneModelCalls(nowMs);
    const { total, rows, days } = modelUsage([...calls, { seq: 1, at: '', kind: 'call', tool: 'search' }]);
    expect(total.requests).toBe(calls.length);
    expect(rows.reduce((sum, { tokensIn }) => sum + tokensIn, 0)).toBe(total.tokensIn);
    expect(days.reduce((sum, { requests }) => sum + requests, 0)).toBe(calls.length);
    expect(days).toHaveLength(new Set(days.map(({ day }) => day)).size);
    expect(total.cost['USD']).toBeCloseTo(
      calls.reduce((sum, { cost }) => sum + Number(cost), 0),
      9,
    );
    expect(total.medianMs).toBeGreaterThan(0);
  });
});

describe('a diff', () => {
  it('shows what went and what came, with a little around it', () => {
    const before = 'a\nb\nc\nd\ne\nf\ng\n';
    expect(diffLines(before, 'a\nb\nc\nd\nE\nf\ng\n').map(({ kind, text }) => `${kind} ${text}`.trim())).toEqual([
      'gap',
      'kept c',
      'kept d',
      'removed e',
      'added E',
      'kept f',
      'kept g',
    ]);
    expect(diffLines('', 'a: 1\n')).toEqual([{ kind: 'added', text: 'a: 1' }]);
    expect(diffLines(before, before)).toEqual([{ kind: 'gap', text: '' }]);
  });

  it('of a tool writes out what nobody would see, and leaves out what stayed', () => {
    const old = { name: 'x', description: 'Reads.\nSlowly.' };
    expect(changedFields({ old, new: { ...old, description: 'Reads.\nSlowly.\nand\u200bmore' } })).toEqual([
      { field: 'description', removed: [], added: ['and\\u{200b}more'] },
    ]);
    expect(changedFields({ old: null, new: { name: 'y' } })).toEqual([{ field: 'name', removed: [], added: ['y'] }]);
  });
});

describe('the ways to open a service', () => {
  const [some] = Object.values(sceneState(nowMs).services);
  const service = { ...some!, permissions: ['Dial' as const], protocols: ['tcp'], forwards: [] as readonly number[] };
  const at = (address: string, port: string, over: Partial<typeof service> = {}) => ({
    ...service,
    addresses: [address],
    ports: [port],
    ...over,
  });
  const tun = { mode: 'tun' as const };
  const proxy = { mode: 'proxy' as const, proxy: { listen: '127.0.0.1:1080' } };

  it('are the name itself where names are taken over', () => {
    expect(openLines(at('grafana.x', '443'), tun)).toEqual([
      { tool: 'browser', line: 'https://grafana.x/', url: 'https://grafana.x/' },
      { tool: 'curl', line: 'curl https://grafana.x/' },
    ]);
    expect(openLines(at('db.x', '5432'), tun)).toEqual([{ tool: 'psql', line: 'psql -h db.x -p 5432' }]);
    expect(openLines(at('git.x', '22'), tun)).toEqual([{ tool: 'ssh', line: 'ssh git.x' }]);
  });

  it('go through the proxy where only that stands, or by a port of this machine', () => {
    expect(openLines(at('grafana.x', '443'), proxy)).toEqual([
      { tool: 'curl', line: 'curl --proxy socks5h://127.0.0.1:1080 https://grafana.x/' },
    ]);
    expect(openLines(at('db.x', '5432', { forwards: [15432] }), proxy)).toEqual([
      { tool: 'psql', line: 'psql -h 127.0.0.1 -p 15432' },
    ]);
    expect(openLines(at('git.x', '22'), proxy)[0]?.line).toContain('nc -X 5 -x 127.0.0.1:1080 %h %p');
  });

  it('are none where a name stands for many, or the service is only hosted here', () => {
    expect(openLines(at('*.x', '443'), tun)).toEqual([]);
    expect(openLines({ ...at('a.x', '443'), permissions: ['Bind'] }, tun)).toEqual([]);
    expect(openLines({ ...at('a.x', '443'), protocols: ['udp'] }, tun)).toEqual([]);
  });
});
