/** The calls of group `identity`: enrolment, and the life of identities after it. */
import { defined, whenDefined } from '../../base/defined.ts';
import type { Audit } from '../../audit/audit.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { Clock } from '../../base/clock.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import type { Policy } from '../../policy/policy.ts';
import type { AgentBindings } from '../admission/agent-bindings.ts';
import { enrolmentDeps } from '../enrolment/enrolment-deps.ts';
import { enrollIdentity } from '../enrolment/enrolment.ts';
import { exportIdentity } from '../enrolment/identity-export.ts';
import type { Identities } from '../identities/identities.ts';
import type { EngineLog } from '../runtime/logger.ts';
import type { ExternalLogin } from '../sign-in/external-login.ts';

/** What the calls read and change. */
export interface IdentityCallsDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly audit: Audit;
  readonly store: IdentityStore;
  readonly unlock: KeyUnlock;
  readonly identities: Identities;
  readonly policy: Policy;
  readonly agents: AgentBindings;
  readonly externalLogin: Pick<ExternalLogin, 'begin'>;
}

/** The handlers of group `identity`. */
export function identityCalls(deps: IdentityCallsDeps): EngineHandlers['identity'] {
  const { stateDirectory, store, audit, clock, log, unlock: given, identities, policy } = deps;
  const enrolment = enrolmentDeps({ stateDirectory, store, audit, clock, log, unlock: given });
  return {
    list: () => identities.all().map((runner) => runner.view()),
    async enroll(request, { signal, caller }) {
      const forWhom = caller.uid === undefined ? enrolment : { ...enrolment, uid: caller.uid };
      const runner = await identities.add(await enrollIdentity(request, forWhom, signal));
      return runner.view();
    },
    enable: ({ name }) => identities.setEnabled(name, true),
    disable: ({ name }) => identities.setEnabled(name, false),
    remove: ({ name }) => identities.remove(name),
    async rename({ name, to }) {
      await identities.rename(name, to);
      const agents = Object.entries(deps.agents.all()).filter(([, { identity }]) => identity === to);
      const dangling = policy.rules().filter(({ text }) => text.includes(JSON.stringify(name)));
      return {
        name: to,
        agents: agents.map(([agent]) => agent),
        rules: dangling.map(({ id, file }) => ({ id, file })),
      };
    },
    renew: async ({ name, rollKey }) => (await identities.renew(name, rollKey ?? false)).view(),
    unlock: async ({ name, passphrase, wrappingKey }) => {
      const unlock: KeyUnlock = {
        ...defined({ passphrase }),
        ...defined({ wrappingKey: whenDefined(wrappingKey, (key) => Buffer.from(key, 'base64')) }),
      };
      return (await identities.unlock(name, unlock)).view();
    },
    lock: ({ name }) => identities.lock(name),
    export: async ({ name }) => {
      const json = await exportIdentity(identities.get(name), deps.store);
      audit.record({ kind: 'identity.changed', identity: name, exported: true });
      return { json };
    },
    mfaEnroll: async ({ name }) => {
      const mfa = await identities.context(name).mfa.enroll();
      await identities.get(name).refreshMfa();
      return mfa;
    },
    mfaVerify: async ({ name, code }) => {
      await identities.context(name).mfa.verify(code);
      await identities.get(name).refreshMfa();
    },
    mfaRemove: async ({ name, code }) => {
      await identities.context(name).mfa.remove(code);
      await identities.get(name).refreshMfa();
    },
    mfaRecoveryCodes: async ({ name, code, regenerate }) => ({
      codes: await identities.context(name).mfa.recoveryCodes(code, defined({ regenerate })),
    }),
    passwordLogin: async ({ name, username, password }) =>
      (await identities.passwordLogin(name, username, password)).view(),
    login: ({ name, provider, device }) => deps.externalLogin.begin(name, provider, device ?? false),
  };
}
