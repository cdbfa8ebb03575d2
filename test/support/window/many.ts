/** A device with a great many services and fifty identities. */
import type { EngineState } from '../../../main/api/state.ts';
import type { IdentityView } from '../../../main/api/views.ts';
import { emptyState } from '../fake-engine.ts';
import { manyServices } from './scene-services.ts';

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
