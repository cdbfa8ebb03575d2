/** Why nothing may be said to an agent now, and what is to be done about it, each worded once. */
import type { Engagement, Party } from '../../agora/engagement.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import type { EngagementRefusal } from '../../guard/guard.ts';

/** By what is in the way. */
export const refusals = {
  unproposed: ({ service }: Party, { approval }: EngagementContract): EngagementRefusal => ({
    rule: 'contract:approval',
    sentence: `the contract of ${service} asks for an engagement that ${(approval?.by ?? []).join(' or ')} accepts`,
    next: `propose one: culvert agora propose ${service}`,
  }),
  waiting: ({ service }: Party, { approval }: EngagementContract): EngagementRefusal => ({
    rule: 'contract:approval',
    sentence: `the engagement with ${service} waits for ${(approval?.by ?? []).join(' or ')}`,
    next: `ask ${(approval?.by ?? []).join(' or ')} to look at culvert agora engagements`,
  }),
  over: ({ service }: Party, { id, reason }: Engagement): EngagementRefusal => ({
    rule: 'engagement:closed',
    sentence: `the engagement ${id} with ${service} is over: ${reason}`,
    next: `propose another: culvert agora propose ${service}`,
  }),
  full: ({ service }: Party, { maxSessions = 0 }: EngagementContract): EngagementRefusal => ({
    rule: 'contract:maxSessions',
    sentence: `the contract of ${service} lets ${maxSessions} engagements be open at a time`,
    next: 'wait until one is closed: culvert agora engagements on its host shows them',
  }),
  changed: ({ service }: Party): EngagementRefusal => ({
    rule: 'engagement:contract_changed',
    sentence: `the contract of ${service} has changed since this connection came`,
    next: 'ask again on another connection',
  }),
  unkept: (why: string): EngagementRefusal => ({
    rule: 'engagement:not_recorded',
    sentence: `the engagement cannot be recorded: ${why}`,
    next: 'free some space or mend the state directory of the engine',
  }),
};
