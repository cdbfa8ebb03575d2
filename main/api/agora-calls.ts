/** Agents that are offered over dark services, as the engine is asked about them. */
import * as v from 'valibot';
import { call, stream } from './call.ts';
import { parser } from './parser.ts';
import { agents, agentsAndMembers, identityName, nothing, text } from './schema-parts.ts';
import type { EngagementView } from './agora-views.ts';
import type { AgentOfferView, CheckedCardView, HostedItem } from './views.ts';

const agentOffer = v.strictObject({
  service: text(256),
  /** The agent's card, JSON. */
  card: text(262_144),
  /** The path of the agent's endpoint. */
  path: v.pipe(v.string(), v.regex(/^\/[\x21-\x7e]*$/, 'expected a path'), v.maxLength(1024)),
  identity: v.optional(identityName),
});

const engagementId = v.pipe(v.string(), v.regex(/^ses_[0-9a-f]{32}$/, 'expected the id of an engagement'));
const why = v.optional(text(500));
const decided = v.strictObject({ id: engagementId, reason: why });
type Decided = v.InferOutput<typeof decided>;
const proposal = v.strictObject({ service: text(256), identity: v.optional(identityName), reason: why });

/** Calls of group `agora`: agents that are offered over dark services. */
export const agoraCalls = {
  /** Offer an agent as a dark service, for as long as the stream is open. */
  offer: stream<v.InferOutput<typeof agentOffer>, HostedItem>({
    needs: 'operate',
    own: agents,
    parse: (raw) => parser(agentOffer)(raw),
  }),
  /** Agents that are offered here. */
  offers: call<void, readonly AgentOfferView[]>({ needs: 'observe', own: agentsAndMembers, parse: nothing }),
  /** `identities`: whose offer it is, where several have one under this name. */
  withdraw: call<{ service: string; identities?: string[] | undefined }, void>({
    needs: 'operate',
    own: agents,
    parse: parser(v.strictObject({ service: text(256), identities: v.optional(v.array(identityName)) })),
  }),
  /** Who signed the card that came from a service; `identity`: as whom it was asked for. */
  check: call<{ service: string; card: string; identity?: string | undefined }, CheckedCardView>({
    needs: 'observe',
    own: agentsAndMembers,
    parse: parser(v.strictObject({ service: text(256), card: text(1_048_576), identity: v.optional(identityName) })),
  }),
  /** Agree with whoever hosts a service; a person's to do, as all that follows. */
  propose: call<v.InferOutput<typeof proposal>, EngagementView>({ needs: 'operate', parse: parser(proposal) }),
  accept: call<Decided, EngagementView>({ needs: 'operate', parse: parser(decided) }),
  reject: call<Decided, EngagementView>({ needs: 'operate', parse: parser(decided) }),
  close: call<Decided, EngagementView>({ needs: 'operate', parse: parser(decided) }),
  /** Those of this engine, over or not; the other end is asked about what is open. */
  engagements: call<void, readonly EngagementView[]>({ needs: 'observe', parse: nothing }),
};
