/** Pinned definitions on disk: written whole, read strictly. */
import { join } from 'node:path';
import * as v from 'valibot';
import type { Log } from '../../base/log.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { readKept, writeKept } from '../runtime/kept-file.ts';
import { PinStore } from './tool-pins.ts';

const definition = v.object({
  text: v.string(),
  hash: v.string(),
  flags: v.array(
    v.object({
      kind: v.picklist(['hidden-characters', 'instruction', 'other-tool']),
      place: v.string(),
      found: v.string(),
    }),
  ),
});
const file = v.object({
  version: v.literal(1),
  services: v.record(
    v.string(),
    v.object({
      complete: v.boolean(),
      tools: v.record(
        v.string(),
        v.object({ accepted: v.exactOptional(definition), pending: v.exactOptional(definition) }),
      ),
    }),
  ),
});
const words = { unknown: 'which tools were accepted', removing: 'takes all tools as they are now' };

/** Where pins are kept and recorded. */
export interface PinsDeps {
  readonly stateDirectory: string;
  readonly audit: AuditWriter;
  readonly log: Log;
}

/**
 * The pins of this state directory. A damaged file throws `engine.state_unusable`: forgetting it would take whatever a service says next for
 * what it said first.
 */
export function openPins({ stateDirectory, audit, log }: PinsDeps): PinStore {
  const path = join(stateDirectory, 'mcp-pins.json');
  return new PinStore({
    kept: readKept(path, file, words)?.services ?? {},
    save(services) {
      try {
        writeKept(path, { version: 1, services });
      } catch (error) {
        // They hold all the same for as long as this engine lives.
        log.error('mcp.pins_not_written', { error });
      }
    },
    record: (event) => audit.recordOrLog(event),
  });
}
