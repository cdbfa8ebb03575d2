/** The fake engine of the scene: answers what the plain fake leaves out, and lets the bytes of open sessions flow. */
import { TunnelerError } from '../../../main/base/errors.ts';
import type { ApprovalView } from '../../../main/api/approval-view.ts';
import type { EngineState, StateChange } from '../../../main/api/state.ts';
import type { IdentityView, SecretView, SessionView, WhyStep, WhyView } from '../../../main/api/views.ts';
import { createFakeEngine, type FakeEngine } from '../fake-engine.ts';
import { sceneAudit } from './scene.ts';
import { scenePins } from './scene-approvals.ts';
import { attended, sceneFleet, sceneModelCalls, sceneOperations, sceneRecordings } from './scene-fleet.ts';
import { changedSettings, sceneDoctor } from './scene-machine.ts';
import { exportOf, findRecords, histogramOf } from './scene-audit.ts';

export function sceneEngine(state: EngineState, nowMs: number, options: { still: boolean }): FakeEngine {
  const audit = [...sceneAudit(nowMs, Object.values(state.sessions)), ...sceneModelCalls(nowMs)]
    .sort((a, b) => b.at.localeCompare(a.at))
    .map((record, index) => ({ ...record, seq: state.status.audit.count - index }));
  const fleet = sceneFleet(nowMs);
  let pins = scenePins();
  const secrets = new Map<string, SecretView>([
    ['anthropic', { name: 'anthropic', keystore: 'keychain', setAt: new Date(nowMs - 9 * 86_400_000).toISOString() }],
  ]);
  const engine: FakeEngine = createFakeEngine(state, {
    engine: {
      doctor: () => sceneDoctor(),
      changeSettings: ({ changes, apply }) => changedSettings(changes, apply),
      settings: () => ({
        config: {
          mode: 'auto',
          ranges: { ipv4: '100.64.0.0/10' },
          dns: { backend: 'auto' },
          console: { enabled: false },
          hosting: {
            keys: [
              { service: 'model-gateway', callers: 'agent-claude', secret: 'anthropic' },
              { service: 'plant-llm', callers: ['plant-7-*'], secret: 'plant-llm' },
            ],
          },
        },
        file: '/etc/culvert/culvert.yaml',
        logLevel: 'info',
      }),
      bundle: ({ redact, preview }) => ({
        entries: [
          { name: 'status.json', bytes: 8_120, redactions: redact === 'full' ? 41 : 2 },
          { name: 'services.json', bytes: 31_400, redactions: redact === 'full' ? 118 : 0 },
          { name: 'engine.log', bytes: 812_000, redactions: redact === 'full' ? 2_210 : 14 },
          { name: 'routes.txt', bytes: 2_040, redactions: redact === 'full' ? 12 : 0 },
          { name: 'dns.json', bytes: 6_300, redactions: redact === 'full' ? 64 : 0 },
          { name: 'audit-tail.jsonl', bytes: 240_100, redactions: redact === 'full' ? 912 : 6 },
        ],
        ...(preview === true ? {} : { data: btoa('PK') }),
      }),
    },
    identity: {
      enroll: ({ name = 'new-identity', source }) => {
        if (source.includes('expired'))
          throw new TunnelerError('ziti.enroll.token_expired', 'This token expired yesterday.');
        const identity: IdentityView = {
          name,
          keystore: 'file',
          scope: 'user',
          state: 'ready',
          controller: 'https://ctrl.northwind.example:1280',
          controllers: [],
          mfa: 'none',
          services: { dial: 3, bind: 0 },
        };
        engine.push({ kind: 'identity-changed', key: name, value: identity });
        return identity;
      },
      rename: ({ name, to }) => {
        const identity = engine.state().identities[name];
        if (identity === undefined) throw new Error(`no identity ${name}`);
        engine.push(
          { kind: 'identity-removed', key: name },
          { kind: 'identity-changed', key: to, value: { ...identity, name: to } },
        );
        return { name: to, agents: [], rules: [] };
      },
      mfaEnroll: ({ name }) => ({
        provisioningUrl: `otpauth://totp/northwind:${name}?secret=JBSWY3DPEHPK3PXPJBSWY3DP&issuer=northwind`,
        recoveryCodes: [
          '8f2k-91xq',
          'm3p0-77ad',
          'q9w2-k4lz',
          '0xv8-b6tn',
          'h5j1-c2ro',
          'y7u3-e8sd',
          'z1a6-f9gh',
          'w4n2-p5vb',
        ],
      }),
      mfaVerify: ({ name, code }) => {
        if (code !== '123456')
          throw new TunnelerError('ziti.controller.mfa_code_wrong', 'This code is not right, or no longer.');
        const identity = engine.state().identities[name];
        if (identity === undefined) return;
        const { reason: _reason, ...rest } = identity;
        engine.push({ kind: 'identity-changed', key: name, value: { ...rest, state: 'ready', mfa: 'enrolled' } });
      },
    },
    secret: {
      list: () => [...secrets.values()],
      set({ name, keystore }) {
        const kept: SecretView = {
          name,
          keystore: keystore === 'keychain' ? 'keychain' : 'file',
          setAt: new Date().toISOString(),
        };
        secrets.set(name, kept);
        return kept;
      },
      remove: ({ name }) => void secrets.delete(name),
    },
    record: {
      list: () => sceneRecordings(nowMs),
      show: ({ session }) => ({ session, calls: sceneOperations(nowMs) }),
      export: async function* () {
        yield await Promise.resolve({ data: btoa('pcapng') });
      },
    },
    fleet: {
      devices: () => fleet.devices,
      alerts: () => fleet.alerts,
      orders: () => fleet.orders,
      reach: ({ device }) => fleet.reach.filter((row) => device === undefined || row.device === device),
      containment: ({ device }) => fleet.containment.filter((row) => device === undefined || row.device === device),
      dark: () => fleet.dark,
      order: ({ action, subject, cause }) => fleet.order(action, subject, cause ?? 'by hand'),
      search: ({ device, agent, service, kind, text, limit = 100 }) =>
        fleet.records
          .filter((record) => device === undefined || record.device === device)
          .filter((record) => agent === undefined || record['agent'] === agent)
          .filter((record) => service === undefined || record['service'] === service)
          .filter((record) => kind === undefined || record.kind === kind)
          .filter((record) => text === undefined || JSON.stringify(record).includes(text))
          .slice(0, limit),
    },
    service: { why: ({ destination }) => why(destination, engine.state()) },
    approval: {
      list: () => Object.values(engine.state().approvals),
      answer({ id, grant, reason, minutes }) {
        const row = engine.state().approvals[id];
        if (row === undefined) throw new TunnelerError('approvals.unknown', `no approval ${id}`);
        const value: ApprovalView = {
          ...row,
          state: grant ? 'granted' : 'denied',
          reason: reason ?? null,
          answeredBy: 'here',
          expiresAt: minutes === undefined ? null : new Date(nowMs + minutes * 60_000).toISOString(),
        };
        engine.push({ kind: 'approval-changed', key: id, value });
        return value;
      },
    },
    mcp: {
      pins: ({ diff }) => pins.filter(({ state }) => !diff || state !== 'pinned'),
      acceptPins({ service, tools }) {
        const accepted = pins.filter((pin) => pin.service === service && tools?.includes(pin.tool) !== false);
        pins = pins.map((pin) => (accepted.includes(pin) ? { ...pin, state: 'pinned', old: pin.new } : pin));
        return { accepted: accepted.map(({ tool }) => tool) };
      },
    },
    session: {
      attend: async function* (_request, { signal }) {
        for (const call of sceneOperations(nowMs)) yield await Promise.resolve(attended(call));
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
      closeApp: ({ app }) => {
        const own = Object.values(engine.state().sessions).filter(
          (session) => session.state !== 'closed' && (session.app.agent === app || session.app.path === app),
        );
        engine.push(...own.map((session) => closed(session, 'consumer_close')));
        return { closed: own.map(({ id }) => id) };
      },
    },
    audit: {
      search: (query) => findRecords(audit, query),
      histogram: (query) => histogramOf(audit, query),
      export: (query) => exportOf(audit, query),
      verify: () => ({ ok: true, count: 12_482, head: state.status.audit.head, gaps: 0, checkpoints: 49, signers: [] }),
      alerts: () => state.alerts,
    },
  });
  if (!options.still) setInterval(() => engine.push(...flow(engine.state())), 500);
  return engine;
}

export function closed(session: SessionView, closeReason: NonNullable<SessionView['closeReason']>): StateChange {
  const value: SessionView = { ...session, state: 'closed', closeReason, endedAt: new Date().toISOString() };
  return { kind: 'session-changed', key: session.id, value };
}

/** Half a second of traffic: smooth where media flows, in bursts where an agent thinks. */
function flow(state: EngineState): StateChange[] {
  const t = Date.now() / 1000;
  return Object.values(state.sessions)
    .filter((session) => session.state === 'open')
    .flatMap((session, index): StateChange[] => {
      const burst = Math.max(0, Math.sin(t / (3 + (index % 5)) + index * 1.7)) ** 3;
      const media = session.service === 'video-bridge' ? 60_000 : 0;
      const received = Math.round(media * (1 + 0.2 * Math.sin(t)) + burst * 90_000 * (1 + (index % 3)));
      const sent = Math.round(media * 0.7 + burst * 30_000 * (1 + (index % 2)));
      if (received === 0 && sent === 0) return [];
      const value = {
        ...session,
        bytesReceived: session.bytesReceived + received,
        bytesSent: session.bytesSent + sent,
      };
      return [{ kind: 'session-changed', key: session.id, value }];
    });
}

function why(destination: string, state: EngineState): WhyView {
  const host = destination.split(':')[0] ?? destination;
  const service = Object.values(state.services).find(
    (one) =>
      one.name === host || one.addresses.some((address) => address === host || host.endsWith(address.replace('*', ''))),
  );
  if (service === undefined) {
    return {
      destination,
      reachable: false,
      steps: [
        {
          step: 'name',
          outcome: 'fail',
          text: `No service of any identity claims ${host}.`,
          next: 'Check the spelling, or ask for access to the service behind this name.',
        },
        { step: 'identity', outcome: 'skipped', text: 'There is nothing to dial.' },
      ],
    };
  }
  const failing: Partial<Record<typeof service.status, WhyStep['step']>> = {
    'posture-failed': 'posture',
    'mfa-required': 'posture',
    'no-terminator': 'terminator',
    quarantined: 'quarantine',
    'contract-invalid': 'contract',
  };
  const at = failing[service.status];
  const order = [
    'name',
    'identity',
    'service',
    'permission',
    'posture',
    'contract',
    'local-policy',
    'quarantine',
    'router',
    'terminator',
  ] as const;
  const broken = at === undefined ? order.length : order.indexOf(at as (typeof order)[number]);
  const texts: Readonly<Record<(typeof order)[number], string>> = {
    name: `${host} is claimed by ${service.name}`,
    identity: `${service.identity} is ready`,
    service: `${service.name} is known to the controller`,
    permission: 'The controller grants dial',
    posture: 'Every check passes',
    contract: 'The contract allows it now',
    'local-policy': 'No local rule forbids it',
    quarantine: 'Nothing of it is in quarantine',
    router: 'router-fra-1 answers in 11 ms',
    terminator: 'One terminator is online',
  };
  return {
    destination,
    reachable: at === undefined,
    service: service.name,
    identity: service.identity,
    steps: order.map((step, index): WhyStep => {
      if (index < broken) return { step, outcome: 'pass', text: texts[step] };
      if (index > broken) return { step, outcome: 'skipped', text: '' };
      const next = service.reason?.next;
      return { step, outcome: 'fail', text: service.reason?.sentence ?? '', ...(next === undefined ? {} : { next }) };
    }),
  };
}
