/** What a person does with engagements: propose, accept, reject, close, and look at them. */
import type { EngagementView } from '../../api/agora-views.ts';
import { partyKey } from '../../agora/engagement-book.ts';
import { agoraWords, type Engagement, type Party } from '../../agora/engagement.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { TunnelerError } from '../../base/errors.ts';
import { iso } from '../../base/iso.ts';
import type { Policy } from '../../policy/policy.ts';
import { quarantineRefusal, type Quarantine } from '../../policy/quarantine.ts';
import type { ZitiService } from '../../ziti/model.ts';
import type { Identities } from '../identities/identities.ts';
import { newEngagementId, type EngagementAnswer, type EngagementQuestion } from './engagement-words.ts';
import type { Engagements } from './engagements.ts';

/** What is asked of whom. */
export interface EngagingDeps {
  readonly engagements: Engagements;
  readonly identities: Pick<Identities, 'all' | 'find'>;
  readonly policy: Pick<Policy, 'contractOf'>;
  readonly quarantine: Pick<Quarantine, 'causeOf'>;
  readonly ask: (party: Party, question: EngagementQuestion) => Promise<EngagementAnswer>;
  /** Answer the question that waits for a person, where there is one of that id. Throws `approvals.*`. */
  readonly answerApproval: (id: string, answer: { grant: boolean; reason?: string | undefined }) => void;
  readonly nameOf: (identity: string) => string;
  /** What was agreed on and ended so far is on the disk. Throws where it cannot be. */
  readonly kept: () => Promise<void>;
}

/** Calls of group `agora` about engagements. What a person said is on the disk before it is answered. */
export interface Engaging {
  /** Throws `agora.no_contract`, `agora.which_identity`, `agora.rejected`, `agora.too_often`, `agora.not_answered`, `ziti.*`. */
  propose(request: {
    service: string;
    identity?: string | undefined;
    reason?: string | undefined;
  }): Promise<EngagementView>;
  /** Throws `agora.unknown_engagement`, `agora.engagement_over`, `agora.not_yours`, `approvals.*`. */
  accept(request: { id: string; reason?: string | undefined }): Promise<EngagementView>;
  reject(request: { id: string; reason?: string | undefined }): Promise<EngagementView>;
  close(request: { id: string; reason?: string | undefined }): Promise<EngagementView>;
  list(): Promise<readonly EngagementView[]>;
}

/** Nothing is asked of anybody before a person does. */
export function openEngaging(deps: EngagingDeps): Engaging {
  const { engagements } = deps;
  const { book } = engagements;
  const found = (id: string): Engagement => {
    const one = book.get(id);
    if (one !== undefined) return one;
    throw new TunnelerError('agora.unknown_engagement', `there is no engagement ${id} here`, {
      details: { id, next: 'culvert agora engagements lists those there are' },
    });
  };
  const viewOf = (one: Engagement): EngagementView =>
    engagementView({ ...one, identity: deps.nameOf(one.identity) }, book.endsAtMs(one));
  const view = async (id: string): Promise<EngagementView> => {
    await deps.kept();
    return viewOf(found(id));
  };

  return {
    async propose({ service, identity, reason }) {
      const { party, contract } = partyFor(service, identity, deps);
      const held = quarantineRefusal([`identity:${party.identity}`, `service:${service}`], (subject) =>
        deps.quarantine.causeOf(subject),
      );
      if (held !== undefined)
        throw new TunnelerError('policy.refused', held.sentence, { details: { next: held.next } });
      const current = book.current(party);
      const isSame = current?.contractHash === book.hashOf(contract);
      if (current !== undefined && !isSame)
        book.end(current.id, 'contract_changed', 'another contract is in force since');
      const id = isSame ? current.id : newEngagementId();
      const question = { ask: 'propose', id, contract: book.hashOf(contract), reason: reason ?? 'proposed' } as const;
      const answer = await deps.ask(party, question);
      if ('refused' in answer) throw answer.code === undefined ? rejected(service, answer.refused) : tooOften(service);
      const known = book.get(answer.id);
      if (known !== undefined && partyKey(known) !== partyKey(party)) {
        throw rejected(service, `its host names ${answer.id}, which is with ${known.service}`);
      }
      if (known === undefined) {
        if (isSame) book.end(id, 'tunnel_failed', 'the host has another one');
        engagements.propose(party, contract, { id: answer.id, reason: question.reason });
      }
      engagements.follow(answer.id, answer);
      if (answer.state === 'closed') throw rejected(service, answer.reason);
      return view(answer.id);
    },

    async accept({ id, reason }) {
      const one = hostsOwn(found(id));
      if (one.state === 'closed') return view(engagements.reopen(one, contractAt(one, deps), reason));
      if (one.state !== 'proposed') return view(id);
      if (one.approval !== undefined) deps.answerApproval(one.approval, { grant: true, reason });
      else book.accept(id, reason ?? 'accepted by a person');
      return view(id);
    },

    async reject({ id, reason }) {
      const one = hostsOwn(found(id));
      if (one.state !== 'proposed' && one.state !== 'accepting') throw over(one);
      if (one.approval !== undefined) deps.answerApproval(one.approval, { grant: false, reason });
      book.close(id, 'rejected', reason ?? 'rejected by a person');
      return view(id);
    },

    async close({ id, reason }) {
      const one = found(id);
      if (one.state === 'closed') throw over(one);
      await engagements.close(id, reason ?? 'closed by a person');
      return view(id);
    },

    async list() {
      await engagements.refresh();
      return book.list().map(viewOf);
    },
  };
}

/** Whom a proposal is from, and under what. */
function partyFor(
  service: string,
  identity: string | undefined,
  { identities, policy }: EngagingDeps,
): { readonly party: Party; readonly contract: EngagementContract } {
  const dialable = identities.all().flatMap((runner) => {
    const known = runner.services().find(({ name, permissions }) => name === service && permissions.includes('Dial'));
    return known === undefined || (identity !== undefined && runner.name !== identity) ? [] : [{ runner, known }];
  });
  const [one, ...others] = dialable;
  if (one === undefined) {
    throw new TunnelerError(
      'ziti.dial.service_unknown',
      `${identity === undefined ? 'no identity here may' : `${identity} may not`} dial ${service}`,
      {
        details: { service, next: 'culvert services lists those there are' },
      },
    );
  }
  if (others.length > 0) {
    const names = dialable.map(({ runner }) => runner.name);
    throw new TunnelerError('agora.which_identity', `${names.join(' and ')} may dial ${service}`, {
      details: { service, identities: names, next: `say who proposes: --identity ${names.join(' or ')}` },
    });
  }
  const contract = ruled(one.known, policy);
  const { runner, known } = one;
  const account = runner.account() ?? runner.name;
  return { party: { end: 'dial', account, identity: runner.name, serviceId: known.id, service }, contract };
}

function contractAt(
  { identity, serviceId, service }: Engagement,
  { identities, policy }: EngagingDeps,
): EngagementContract {
  const known = identities
    .find(identity)
    ?.services()
    .find(({ id }) => id === serviceId);
  return ruled(known ?? { name: service, configs: {} }, policy);
}

function ruled(service: Pick<ZitiService, 'name' | 'configs'>, policy: Pick<Policy, 'contractOf'>): EngagementContract {
  const inForce = policy.contractOf(service);
  if (inForce.kind === 'set' && inForce.contract.a2a !== undefined) return inForce.contract;
  throw new TunnelerError('agora.no_contract', `the contract of ${service.name} says nothing of a2a`, {
    details: { service: service.name, next: 'put a2a into its culvert.contract.v1' },
  });
}

/** Whoever hosts decides; whoever proposed waits. */
function hostsOwn(one: Engagement): Engagement {
  if (one.end === 'host') return one;
  throw new TunnelerError('agora.not_yours', `${one.id} was proposed here: its other end decides`, {
    details: {
      id: one.id,
      next: `ask whoever runs the engine that hosts ${one.service}; culvert agora close ${one.id} takes it back here`,
    },
  });
}

function over({ id, state }: Engagement): TunnelerError {
  return new TunnelerError('agora.engagement_over', `${id} is ${state} already`, { details: { id, state } });
}

function rejected(service: string, why: string): TunnelerError {
  return new TunnelerError('agora.rejected', `the engagement with ${service} was rejected: ${why}`, {
    details: { service, why },
  });
}

function tooOften(service: string): TunnelerError {
  return new TunnelerError('agora.too_often', `too many engagements with ${service} were proposed in a short time`, {
    details: { service, next: 'wait a minute, then propose again' },
  });
}

function engagementView(one: Engagement, endsAtMs: number | undefined): EngagementView {
  const { id, service, counterparty, identity, end, state, ended, contractHash, contractHashThere } = one;
  const { messages, bytes, proposedAtMs, startedAtMs, closedAtMs, reason, approval } = one;
  const words = ended === undefined ? undefined : agoraWords(ended, one.endedDetail);
  const at = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms));
  return {
    id,
    service,
    counterparty: counterparty ?? null,
    identity,
    end,
    state,
    closeReason: words?.closeReason ?? null,
    closeDetail: words?.closeDetail ?? null,
    ended: ended ?? null,
    contractHash,
    contractAgrees: contractHashThere === undefined ? null : contractHashThere === contractHash,
    messages,
    bytes,
    proposedAt: iso(proposedAtMs),
    startedAt: at(startedAtMs),
    endsAt: at(endsAtMs),
    closedAt: at(closedAtMs),
    reason,
    approval: approval ?? null,
  };
}
