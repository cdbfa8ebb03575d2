/** Flows, programs, services and facts to decide about. */
import type { App } from '../../main/apps/app.ts';
import type { FlowRequest } from '../../main/base/flow.ts';
import type { Match } from '../../main/intercept/match.ts';
import type { DecisionFacts, IdentityFacts } from '../../main/policy/verdict.ts';
import type { PostureCheck, ZitiService } from '../../main/ziti/model.ts';

export const aFlow: FlowRequest = {
  entry: 'tun',
  protocol: 'tcp',
  source: { address: '10.0.0.2', port: 40_000 },
  destination: { hostname: 'db.ziti', port: 5432 },
};

export const curl: App = {
  attribution: 'exact',
  pid: 42,
  path: '/usr/bin/curl',
  uid: 1000,
  user: 'alice',
  hash: 'ab'.repeat(32),
  parents: [],
};

export function aService(name: string, more: Partial<ZitiService> = {}): ZitiService {
  return {
    id: `id-${name}`,
    name,
    encryptionRequired: true,
    permissions: ['Dial'],
    configs: {},
    roleAttributes: ['finance'],
    terminatorStrategy: 'smartrouting',
    postureChecks: [],
    ...more,
  };
}

export function aMatch(identity: string, service: ZitiService): Match {
  return { identity, service, dialTimeoutMs: 5_000, appData: {} };
}

export function aCheck(more: Partial<PostureCheck> = {}): PostureCheck {
  return {
    id: 'q1',
    policyId: 'p1',
    policyType: 'Dial',
    queryType: 'MFA',
    isPassing: false,
    timeoutSeconds: -1,
    promptOnWake: false,
    promptOnUnlock: false,
    ...more,
  };
}

export const machine: IdentityFacts = {
  scope: 'machine',
  authentication: 'legacy',
  trouble: undefined,
  mfaVerifiedAtMs: undefined,
};

export function facts(
  identities: Readonly<Record<string, IdentityFacts>>,
  more: Partial<DecisionFacts> & { readonly quarantined?: Readonly<Record<string, string>> } = {},
): DecisionFacts {
  return {
    nowMs: Date.UTC(2026, 0, 1, 12),
    identity: (name) => identities[name],
    openSessions: () => 0,
    isQuarantined: (subject) => more.quarantined?.[subject],
    ...more,
  };
}
