/** Twenty services in every state a service can be in. */
import type { ContractView, ServiceView } from '../../../main/api/views.ts';

type Given = Partial<ServiceView> & Pick<ServiceView, 'name' | 'identity' | 'addresses' | 'ports'>;

function service(given: Given, index: number): ServiceView {
  return {
    id: `svc${index.toString(36)}Qx`,
    permissions: ['Dial'],
    status: 'available',
    encrypted: true,
    protocols: ['tcp'],
    forwards: [],
    workgroups: [],
    posture: [],
    openSessions: 0,
    ...given,
  };
}

const mcpContract: ContractView = {
  origin: 'controller',
  guard: 'mcp',
  onViolation: 'quarantine',
  terms: {
    maxDurationSeconds: 14_400,
    mcp: {
      allow: ['search_*', 'get_*', 'create_comment'],
      deny: ['delete_*'],
      maxCalls: 500,
      rateLimit: { calls: 60, perSeconds: 60 },
    },
  },
};
const llmContract: ContractView = {
  origin: 'controller',
  guard: 'http',
  onViolation: 'close',
  terms: {
    http: {
      methods: ['POST'],
      paths: ['/v1/**'],
      models: ['claude-*', 'gpt-*'],
      tokenBudget: { tokens: 2_000_000, perSeconds: 86_400 },
    },
    maxBytes: 2_000_000_000,
  },
};
const plcContract: ContractView = {
  origin: 'controller',
  guard: 'modbus',
  onViolation: 'close',
  terms: {
    maxDurationSeconds: 7_200,
    idleTimeoutSeconds: 300,
    maxSessions: 1,
    requireMfaWithinSeconds: 3_600,
    modbus: { allow: 'read', units: [1], ranges: [{ table: 'holding', from: 0, to: 199 }] },
  },
};
const localContract: ContractView = {
  origin: 'policy.d/contracts/staging.yaml',
  guard: 'none',
  onViolation: 'alert',
  terms: { maxBytes: 500_000_000, maxSessions: 8, apps: { allow: ['agent:claude-code', '/usr/bin/curl'] } },
};

const mira = 'mira-laptop';
const agent = 'agent-claude';
const plant = 'plant-7-maintenance';

export function sceneServices(): ServiceView[] {
  const given: Given[] = [
    {
      name: 'git-forge',
      identity: mira,
      addresses: ['git.northwind'],
      ports: ['22', '443'],
      workgroups: ['engineering'],
    },
    {
      name: 'git-forge',
      identity: agent,
      addresses: ['git.northwind'],
      ports: ['443'],
      workgroups: ['engineering'],
      contract: localContract,
    },
    {
      name: 'issues-mcp',
      identity: agent,
      addresses: ['issues.mcp.northwind'],
      ports: ['443'],
      workgroups: ['engineering'],
      contract: mcpContract,
    },
    {
      name: 'docs-search',
      identity: agent,
      addresses: ['docs.mcp.northwind'],
      ports: ['443'],
      workgroups: ['engineering'],
      contract: mcpContract,
    },
    {
      name: 'llm-gateway',
      identity: agent,
      addresses: ['llm.northwind', '*.llm.northwind'],
      ports: ['443'],
      workgroups: ['platform'],
      contract: llmContract,
    },
    {
      name: 'package-mirror',
      identity: agent,
      addresses: ['packages.northwind'],
      ports: ['443'],
      workgroups: ['platform'],
    },
    {
      name: 'staging-api',
      identity: agent,
      addresses: ['*.staging.northwind'],
      ports: ['80', '443', '8000-8010'],
      workgroups: ['platform'],
      contract: localContract,
    },
    {
      name: 'warehouse-db',
      identity: mira,
      addresses: ['warehouse.db.northwind'],
      ports: ['5432'],
      workgroups: ['data'],
      forwards: [15432],
    },
    {
      name: 'billing-db',
      identity: mira,
      addresses: ['billing.db.northwind'],
      ports: ['5432'],
      workgroups: ['finance'],
      status: 'posture-failed',
      reason: {
        code: 'ziti.dial.posture_failed',
        sentence: 'The process check wants CrowdSec running; it is not.',
        next: 'Start the crowdsec service, then try again.',
      },
      posture: [
        {
          type: 'PROCESS',
          policyType: 'Dial',
          passing: false,
          explanation: '/usr/bin/crowdsec must run; it does not.',
        },
        { type: 'OS', policyType: 'Dial', passing: true, explanation: 'Linux 6.1 or newer' },
        { type: 'MFA', policyType: 'Dial', passing: true, timeoutRemainingSeconds: 2_460 },
      ],
    },
    { name: 'grafana', identity: mira, addresses: ['grafana.northwind'], ports: ['443'], workgroups: ['platform'] },
    {
      name: 'legacy-crm',
      identity: mira,
      addresses: ['crm.northwind'],
      ports: ['8443'],
      workgroups: ['finance'],
      status: 'quarantined',
      reason: {
        code: 'policy.quarantined',
        sentence: 'Put in quarantine by hand three days ago: under investigation.',
        next: 'Release it when the investigation is over.',
        details: { cause: 'under investigation' },
      },
    },
    {
      name: 'build-farm',
      identity: mira,
      addresses: ['10.77.8.0/24'],
      ports: ['22', '8080'],
      workgroups: ['engineering'],
      status: 'no-terminator',
      reason: {
        code: 'ziti.dial.no_terminator',
        sentence: 'Nobody hosts it at the moment.',
        next: 'Ask those who run build-farm whether its host is up.',
      },
    },
    {
      name: 'video-bridge',
      identity: mira,
      addresses: ['meet.northwind'],
      ports: ['3478', '10000-10100'],
      protocols: ['udp'],
      encrypted: false,
      workgroups: ['office'],
    },
    {
      name: 'printer-hall',
      identity: mira,
      addresses: ['printer.office'],
      ports: ['631'],
      workgroups: ['office'],
    },
    {
      name: 'plc-press-line',
      identity: plant,
      addresses: ['plc-press.plant-7', '10.77.12.18'],
      ports: ['502'],
      workgroups: ['plant 7'],
      contract: plcContract,
      status: 'mfa-required',
      reason: {
        code: 'ziti.controller.mfa_required',
        sentence: 'Its contract wants a code not older than an hour.',
        next: 'Enter a code from your authenticator.',
      },
      posture: [
        { type: 'MFA', policyType: 'Dial', passing: false, explanation: 'The last code is older than an hour.' },
      ],
    },
    {
      name: 'plc-oven-2',
      identity: plant,
      addresses: ['plc-oven-2.plant-7'],
      ports: ['502'],
      workgroups: ['plant 7'],
      contract: plcContract,
    },
    { name: 'historian', identity: plant, addresses: ['10.77.4.0/24'], ports: ['1433'], workgroups: ['plant 7'] },
    {
      name: 'hmi-panel',
      identity: plant,
      addresses: ['hmi.plant-7'],
      ports: ['5900'],
      workgroups: ['plant 7'],
      status: 'contract-invalid',
      contract: { ...localContract, origin: 'controller', terms: {} },
      reason: {
        code: 'contract.invalid',
        sentence: 'Its contract names the field “maxMinutes”, which does not exist.',
        next: 'Ask your administrator to correct culvert.contract.v1 of hmi-panel.',
      },
    },
    {
      name: 'edge-console',
      identity: plant,
      permissions: ['Bind'],
      addresses: [],
      ports: [],
      workgroups: ['plant 7'],
      status: 'hosting',
      hosted: { terminators: 2, target: '127.0.0.1:8441', health: 'healthy' },
    },
    {
      name: 'scada-export',
      identity: plant,
      permissions: ['Dial', 'Bind'],
      addresses: ['scada.plant-7'],
      ports: ['8443'],
      workgroups: ['plant 7'],
      status: 'hosting-failed',
      hosted: { terminators: 0, target: '192.168.40.12:8443', health: 'unhealthy' },
      reason: {
        code: 'hosting.connect_failed',
        sentence: '192.168.40.12:8443 does not accept connections.',
        next: 'Check whether the SCADA export is running.',
      },
    },
  ];
  return given.map(service);
}

/** Many services of one identity, for tests of size. */
export function manyServices(count: number): ServiceView[] {
  const statuses: readonly ServiceView['status'][] = [
    'available',
    'available',
    'available',
    'no-terminator',
    'posture-failed',
  ];
  return Array.from({ length: count }, (_, index) =>
    service(
      {
        name: `service-${String(index).padStart(5, '0')}`,
        identity: `identity-${index % 50}`,
        addresses: [`host-${index}.fleet.example`],
        ports: ['443'],
        workgroups: [`group ${index % 20}`],
        status: statuses[index % statuses.length] ?? 'available',
        id: `many-${index}`,
      },
      index,
    ),
  );
}
