/** Roles of policies: `#all`, `#attribute`, `@id` (openziti/ziti: controller/models and controller/db role evaluation). */

/** Whether one attribute among a policy's roles suffices, or every one is needed. */
export type Semantic = 'AnyOf' | 'AllOf';

/** What roles can select: by its id, or by an attribute. */
export interface Rolled {
  readonly id: string;
  readonly roleAttributes: readonly string[];
}

/**
 * True where `roles` select `entity`. An `@id` selects by itself; of attributes `AnyOf` wants one and `AllOf` every one.
 */
export function rolesSelect(roles: readonly string[], semantic: Semantic, entity: Rolled): boolean {
  if (roles.includes('#all') || roles.includes(`@${entity.id}`)) return true;
  const attributes = roles.filter((role) => role.startsWith('#')).map((role) => role.slice(1));
  if (attributes.length === 0) return false;
  return semantic === 'AllOf'
    ? attributes.every((attribute) => entity.roleAttributes.includes(attribute))
    : attributes.some((attribute) => entity.roleAttributes.includes(attribute));
}
