/** Contracts, local rules and posture facts as the engine would gather them from the services. */
import type { PolicyView, ServiceView } from '../../../main/api/views.ts';

export function scenePolicy(services: readonly ServiceView[]): PolicyView {
  return {
    contracts: services.flatMap(({ name, identity, contract, status }) =>
      contract === undefined || status === 'contract-invalid' ? [] : [{ ...contract, service: name, identity }],
    ),
    localRules: [
      {
        id: 'agents-stay-out-of-finance',
        file: 'policy.d/agents.cedar',
        effect: 'forbid',
        text: 'forbid (\n  principal in Culvert::Group::"agents",\n  action == Culvert::Action::"dial",\n  resource in Culvert::Workgroup::"finance"\n);',
      },
      {
        id: 'plant-only-in-shift',
        file: 'policy.d/plant.cedar',
        effect: 'forbid',
        text: 'forbid (principal, action == Culvert::Action::"dial", resource in Culvert::Workgroup::"plant 7")\nunless { context.time.hour >= 6 && context.time.hour < 22 };',
      },
    ],
    errors: [],
    posture: services.flatMap(({ name, identity, posture }) =>
      posture.map((check) => ({ ...check, service: name, identity })),
    ),
  };
}
