/** Messages pass through the front door as they are: what they hold is their ends' concern, and the guard's. */
import type { StandardSchemaV1 } from '@modelcontextprotocol/client';

/** The fields of a message, unread. */
export type Fields = Readonly<Record<string, unknown>>;

/** A schema that takes any object. Source: standardschema.dev, version 1. */
export const anything: StandardSchemaV1<unknown, Fields> = {
  '~standard': { version: 1, vendor: 'culvert', validate: (value) => ({ value: (value ?? {}) as Fields }) },
};
