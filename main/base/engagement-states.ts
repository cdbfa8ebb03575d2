/** Where an engagement between agents may stand, in Agora's words; both ends say these and no others. */

/** `accepting`: agreed on, and nothing said yet. Time counts from `active` on. `closing` is a step that is recorded, and none to stay in. */
export const engagementStates = ['proposed', 'accepting', 'active', 'closing', 'closed'] as const;

/** One of {@link engagementStates}. */
export type EngagementState = (typeof engagementStates)[number];

/** Is it one? */
export function isEngagementState(text: unknown): text is EngagementState {
  return engagementStates.some((state) => state === text);
}
