/** A believable device: identities, services, sessions of people and agents, a quarantine, an audit. Plain data, the same each time. */
import type { EngineState } from '../../../main/api/state.ts';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type {
  AgentView,
  IdentityView,
  QuarantineView,
  RouterView,
  ServiceView,
  SessionView,
} from '../../../main/api/views.ts';
import { emptyState } from '../fake-engine.ts';
import { sceneApprovals } from './scene-approvals.ts';
import { scenePolicy } from './scene-policy.ts';
import { sceneServices } from './scene-services.ts';
import { sceneSessions } from './scene-sessions.ts';

/** `minutes` before now. */
export function ago(nowMs: number, minutes: number): string {
  return new Date(nowMs - minutes * 60_000).toISOString();
}

const day = 24 * 60;

function identities(nowMs: number): IdentityView[] {
  const controller = 'https://ctrl.northwind.example:1280';
  return [
    {
      name: 'mira-laptop',
      keystore: 'tpm',
      scope: 'user',
      owner: 'mira',
      state: 'ready',
      controller,
      controllers: [controller],
      controllerVersion: 'v1.7.2',
      authentication: 'oidc',
      certExpiresAt: ago(nowMs, -320 * day),
      fingerprint: '6f1c0b2aa5d94e0f83c1b7d2e4f5a69788c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4',
      id: 'QkX1u8r.2',
      controllerName: 'mira.laptop',
      mfa: 'enrolled',
      services: { dial: 14, bind: 0 },
    },
    {
      name: 'agent-claude',
      keystore: 'keychain',
      scope: 'user',
      owner: 'mira',
      state: 'ready',
      controller,
      controllers: [controller],
      controllerVersion: 'v1.7.2',
      authentication: 'oidc',
      certExpiresAt: ago(nowMs, -41 * day),
      fingerprint: '0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b',
      id: 'r0Zb5tq.1',
      controllerName: 'agents/claude-code@mira',
      mfa: 'none',
      services: { dial: 6, bind: 0 },
    },
    {
      name: 'plant-7-maintenance',
      keystore: 'pkcs11',
      scope: 'machine',
      state: 'mfa-required',
      reason: {
        code: 'ziti.controller.mfa_required',
        sentence: 'The controller wants a code before this identity may dial.',
        next: 'Enter a code from your authenticator.',
      },
      controller: 'https://ot.plant-7.example:443',
      controllers: ['https://ot.plant-7.example:443'],
      controllerVersion: 'v1.6.5',
      authentication: 'legacy',
      certExpiresAt: ago(nowMs, -9 * day),
      fingerprint: 'c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5',
      id: '8uWm2xA.7',
      controllerName: 'maintenance-laptop-03',
      mfa: 'required',
      services: { dial: 4, bind: 2 },
    },
  ];
}

function routers(): RouterView[] {
  return [
    {
      name: 'router-fra-1',
      identity: 'mira-laptop',
      address: 'tls:fra1.northwind.example:3022',
      latencyMs: 11,
      state: 'connected',
      version: 'v1.7.2',
    },
    {
      name: 'router-fra-2',
      identity: 'mira-laptop',
      address: 'tls:fra2.northwind.example:3022',
      latencyMs: 14,
      state: 'connected',
      version: 'v1.7.2',
    },
    {
      name: 'router-fra-1',
      identity: 'agent-claude',
      address: 'tls:fra1.northwind.example:3022',
      latencyMs: 12,
      state: 'connected',
      version: 'v1.7.2',
    },
    {
      name: 'router-nyc-1',
      identity: 'mira-laptop',
      address: 'tls:nyc1.northwind.example:3022',
      latencyMs: 96,
      state: 'connected',
      version: 'v1.7.1',
    },
    {
      name: 'plant-7-edge',
      identity: 'plant-7-maintenance',
      address: 'tls:edge.plant-7.example:3022',
      latencyMs: 38,
      state: 'connected',
      version: 'v1.6.5',
    },
    {
      name: 'plant-7-spare',
      identity: 'plant-7-maintenance',
      address: 'tls:spare.plant-7.example:3022',
      state: 'disconnected',
      error: { code: 'ziti.channel.unreachable', message: 'connection refused; next try in 20 s' },
    },
  ];
}

const agents: readonly AgentView[] = [
  {
    name: 'claude-code',
    identity: 'agent-claude',
    programs: ['/usr/local/bin/claude', 'cgroup: user.slice/…/claude-*.scope'],
    openSessions: 7,
    reach: ['git-forge', 'issues-mcp', 'llm-gateway', 'package-mirror', 'docs-search', 'staging-api'],
    quarantined: false,
  },
  {
    name: 'codex',
    identity: 'agent-claude',
    programs: ['/opt/codex/bin/codex'],
    openSessions: 2,
    reach: ['git-forge', 'llm-gateway', 'package-mirror'],
    quarantined: false,
  },
  { name: 'cursor', programs: ['/opt/Cursor/cursor'], openSessions: 0, reach: [], quarantined: false },
  {
    name: 'goose',
    identity: 'agent-claude',
    programs: ['/home/mira/.local/bin/goose'],
    openSessions: 0,
    reach: ['issues-mcp', 'docs-search'],
    quarantined: true,
  },
];

function quarantine(nowMs: number): QuarantineView[] {
  return [
    {
      subject: 'app:goose',
      since: ago(nowMs, 18),
      cause: 'tool “delete_project” is denied by the contract of issues-mcp',
      by: 'contract',
    },
    { subject: 'service:legacy-crm', since: ago(nowMs, 3 * day), cause: 'under investigation', by: 'operator' },
  ];
}

/** The scene at a moment. */
export function sceneState(nowMs: number): EngineState {
  const services = sceneServices();
  const sessions = sceneSessions(nowMs);
  const ids = identities(nowMs);
  const routes = routers();
  const open = sessions.filter(({ state }) => state !== 'closed');
  const served = services.map((service): ServiceView => ({
    ...service,
    openSessions: open.filter((session) => session.service === service.name).length,
  }));
  const names = served
    .flatMap((service) => service.addresses.map((name) => ({ name, service: service.name })))
    .filter(({ name }) => !name.includes('/'))
    .map((entry, index) => ({ ...entry, addresses: [`100.64.0.${index + 10}`] }));
  const dns = {
    backend: 'systemd-resolved',
    state: 'active',
    server: '100.64.0.2:53',
    names,
    upstreams: ['192.168.1.1'],
    queries: { answered: 1_284, forwarded: 0, refused: 3 },
  } as const;
  return emptyState({
    status: {
      mode: 'tun',
      modeReason: 'Runs as a service with CAP_NET_ADMIN, so names and addresses are taken over transparently.',
      version: '0.1.0',
      pid: 1187,
      startedAt: ago(nowMs, 2 * day + 190),
      identities: ids.map(({ name, state, controller, certExpiresAt, mfa }) => ({
        name,
        state,
        controller,
        ...(certExpiresAt === undefined ? {} : { certExpiresAt }),
        mfa,
      })),
      routers: routes,
      services: { dial: 18, bind: 2 },
      sessions: { open: open.length, total: 1_926 },
      dns: { backend: 'systemd-resolved', state: 'active' },
      audit: { head: '9d7c41e0a6b25f3388ce90144f7ab62d51e0c9b8a7f6e5d4c3b2a1908f7e6d5c', count: 12_482 },
      proxy: { listen: '127.0.0.1:1080' },
      tun: { name: 'culvert0', address: '100.64.0.1', range: '100.64.0.0/10', flows: { held: 0, tcp: 2, udp: 1 } },
      routes: [
        { prefix: '100.64.0.0/10', device: 'culvert0', reason: 'synthetic addresses of names' },
        { prefix: '10.77.4.0/24', device: 'culvert0', reason: 'historian' },
        { prefix: '10.77.12.18/32', device: 'culvert0', reason: 'plc-press-line' },
      ],
      warnings: [
        {
          code: 'net.route.collision',
          sentence: 'Another VPN holds 10.77.0.0/16; the more specific routes of two services still win.',
          next: 'Nothing to do now. If historian stops answering, ask for a name instead of an address.',
        },
      ],
    },
    identities: Object.fromEntries(ids.map((identity) => [identity.name, identity])),
    services: Object.fromEntries(served.map((service) => [`${service.identity}/${service.id}`, service])),
    sessions: Object.fromEntries(sessions.map((session) => [session.id, session])),
    routers: Object.fromEntries(routes.map((router) => [`${router.identity}/${router.name}`, router])),
    agents: Object.fromEntries(agents.map((agent) => [agent.name, agent])),
    quarantine: Object.fromEntries(quarantine(nowMs).map((entry) => [entry.subject, entry])),
    approvals: Object.fromEntries(sceneApprovals(nowMs).map((row) => [row.id, row])),
    alerts: [
      {
        id: 'a1',
        at: ago(nowMs, 18),
        severity: 'critical',
        kind: 'guard.violation',
        text: 'goose called “delete_project”, which its contract denies. It is in quarantine.',
        session: 's-19',
      },
    ],
    dns,
    policy: scenePolicy(served),
  });
}

/** Records of the journal, newest first. */
export function sceneAudit(nowMs: number, sessions: readonly SessionView[]): AuditRecordView[] {
  const records: AuditRecordView[] = [];
  let seq = 12_482;
  for (const session of sessions) {
    const base = {
      service: session.service,
      identity: session.identity,
      ...(session.app.agent === undefined ? {} : { agent: session.app.agent }),
      app: session.app,
      session: session.id,
    };
    if (session.state === 'closed') {
      records.push({
        seq: 0,
        at: session.endedAt ?? session.startedAt,
        kind: 'session.closed',
        ...base,
        reason: session.closeReason,
        detail: session.closeDetail ?? null,
      });
    }
    for (const entry of session.timeline ?? []) {
      if (entry.call !== undefined) {
        records.push({
          seq: 0,
          at: entry.at,
          kind: 'call',
          ...base,
          tool: entry.call.target,
          decision: entry.call.decision,
          digest: entry.call.digest,
          ...(entry.call.target === 'create_comment'
            ? { data: [{ class: 'secret', in: 'arguments', action: 'redact', count: 1, places: ['$.arguments.body'] }] }
            : {}),
        });
      }
    }
    records.push({
      seq: 0,
      at: session.startedAt,
      kind: 'verdict',
      ...base,
      decision: 'allow',
      reason: session.decision.sentence,
    });
  }
  for (let index = 0; index < 12; index += 1) {
    records.push({
      seq: 0,
      at: ago(nowMs, 7 + index * 23),
      kind: 'verdict',
      decision: 'deny',
      agent: index % 3 === 0 ? 'cursor' : 'codex',
      destination: 'billing-db.northwind:5432',
      code: 'policy.agent.no_reach',
      app: index % 3 === 0 ? '/opt/Cursor/cursor' : '/opt/codex/bin/codex',
      reason: 'no identity of this agent may dial billing-db',
    });
  }
  const midnight = new Date(nowMs).setHours(0, 0, 0, 0);
  for (const [hours, tool, decision] of [
    [3, 'search_issues', 'allow'],
    [9, 'search_issues', 'allow'],
    [14, 'delete_project', 'deny'],
  ] as const) {
    // by the calendar, as "yesterday" is
    const at = new Date(new Date(midnight).setDate(new Date(midnight).getDate() - 1) + hours * 3_600_000).toISOString();
    const who = { agent: 'goose', identity: 'agent-claude', service: 'issues-mcp', session: 's-yesterday' };
    records.push({ seq: 0, at, kind: 'call', ...who, tool, decision });
  }
  return records
    .sort((a, b) => b.at.localeCompare(a.at))
    .map((record) => ({ ...record, seq: seq--, hash: hashLike(seq), prev: hashLike(seq - 1) }));
}

function hashLike(seed: number): string {
  let text = '';
  for (let index = 0; index < 8; index += 1)
    text += ((seed * 2654435761 + index * 40503) >>> 0).toString(16).padStart(8, '0');
  return text;
}
