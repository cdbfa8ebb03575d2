/** The status of a service in words, by the facts of the moment. */
import { expect, it } from 'vitest';
import { serviceView } from '../../main/engine/views/service-views.ts';
import { ContractBook } from '../../main/policy/contract-book.ts';

it('a contract that cannot be read is told at both ends of the service: no dial passes either', () => {
  const configs = { 'culvert.contract.v1': { mcp: { alow: ['read_graph'] } } };
  const contract = new ContractBook([]).inForce({ name: 'notes', configs });
  for (const permissions of [['Dial'], ['Bind'], ['Dial', 'Bind']] as const) {
    const view = serviceView({
      identity: 'workshop',
      service: {
        ...{ id: 'svc', name: 'notes', permissions, encryptionRequired: true, roleAttributes: [] },
        ...{ configs, postureChecks: [], terminatorStrategy: 'smartrouting' },
      },
      authentication: 'oidc',
      ...{ trouble: undefined, contract, problem: undefined, quarantined: undefined },
      routers: [{ name: 'edge', state: 'connected', identity: 'workshop', address: 'tls://edge.test:3022' }],
      ...{ hosted: undefined, hasNoTerminators: false, forwards: [], openSessions: 0 },
    });
    expect(view).toMatchObject({ status: 'contract-invalid', reason: { code: 'contract.invalid' } });
    expect(view.reason?.sentence).toContain('alow');
  }
});
