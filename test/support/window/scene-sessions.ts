/** Thirty sessions: people at work, agents at work, some ended for every kind of reason. */
import type { CloseReason } from '../../../main/base/reason.ts';
import type { AppView, SessionView, TimelineEntry } from '../../../main/api/views.ts';

const claude: AppView = {
  path: '/usr/local/bin/claude',
  pid: 48_213,
  user: 'mira',
  agent: 'claude-code',
  attribution: 'exact',
};
const codex: AppView = {
  path: '/opt/codex/bin/codex',
  pid: 50_877,
  user: 'mira',
  agent: 'codex',
  attribution: 'exact',
};
const goose: AppView = {
  path: '/home/mira/.local/bin/goose',
  pid: 51_330,
  user: 'mira',
  agent: 'goose',
  attribution: 'exact',
};
const firefox: AppView = { path: '/usr/lib/firefox/firefox', pid: 3_312, user: 'mira', attribution: 'exact' };
const psql: AppView = { path: '/usr/bin/psql', pid: 44_190, user: 'mira', attribution: 'exact' };
const git: AppView = { path: '/usr/bin/git', pid: 52_004, user: 'mira', attribution: 'exact' };
const studio: AppView = { path: '/opt/plcstudio/plcstudio', pid: 40_018, user: 'technician', attribution: 'exact' };
const zoom: AppView = { path: '/opt/meet/meet', pid: 39_224, user: 'mira', attribution: 'inferred' };
const unknown: AppView = { attribution: 'unknown' };

type Row = readonly [
  service: string,
  port: number,
  identity: string,
  app: AppView,
  minutes: number,
  sent: number,
  received: number,
  over?: CloseReason,
];

const rows: readonly Row[] = [
  ['llm-gateway', 443, 'agent-claude', claude, 0.4, 48_120, 1_204_800],
  ['issues-mcp', 443, 'agent-claude', claude, 2.2, 18_240, 96_310],
  ['git-forge', 443, 'agent-claude', claude, 3.1, 12_400, 4_480_000],
  ['llm-gateway', 443, 'agent-claude', codex, 4.0, 220_900, 3_904_100],
  ['docs-search', 443, 'agent-claude', claude, 4.6, 9_310, 61_000],
  ['plc-oven-2', 502, 'plant-7-maintenance', studio, 47, 88_400, 132_900],
  ['warehouse-db', 5432, 'mira-laptop', psql, 12, 4_100, 18_400_000],
  ['grafana', 443, 'mira-laptop', firefox, 33, 402_000, 9_910_000],
  ['video-bridge', 10_004, 'mira-laptop', zoom, 26, 148_000_000, 203_000_000],
  ['package-mirror', 443, 'agent-claude', claude, 5.5, 3_200, 88_400_000],
  ['git-forge', 22, 'mira-laptop', git, 0.2, 4_900, 22_100],
  ['staging-api', 443, 'agent-claude', claude, 6.3, 42_000, 61_100],
  ['staging-api', 443, 'agent-claude', claude, 6.4, 1_200, 9_800],
  ['package-mirror', 443, 'agent-claude', codex, 8, 2_100, 14_400_000],
  ['historian', 1433, 'plant-7-maintenance', studio, 41, 92_000, 5_120_000],
  ['edge-console', 0, 'plant-7-maintenance', unknown, 15, 610_000, 44_000],
  ['grafana', 443, 'mira-laptop', firefox, 31, 21_000, 304_000],
  ['grafana', 443, 'mira-laptop', firefox, 31.2, 9_000, 82_000],
  ['issues-mcp', 443, 'agent-claude', goose, 19, 4_120, 8_800, 'quarantined'],
  ['docs-search', 443, 'agent-claude', goose, 21, 2_000, 41_000, 'quarantined'],
  ['issues-mcp', 443, 'agent-claude', goose, 18.2, 820, 512, 'contract_violation'],
  ['billing-db', 5432, 'mira-laptop', psql, 58, 9_120, 740_000, 'policy_revoked'],
  ['plc-press-line', 502, 'plant-7-maintenance', studio, 190, 1_204_000, 2_018_000, 'max_duration_exceeded'],
  ['git-forge', 443, 'agent-claude', claude, 24, 8_800, 1_920_000, 'consumer_close'],
  ['staging-api', 8003, 'agent-claude', claude, 27, 250_000_000, 250_000_000, 'max_bytes_exceeded'],
  ['warehouse-db', 5432, 'mira-laptop', psql, 64, 1_900, 44_000, 'idle_timeout'],
  ['package-mirror', 443, 'agent-claude', codex, 35, 2_400, 61_000_000, 'provider_close'],
  ['legacy-crm', 8443, 'mira-laptop', firefox, 88, 31_000, 220_000, 'quarantined'],
  ['build-farm', 22, 'mira-laptop', git, 71, 12_000, 9_000, 'tunnel_failed'],
  ['llm-gateway', 443, 'agent-claude', claude, 52, 190_000, 2_800_000, 'consumer_close'],
];

const guards: Readonly<Record<string, SessionView['guard']>> = {
  'issues-mcp': 'mcp',
  'docs-search': 'mcp',
  'llm-gateway': 'http',
  'plc-oven-2': 'modbus',
  'plc-press-line': 'modbus',
};

const closings: Readonly<Partial<Record<CloseReason, string>>> = {
  quarantined: 'goose was put in quarantine; every session of it was reset.',
  contract_violation: 'The tool “delete_project” is denied by the contract of issues-mcp (mcp.deny: delete_*).',
  policy_revoked: 'The controller took back the dial permission for billing-db; reset 62 ms later.',
  max_duration_exceeded: 'The contract grants two hours; they are over.',
  max_bytes_exceeded: 'The contract grants 500 MB; they are used up.',
  tunnel_failed: 'The router closed the circuit: its terminator is gone.',
};

export function sceneSessions(nowMs: number): SessionView[] {
  return rows.map((row, index) => session(row, index, nowMs));
}

function session(row: Row, index: number, nowMs: number): SessionView {
  const [service, port, identity, app, minutes, sent, received, over] = row;
  const startedMs = nowMs - minutes * 60_000;
  const hosted = service === 'edge-console';
  const guard = guards[service] ?? 'none';
  const calls = guard === 'mcp' ? mcpCalls(startedMs, app.agent === 'goose') : [];
  const endedMs = startedMs + Math.min(minutes * 60_000 - 20_000, 9 * 60_000);
  const detail = over === undefined ? undefined : closings[over];
  return {
    id: `s-${String(index + 1).padStart(2, '0')}`,
    service,
    identity,
    direction: hosted ? 'host' : 'dial',
    app,
    protocol: service === 'video-bridge' ? 'udp' : 'tcp',
    source: hosted ? 'ops.kowalski' : `127.0.0.1:${41_000 + index * 17}`,
    destination: hosted ? '127.0.0.1:8441' : `${destinations[service] ?? service}:${port}`,
    startedAt: new Date(startedMs).toISOString(),
    ...(over === undefined ? {} : { endedAt: new Date(endedMs).toISOString(), closeReason: over }),
    ...(detail === undefined ? {} : { closeDetail: detail }),
    bytesSent: sent,
    bytesReceived: received,
    state: over === undefined ? 'open' : 'closed',
    router: identity === 'plant-7-maintenance' ? 'plant-7-edge' : index % 4 === 3 ? 'router-fra-2' : 'router-fra-1',
    encrypted: service !== 'video-bridge',
    guard,
    guardedAt: guard === 'none' ? [] : [hosted ? 'host' : 'dial'],
    ...(guard === 'mcp'
      ? { mcp: { calls: calls.length, denied: calls.filter(({ call }) => call?.decision === 'deny').length } }
      : {}),
    ...remaining(service, minutes),
    decision: {
      code: 'policy.allowed',
      sentence: `${identity} may dial ${service}; posture and contract agree.`,
      rule: guard === 'none' ? 'controller' : `contract:${guard}`,
    },
    timeline: timeline(row, startedMs, endedMs, calls),
  };
}

const destinations: Readonly<Record<string, string>> = {
  'llm-gateway': 'llm.northwind',
  'issues-mcp': 'issues.mcp.northwind',
  'docs-search': 'docs.mcp.northwind',
  'git-forge': 'git.northwind',
  'plc-oven-2': 'plc-oven-2.plant-7',
  'plc-press-line': 'plc-press.plant-7',
  'warehouse-db': 'warehouse.db.northwind',
  'billing-db': 'billing.db.northwind',
  grafana: 'grafana.northwind',
  'video-bridge': 'meet.northwind',
  'package-mirror': 'packages.northwind',
  'staging-api': 'api.staging.northwind',
  historian: '10.77.4.20',
  'build-farm': '10.77.8.4',
  'legacy-crm': 'crm.northwind',
};

function remaining(service: string, minutes: number): Pick<SessionView, 'remaining'> {
  if (service === 'issues-mcp' || service === 'docs-search')
    return { remaining: { seconds: 14_400 - minutes * 60, calls: 488 } };
  if (service === 'plc-oven-2') return { remaining: { seconds: 7_200 - minutes * 60 } };
  if (service === 'llm-gateway') return { remaining: { bytes: 1_640_000_000 } };
  return service === 'staging-api' ? { remaining: { bytes: 61_000_000 } } : {};
}

function mcpCalls(startedMs: number, bad: boolean): TimelineEntry[] {
  const tools: readonly (readonly [string, 'allow' | 'deny', number])[] = bad
    ? [
        ['search_issues', 'allow', 61],
        ['delete_project', 'deny', 1],
      ]
    : [
        ['search_issues', 'allow', 84],
        ['get_issue', 'allow', 41],
        ['get_issue', 'allow', 39],
        ['create_comment', 'allow', 112],
        ['search_code', 'allow', 230],
        ['delete_comment', 'deny', 1],
        ['get_issue', 'allow', 44],
      ];
  return tools.map(([tool, decision, durationMs], index) => ({
    at: new Date(startedMs + 2_000 + index * 6_000).toISOString(),
    kind: decision === 'deny' ? 'violation' : 'call',
    text: decision === 'deny' ? `tools/call ${tool} is denied by mcp.deny: delete_*` : `tools/call ${tool}`,
    call: {
      protocol: 'mcp',
      method: 'tools/call',
      target: tool,
      decision,
      durationMs,
      rule: decision === 'deny' ? 'mcp.deny: delete_*' : 'mcp.allow',
      digest: `${'5e1f0a9b'.repeat(7)}0000000${index}`,
    },
  }));
}

function timeline(row: Row, startedMs: number, endedMs: number, calls: readonly TimelineEntry[]): TimelineEntry[] {
  const [service, , identity, , , , , over] = row;
  const at = (ms: number): string => new Date(ms).toISOString();
  const detail = over === undefined ? undefined : (closings[over] ?? over);
  return [
    { at: at(startedMs), kind: 'admitted', text: `${identity} may dial ${service}` },
    { at: at(startedMs + 21), kind: 'dialled', text: 'circuit kQ3.7fa' },
    { at: at(startedMs + 34), kind: 'opened', text: 'first byte after 34 ms' },
    ...calls,
    ...(detail === undefined ? [] : [{ at: at(endedMs), kind: 'closed' as const, text: detail }]),
  ];
}
