/** What an assessment looks at: how the engine stands, and the newest record of each thing that counts, of this device or of the fleet. */
import { isTunnelerError } from '../../base/errors.ts';
import type {
  AuditRecordView,
  AuditVerifyView,
  FleetContainmentView,
  FleetDeviceView,
} from '../../api/record-views.ts';
import type { AgentView, IdentityView, PolicyView, ServiceView, SettingsView } from '../../api/views.ts';
import type { AuditQuery, Engine } from '../backends.ts';

/** Records that show a control at work, by what they are asked for under. */
const asked = {
  allowed: { kind: 'verdict', decision: 'allow' },
  refused: { kind: 'verdict', decision: 'deny' },
  closed: { kind: 'session.closed' },
  call: { kind: 'call' },
  refusedCall: { kind: 'call', decision: 'deny' },
  violation: { kind: 'violation' },
  alert: { kind: 'alert' },
  quarantined: { kind: 'quarantine.added' },
  released: { kind: 'quarantine.released' },
  enrolled: { kind: 'identity.enrolled' },
  renewed: { kind: 'identity.renewed' },
  // A stop gives services up as well, and takes them from nobody.
  serviceLost: { kind: 'service.lost', text: 'revoked' },
  policyChanged: { kind: 'policy.changed' },
  secretSet: { kind: 'secret.set' },
  certified: { kind: 'signer.certified' },
  ordered: { kind: 'desk.ordered' },
  tlsFailed: { kind: 'tls.failed' },
  clockSet: { kind: 'clock.changed' },
  dialFailed: { kind: 'dial.failed' },
} as const satisfies Record<string, Pick<AuditQuery, 'kind' | 'decision' | 'text'>>;

/** A record that controls look for, by the name it has here. */
export type RecordName = keyof typeof asked;

/** All that a running engine says of itself, asked once for every control. */
export interface Evidence {
  readonly identities: readonly IdentityView[];
  readonly services: readonly ServiceView[];
  readonly agents: readonly AgentView[];
  readonly policy: PolicyView;
  readonly settings: SettingsView;
  readonly verified: AuditVerifyView;
  /** Devices whose record is collected here; undefined where none is. */
  readonly fleet: readonly FleetDeviceView[] | undefined;
  /** What became of sessions on them when access was taken. */
  readonly containment: readonly FleetContainmentView[] | undefined;
  /** The newest record of each kind; where a fleet is collected, of any device. */
  readonly records: ReadonlyMap<RecordName, AuditRecordView>;
}

/** Ask the engine for it. Throws what its calls throw, but not that it collects no fleet. */
export async function gatherEvidence(engine: Engine): Promise<Evidence> {
  const fleet = await engine.fleet.devices().catch((error: unknown) => {
    if (isTunnelerError(error, 'fleet.not_collecting')) return undefined;
    throw error;
  });
  const containment = fleet === undefined ? undefined : await engine.fleet.containment({});
  const records = new Map<RecordName, AuditRecordView>();
  for (const [name, query] of Object.entries(asked) as [RecordName, AuditQuery][]) {
    const [newest] = await (fleet === undefined
      ? engine.audit.search({ ...query, limit: 1 })
      : engine.fleet.search({ ...query, limit: 1 }));
    if (newest !== undefined) records.set(name, newest);
  }
  const [identities, services, agents, policy, settings, verified] = await Promise.all([
    engine.identity.list(),
    engine.service.list(),
    engine.app.list(),
    engine.policy.show(),
    engine.engine.settings(),
    engine.audit.verify({}),
  ]);
  return { identities, services, agents, policy, settings, verified, fleet, containment, records };
}
