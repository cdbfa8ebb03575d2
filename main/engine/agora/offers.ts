/** Agents that programs of this machine offer as dark services, each for as long as its program stays. */
import { readCard, offeredCard, skillsOf, type Card } from '../../agora/card.ts';
import type { AgentOfferView, CheckedCardView, HostedItem } from '../../api/views.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { defined } from '../../base/defined.ts';
import type { Clock } from '../../base/clock.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { TunnelerError } from '../../base/errors.ts';
import { compileGlob } from '../../base/glob.ts';
import type { Log } from '../../base/log.ts';
import type { HostedRequest } from '../../hosting/hosting.ts';
import { answerBySocket, type AnsweredServices } from '../hosting/answered-services.ts';
import { bindersFor, type ServedProcesses } from '../hosting/served-processes.ts';
import { openAgentFront } from './agent-front.ts';
import { checkCard, signCard, type CardSigner } from './card-signing.ts';

/** What offers are hosted by, signed with and recorded in. */
export interface OffersDeps {
  readonly answered: Pick<AnsweredServices, 'answer'>;
  readonly processes: Pick<ServedProcesses, 'lend'>;
  /** Runners' ids, by the names of the identities that may bind the service now. */
  readonly binders: (service: string) => ReadonlyMap<string, string>;
  /** The contract in force where the identity hosts the service; undefined: none. */
  readonly contractOf: (service: string, identity: string) => EngagementContract | undefined;
  /** Signs as an identity here; undefined where it has no certificate. */
  readonly signerOf: (identity: string) => Promise<CardSigner | undefined>;
  /**
   * PEM of the authorities of each network whose service it is, as identities here that may dial it know them; of the network of one identity,
   * where that is named.
   */
  readonly authorities: (service: string, identity: string | undefined) => readonly string[];
  readonly audit: Pick<AuditWriter, 'record'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** An agent to be offered. */
export interface OfferRequest {
  readonly service: string;
  /** The agent's card, JSON. */
  readonly card: string;
  /** The path of the agent's endpoint. */
  readonly path: string;
  /** Offered as this identity alone. */
  readonly identity?: string | undefined;
}

/** The agents that are offered here now. */
export interface Offers {
  /**
   * Offer an agent until the signal fires or it is withdrawn; its connections and their bytes are told as they come. Throws
   * `agora.card_invalid`, `agora.no_contract`, `hosting.not_bindable`, `hosting.answered`.
   */
  offer(request: OfferRequest, signal: AbortSignal): AsyncIterable<HostedItem>;
  list(): readonly AgentOfferView[];
  /**
   * Take it back; who is connected is cut off. Where several identities offer an agent under this name, `identities` says whose. Throws
   * `agora.unknown_offer`, and `agora.several_offers` where that does not tell them apart.
   */
  withdraw(service: string, identities?: readonly string[]): void;
  /** Who offers the agent whose card came from a service, dialled as `identity` where that is known. Throws `agora.card_invalid`. */
  check(request: {
    readonly service: string;
    readonly card: string;
    readonly identity?: string | undefined;
  }): CheckedCardView;
}

/** A contract that has rules for what is said to an agent. */
type RuledContract = EngagementContract & { readonly a2a: NonNullable<EngagementContract['a2a']> };

interface Held {
  readonly view: AgentOfferView;
  end(): void;
}

/** Nothing is offered at first. */
export function openOffers(deps: OffersDeps): Offers {
  const held = new Set<Held>();
  return {
    async *offer({ service, card: text, path, identity }, signal) {
      const card = readCard(text);
      const binders = bindersFor(service, identity, deps.binders(service));
      for (const name of binders.keys()) ruledContract(service, deps.contractOf(service, name));
      const withdrawn = new AbortController();
      const ended = AbortSignal.any([signal, withdrawn.signal]);
      using process = deps.processes.lend(ended);
      using front = openAgentFront({
        card: (url, request) => signedFor(card, url, request),
        // Its contract may be another since: without rules no guard would stand before the agent, and one that was made for others holds to those.
        contract: (request) => ruledContract(service, deps.contractOf(service, request.identity)),
        path,
        connect: (socket, request) => process.take(socket, request),
        log: deps.log,
      });
      const answer = answerBySocket((socket, request) => front.accept(socket, request));
      using answering = deps.answered.answer(service, {
        what: 'culvert agora offer',
        open(request, ...rest) {
          ruledContract(service, deps.contractOf(service, request.identity));
          return answer(request, ...rest);
        },
        ...defined({ identity: identity === undefined ? undefined : binders.get(identity) }),
      });
      void answering;
      const identities = [...binders.keys()];
      const view: AgentOfferView = {
        service,
        identities,
        agent: String(card.name),
        skills: skillsOf(card),
        since: new Date(deps.clock.now()).toISOString(),
      };
      deps.audit.record({ kind: 'agora.offered', service, identities, agentName: view.agent, skills: view.skills });
      const own: Held = { view, end: () => withdrawn.abort() };
      held.add(own);
      try {
        yield { kind: 'ready', service, identities };
        yield* process.items;
      } finally {
        held.delete(own);
        const reason = withdrawn.signal.aborted ? 'withdrawn' : 'program_ended';
        deps.audit.record({ kind: 'agora.withdrawn', service, identities, reason });
      }
    },
    list: () => [...held].map(({ view }) => view),
    withdraw(service, identities) {
      const those = [...held].filter(
        ({ view }) =>
          view.service === service &&
          (identities === undefined || view.identities.every((name) => identities.includes(name))),
      );
      const [one, ...others] = those;
      if (one === undefined) throw unknownOffer(service);
      if (others.length > 0) throw severalOffers(service, those);
      one.end();
    },
    check({ service, card: text, identity }) {
      const card = readCard(text);
      const networks = [...new Set(deps.authorities(service, identity))];
      const checked = checkCard(card, service, networks, deps.clock.now());
      const { version, description } = card;
      const said = {
        ...(typeof version === 'string' ? { version } : {}),
        ...(typeof description === 'string' ? { description } : {}),
      };
      const about = { service, agent: String(card.name), skills: skillsOf(card), ...said };
      if (checked.kind === 'signed') return { ...about, signature: 'valid', offeredBy: checked.by };
      return { ...about, signature: checked.kind, ...(checked.kind === 'invalid' ? { why: checked.why } : {}) };
    },
  };

  async function signedFor(card: Card, url: string, request: HostedRequest): Promise<Card> {
    const { serviceName: service, identity } = request;
    const { skills } = ruledContract(service, deps.contractOf(service, identity)).a2a;
    const globs = skills?.map((pattern) => compileGlob(pattern));
    const shows = (skill: string): boolean => globs === undefined || globs.some((glob) => glob.matches(skill));
    const offered = offeredCard(card, { service, url, shows });
    const signer = await deps.signerOf(identity);
    return signer === undefined ? offered : signCard(offered, signer);
  }
}

/** What a call fails with that names an agent nobody offers here. */
function unknownOffer(service: string): TunnelerError {
  return new TunnelerError('agora.unknown_offer', `no agent is offered here as ${service}`, {
    details: { service, next: 'culvert agora list shows what is offered here' },
  });
}

function severalOffers(service: string, offers: readonly Held[]): TunnelerError {
  const identities = offers.flatMap(({ view }) => view.identities);
  return new TunnelerError('agora.several_offers', `${service} is offered by ${identities.join(' and by ')}`, {
    details: { service, identities, next: `say whose is taken back: --identity ${identities.join(' or ')}` },
  });
}

/** Without rules for what is said nobody would hold a caller to anything. */
function ruledContract(service: string, contract: EngagementContract | undefined): RuledContract {
  const a2a = contract?.a2a;
  if (a2a !== undefined) return { ...contract, a2a };
  throw new TunnelerError('agora.no_contract', `the contract of ${service} says nothing of a2a`, {
    details: { service, next: 'put a2a into its culvert.contract.v1' },
  });
}
