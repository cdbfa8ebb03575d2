/** Recordings of hosted sessions, a fleet of devices, and what models were asked, for the scene. */
import type { AttendedItem } from '../../../main/api/attended.ts';
import type { RecordingView } from '../../../main/api/floor-views.ts';
import type {
  AuditRecordView,
  FleetAlertView,
  FleetContainmentView,
  FleetDarkView,
  FleetDeviceView,
  FleetOrderView,
  FleetReachView,
  FleetRecordView,
} from '../../../main/api/record-views.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

export function sceneRecordings(nowMs: number): RecordingView[] {
  const at = (ms: number): string => new Date(nowMs - ms).toISOString();
  return [
    {
      session: 'rec-2',
      service: 'plc-press-line',
      identity: 'plant-7-maintenance',
      caller: 'vendor-laptop',
      destination: '192.168.40.7:102',
      startedAt: at(3 * hour),
      endedAt: at(2.2 * hour),
      pcap: true,
      bytes: 482_120,
      packets: 3_911,
      calls: 3,
      sha256: '4be1'.repeat(16),
    },
    {
      session: 'rec-1',
      service: 'scada-export',
      identity: 'plant-7-maintenance',
      caller: 'historian-sync',
      destination: '192.168.40.12:8443',
      startedAt: at(20 * minute),
      pcap: false,
      calls: 12,
    },
  ];
}

export function sceneOperations(nowMs: number): Readonly<Record<string, unknown>>[] {
  const startedAtMs = nowMs - 3 * hour;
  return [
    { startedAtMs, method: 'read-var', target: 'DB1.DBW0', decision: 'allow', arguments: ['01f4'] },
    { startedAtMs: startedAtMs + 4_000, method: 'write-var', target: 'DB1.DBW4', decision: 'allow', arguments: [42] },
    {
      startedAtMs: startedAtMs + 9_000,
      method: 'plc-stop',
      target: '',
      decision: 'deny',
      rule: 'contract:s7.allow read',
    },
  ];
}

/** The same as somebody who looks on is told of it. */
export function attended(call: Readonly<Record<string, unknown>>): AttendedItem {
  const { startedAtMs, method, target, decision } = call;
  return {
    kind: 'call',
    session: 's-host',
    at: new Date(Number(startedAtMs)).toISOString(),
    method: String(method),
    target: String(target),
    decision: decision === 'deny' ? 'deny' : 'allow',
    ...(call['arguments'] === undefined ? {} : { arguments: call['arguments'] }),
  };
}

export function sceneModelCalls(nowMs: number): AuditRecordView[] {
  const who = ['claude-code', 'codex', 'goose'] as const;
  const models = ['claude-opus-4-7', 'gpt-5.2', 'claude-haiku-4-5'] as const;
  return Array.from({ length: 90 }, (_, index): AuditRecordView => {
    const refused = index % 17 === 3;
    const tokensIn = refused ? 0 : 900 + ((index * 7919) % 21_000);
    const tokensOut = refused ? 0 : 120 + ((index * 104_729) % 2_400);
    return {
      seq: 0,
      at: new Date(nowMs - index * 1.7 * hour - 3 * minute).toISOString(),
      kind: 'call',
      service: 'llm-gateway',
      identity: 'agent-claude',
      agent: who[index % 3],
      method: 'POST',
      target: '/v1/messages',
      tool: '/v1/messages',
      protocol: 'http',
      model: models[(index * 5) % 3],
      decision: refused ? 'deny' : 'allow',
      ...(refused ? { rule: 'contract:http.tokenBudget' } : {}),
      tokensIn,
      tokensOut,
      cost: (tokensIn * 3 + tokensOut * 15) / 1_000_000,
      currency: 'USD',
      durationMs: 600 + ((index * 331) % 4_000),
    };
  });
}

export function sceneFleet(nowMs: number) {
  const at = (ms: number): string => new Date(nowMs - ms).toISOString();
  const device = (name: string, over: Partial<FleetDeviceView> = {}): FleetDeviceView => ({
    name,
    origin: `origin-${name}`,
    asserted: 'router',
    state: 'connected',
    records: 12_482,
    head: '9d7c'.repeat(16),
    branches: 1,
    epoch: 1,
    firstSeenAt: at(40 * day),
    lastSeenAt: at(2_000),
    clockOffsetMs: 12,
    ...over,
  });
  const devices = [
    device('mira-laptop'),
    device('plant-7-edge', { records: 88_120, clockOffsetMs: -340 }),
    device('build-03', { state: 'silent', lastSeenAt: at(3 * hour), records: 4_101 }),
    device('vendor-laptop', { state: 'away', branches: 2, lastSeenAt: at(9 * hour), records: 917 }),
  ];
  const alerts: FleetAlertView[] = [
    {
      id: 2,
      at: at(26 * minute),
      device: 'vendor-laptop',
      origin: 'origin-vendor-laptop',
      kind: 'forked',
      text: 'record 884 is not the one that was received before',
    },
    {
      id: 1,
      at: at(3 * hour),
      device: 'build-03',
      origin: 'origin-build-03',
      kind: 'silent',
      text: 'not heard of for 600 s',
    },
  ];
  const record = (index: number, over: Partial<AuditRecordView> & { device: string }): FleetRecordView => ({
    seq: 900 - index,
    at: at(index * 2 * minute),
    kind: 'call',
    origin: `origin-${over.device}`,
    branch: 1,
    receivedAt: at(index * 2 * minute - 20),
    ...over,
  });
  const records = [
    record(1, {
      device: 'vendor-laptop',
      kind: 'call',
      agent: 'goose',
      service: 'issues-mcp',
      tool: 'delete_project',
      decision: 'deny',
    }),
    record(2, {
      device: 'vendor-laptop',
      kind: 'session.opened',
      agent: 'goose',
      service: 'issues-mcp',
      identity: 'vendor',
    }),
    record(3, {
      device: 'mira-laptop',
      kind: 'call',
      agent: 'claude-code',
      service: 'issues-mcp',
      tool: 'get_issue',
      decision: 'allow',
    }),
    record(4, { device: 'plant-7-edge', kind: 'recording.closed', service: 'plc-press-line' }),
  ];
  const orders: FleetOrderView[] = [];
  const reach: FleetReachView[] = [
    {
      device: 'mira-laptop',
      identity: 'agent-claude',
      dial: ['git-forge', 'issues-mcp', 'llm-gateway', 'package-mirror'],
      bind: [],
      used: [{ who: 'claude-code', services: ['git-forge', 'issues-mcp', 'llm-gateway'] }],
      unused: ['package-mirror'],
    },
    {
      device: 'vendor-laptop',
      identity: 'vendor',
      dial: ['plc-press-line', 'historian'],
      bind: [],
      used: [{ who: 'plcstudio', services: ['plc-press-line'] }],
      unused: ['historian'],
    },
  ];
  const containment: FleetContainmentView[] = [
    {
      device: 'vendor-laptop',
      at: at(2 * day),
      what: 'revoked',
      subject: 'plc-press-line',
      sessions: 1,
      stillOpen: 0,
      lastAfterMs: 61,
      contained: true,
    },
    {
      device: 'mira-laptop',
      at: at(3 * day),
      what: 'quarantined',
      subject: 'app:goose',
      sessions: 2,
      stillOpen: 0,
      lastAfterMs: 18,
      contained: true,
    },
  ];
  const dark: FleetDarkView[] = [
    { device: 'mira-laptop', hosts: [], mode: 'tun', listens: ['127.0.0.1:1080'], open: [] },
    { device: 'plant-7-edge', hosts: ['plc-press-line', 'scada-export'], mode: 'host', listens: [], open: [] },
  ];
  return {
    devices,
    alerts,
    orders,
    records,
    reach,
    containment,
    dark,
    /** Devices that are connected obey at once, the others when they are back. */
    order(action: FleetOrderView['action'], subject: string, cause: string): FleetOrderView {
      const order: FleetOrderView = {
        id: `order-${orders.length + 1}`,
        at: new Date().toISOString(),
        action,
        subject,
        cause,
        devices: devices.map(({ name, state }, index) =>
          state === 'connected'
            ? { device: name, state: 'acknowledged', outcome: 'done', afterMs: 38 + index * 9 }
            : { device: name, state: 'waiting' },
        ),
      };
      orders.push(order);
      return order;
    },
  };
}
