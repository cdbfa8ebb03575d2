/** Who reaches what by which way, as columns of nodes with edges between them: programs, identities, services, routers. Pure. */
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { AgentView, IdentityView, QuarantineView, RouterView, SessionView } from '../../../main/api/views.ts';
import { programKey, programOf } from '../../store/selectors.ts';
import type { RouteQuery, ScreenName } from '../route.ts';
import { groupsWithout, type ServiceBook, type ServiceGroup } from './service-book.ts';

/** From left to right. */
export const mapColumns = ['program', 'identity', 'service', 'router'] as const;
/** A member of {@link mapColumns}. */
export type MapColumn = (typeof mapColumns)[number];

/** One box. */
export interface MapNode {
  readonly id: string;
  readonly column: MapColumn;
  readonly label: string;
  readonly isAgent: boolean;
  /** Services that stand behind this one node; absent where it is one thing. */
  readonly grouped?: number;
  /** Open sessions through it. */
  readonly open: number;
  /** Attempts refused there. */
  readonly refused: number;
  readonly isCutOff: boolean;
  /** Where a press leads. */
  readonly leads: { readonly screen: ScreenName; readonly item?: string; readonly query: RouteQuery };
  /** Of a program: services it could reach, and how many of them it used; absent where that is not known. */
  readonly reach?: { readonly could: number; readonly used: number };
}

/** A way between two boxes: open sessions that take it, or attempts that were refused. */
export interface MapEdge {
  readonly from: string;
  readonly to: string;
  readonly sessions: readonly string[];
  readonly refused: number;
}

/** The whole picture. */
export interface MapModel {
  readonly nodes: readonly MapNode[];
  readonly edges: readonly MapEdge[];
  /** What lights up with a node: all that it used or could reach. */
  readonly lit: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What the picture is made of. */
export interface MapSource {
  readonly sessions: readonly SessionView[];
  readonly services: ServiceBook;
  readonly identities: readonly IdentityView[];
  readonly routers: readonly RouterView[];
  readonly agents: readonly AgentView[];
  readonly quarantine: readonly QuarantineView[];
  readonly refusals: readonly AuditRecordView[];
}

/** More boxes than these stand as one, so that thousands stay readable. */
const most = { program: 14, identity: 12, service: 16, group: 10, router: 10 } as const;
const rest = '…';

/** Draw it; the busiest things have boxes of their own, the others are grouped. */
export function buildMap(source: MapSource): MapModel {
  const open = source.sessions.filter(({ state, direction }) => state === 'open' && direction === 'dial');
  const programs = countBy([
    ...open.map((session) => programOf(session)),
    ...source.refusals.map(refusedProgram),
    ...source.agents.map(({ name }) => name),
  ]);
  const ownProgram = busiest(programs, most.program);
  const programId = (name: string | undefined): string =>
    `program:${name !== undefined && ownProgram.has(name) ? name : rest}`;
  const ownIdentity = busiest(
    countBy([...source.identities.map(({ name }) => name), ...open.map(({ identity }) => identity)]),
    most.identity,
  );
  const identityId = (name: string): string => `identity:${ownIdentity.has(name) ? name : rest}`;
  const ownService = busiest(
    countBy([...open.map(({ service }) => service), ...source.refusals.flatMap(refusedService)]),
    most.service,
  );
  const groups = mapGroups(source.services, ownService);
  const serviceId = (name: string): string => {
    if (ownService.has(name)) return `service:${name}`;
    const group = source.services.byName.get(name)?.group;
    return `group:${group !== undefined && groups.has(group) ? group : rest}`;
  };
  const ownRouter = busiest(
    countBy([...source.routers.map(({ name }) => name), ...open.flatMap(({ router }) => router ?? [])]),
    most.router,
  );
  const routerId = (name: string): string => `router:${ownRouter.has(name) ? name : rest}`;

  const edges = new Map<string, { from: string; to: string; sessions: string[]; refused: number }>();
  const edge = (from: string, to: string): { sessions: string[]; refused: number } => {
    const key = `${from}\n${to}`;
    const known = edges.get(key) ?? { from, to, sessions: [], refused: 0 };
    edges.set(key, known);
    return known;
  };
  for (const session of open) {
    const path = [programId(programOf(session)), identityId(session.identity), serviceId(session.service)];
    if (session.router !== undefined) path.push(routerId(session.router));
    path.slice(1).forEach((to, index) => edge(path[index] ?? '', to).sessions.push(session.id));
  }
  for (const record of source.refusals) {
    const [service] = refusedService(record);
    if (service !== undefined) edge(programId(refusedProgram(record)), serviceId(service)).refused += 1;
  }

  const nodes = new Map<string, Draft>();
  const node = (id: string, column: MapColumn, label: string): Draft => {
    const known = nodes.get(id) ?? { id, column, label, open: 0, refused: 0, services: 0 };
    nodes.set(id, known);
    return known;
  };
  for (const name of ownProgram) node(programId(name), 'program', name);
  for (const name of ownIdentity) node(identityId(name), 'identity', name);
  for (const [name, group] of groups) node(`group:${name}`, 'service', name).services = group.names;
  for (const name of ownService) node(serviceId(name), 'service', name);
  for (const name of ownRouter) node(routerId(name), 'router', name);
  for (const { from, to, sessions, refused } of edges.values()) {
    for (const id of [from, to]) {
      const box = nodes.get(id) ?? node(id, columnOf(id), rest);
      box.open += sessions.length;
      box.refused += refused;
    }
  }
  const lit = lights(source, edges.values(), { ownService, groups }, { programId, identityId, serviceId });
  const held = new Set(source.quarantine.map(({ subject }) => subject));
  return {
    nodes: [...nodes.values()].map((draft) => finished(draft, source, held, lit)).sort(byColumn),
    edges: [...edges.values()],
    lit,
  };
}

interface Draft {
  readonly id: string;
  readonly column: MapColumn;
  readonly label: string;
  services: number;
  open: number;
  refused: number;
}

function finished(draft: Draft, source: MapSource, held: ReadonlySet<string>, lit: MapModel['lit']): MapNode {
  const { id, column, label, open, refused, services } = draft;
  const agent = column === 'program' ? source.agents.find(({ name }) => name === label) : undefined;
  const isGroup = id.startsWith('group:') || label === rest;
  const subject = `${column === 'program' ? 'app' : column}:${label}`;
  return {
    id,
    column,
    label,
    isAgent: agent !== undefined,
    ...(isGroup && column === 'service' ? { grouped: services } : {}),
    // Each session meets a box in the middle twice: as it comes, and as it goes on.
    open: column === 'program' || column === 'router' ? open : Math.ceil(open / 2),
    refused,
    isCutOff: held.has(subject) || agent?.quarantined === true,
    leads: leadOf(draft, agent, source.sessions),
    ...(agent === undefined ? {} : { reach: { could: agent.reach.length, used: usedOf(id, agent, lit) } }),
  };
}

function usedOf(id: string, { reach }: AgentView, lit: MapModel['lit']): number {
  const used = lit.get(`used:${id}`);
  return used === undefined ? 0 : reach.filter((service) => used.has(service)).length;
}

function leadOf(
  { id, column, label }: Draft,
  agent: AgentView | undefined,
  sessions: readonly SessionView[],
): MapNode['leads'] {
  if (agent !== undefined) return { screen: 'agents', item: agent.name, query: {} };
  if (id.startsWith('group:')) return { screen: 'services', query: label === rest ? {} : { text: label } };
  if (column === 'service') return { screen: 'sessions', query: { text: label } };
  if (label === rest) return { screen: 'sessions', query: {} };
  const known = column === 'program' ? sessions.find((session) => programOf(session) === label) : undefined;
  return { screen: 'sessions', query: { text: (known === undefined ? undefined : programKey(known)) ?? label } };
}

/** What lights up with each node; beside it, under `used:`, the services it has sessions with. */
function lights(
  { agents, services, sessions }: MapSource,
  edges: Iterable<{ readonly from: string; readonly to: string }>,
  boxes: { readonly ownService: ReadonlySet<string>; readonly groups: ReadonlyMap<string, ServiceGroup> },
  ids: {
    programId(name: string | undefined): string;
    identityId(name: string): string;
    serviceId(name: string): string;
  },
): MapModel['lit'] {
  const lit = new Map<string, Set<string>>();
  const add = (from: string, to: string): void => void (lit.get(from) ?? put(lit, from)).add(to);
  for (const { from, to } of edges) {
    add(from, to);
    add(to, from);
  }
  for (const { name, reach, identity } of agents) {
    if (identity !== undefined) add(ids.programId(name), ids.identityId(identity));
    for (const service of reach) add(ids.programId(name), ids.serviceId(service));
  }
  const holds = (identity: string, service: string): void => {
    add(ids.identityId(identity), service);
    add(service, ids.identityId(identity));
  };
  for (const name of boxes.ownService)
    for (const holder of services.byName.get(name)?.holders ?? []) holds(holder, ids.serviceId(name));
  for (const [name, { holders }] of boxes.groups) for (const holder of holders.keys()) holds(holder, `group:${name}`);
  for (const session of sessions) {
    if (session.direction === 'dial') add(`used:${ids.programId(programOf(session))}`, session.service);
  }
  return lit;
}

function put(lit: Map<string, Set<string>>, key: string): Set<string> {
  const made = new Set<string>();
  lit.set(key, made);
  return made;
}

/** Services without a box of their own stand together by workgroup, the largest of them; all others, and those without one, as the rest. */
function mapGroups(services: ServiceBook, own: ReadonlySet<string>): ReadonlyMap<string, ServiceGroup> {
  const left = groupsWithout(services, own);
  const sizes = [...left].flatMap(([name, { names }]) => (name === undefined ? [] : [[name, names] as const]));
  const kept = busiest(new Map(sizes), most.group);
  const groups = new Map<string, ServiceGroup>();
  for (const [name, group] of left) {
    const into = name !== undefined && kept.has(name) ? name : rest;
    const known = groups.get(into);
    groups.set(into, known === undefined ? group : joined(known, group));
  }
  return groups;
}

function joined(a: ServiceGroup, b: ServiceGroup): ServiceGroup {
  return { names: a.names + b.names, holders: new Map([...a.holders, ...b.holders]) };
}

function refusedProgram({ agent, app }: AuditRecordView): string | undefined {
  if (typeof agent === 'string') return agent;
  return typeof app === 'string' ? app.split(/[\\/]/).at(-1) : undefined;
}

/** A refusal that no service claimed is of its destination. */
function refusedService({ service, destination }: AuditRecordView): string[] {
  if (typeof service === 'string') return [service];
  return typeof destination === 'string' ? [destination] : [];
}

function countBy(names: readonly (string | undefined)[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function busiest(counts: ReadonlyMap<string, number>, limit: number): ReadonlySet<string> {
  const sorted = [...counts].sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
  return new Set(sorted.slice(0, limit).map(([name]) => name));
}

function columnOf(id: string): MapColumn {
  const kind = id.split(':', 1)[0];
  return kind === 'group' ? 'service' : (mapColumns.find((column) => column === kind) ?? 'service');
}

/** Within a column the busiest first; what stands for many last. */
function byColumn(a: MapNode, b: MapNode): number {
  const isRest = (node: MapNode): number => (node.grouped === undefined && node.label !== rest ? 0 : 1);
  return (
    mapColumns.indexOf(a.column) - mapColumns.indexOf(b.column) ||
    isRest(a) - isRest(b) ||
    b.open - a.open ||
    b.refused - a.refused ||
    a.label.localeCompare(b.label)
  );
}
