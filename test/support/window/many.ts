/** A device with a great many services and fifty identities. */
import type { EngineState } from '../../../main/api/state.ts';
import type { IdentityView, SessionView } from '../../../main/api/views.ts';
import { emptyState } from '../fake-engine.ts';
import { manyServices } from './scene-services.ts';
import { sceneSessions } from './scene-sessions.ts';

export function manyState(count: number): EngineState {
  const identities = Array.from({ length: 50 }, (_, index): IdentityView => ({
    name: `identity-${index}`,
    keystore: 'file',
    scope: 'machine',
    state: 'ready',
    controller: 'https://ctrl.fleet.example',
    controllers: ['https://ctrl.fleet.example'],
    mfa: 'none',
    services: { dial: count / 50, bind: 0 },
  }));
  return emptyState({
    identities: Object.fromEntries(identities.map((identity) => [identity.name, identity])),
    services: Object.fromEntries(manyServices(count).map((service) => [`${service.identity}/${service.id}`, service])),
  });
}

/** The same at work: so many sessions of its programs, each with a service and an identity of its own. */
export function busyState(services: number, sessions: number): EngineState {
  const state = manyState(services);
  const open = sceneSessions(Date.now()).filter((session) => session.state === 'open' && session.direction === 'dial');
  const rows = Array.from({ length: sessions }, (_, index): SessionView => {
    const like = open[index % open.length]!;
    const service = `service-${String((index * 37) % services).padStart(5, '0')}`;
    return { ...like, id: `busy-${index}`, service, identity: `identity-${index % 50}`, router: `edge-${index % 4}` };
  });
  return { ...state, sessions: Object.fromEntries(rows.map((row) => [row.id, row])) };
}
