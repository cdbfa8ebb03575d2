/** Pinned definitions on disk: written whole, read strictly. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { PinStore, type KeptPins } from './tool-pins.ts';

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
    kept: read(path),
    save(services) {
      try {
        writeFileSync(`${path}.tmp`, JSON.stringify({ version: 1, services }), { mode: 0o600, flush: true });
        renameSync(`${path}.tmp`, path);
      } catch (error) {
        // They hold all the same for as long as this engine lives.
        log.error('mcp.pins_not_written', { error });
      }
    },
    record(event) {
      try {
        audit.record(event);
      } catch (error) {
        log.error('mcp.pins_not_recorded', { error });
      }
    },
  });
}

function read(path: string): KeptPins {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw unusable(path, error);
  }
  try {
    return v.parse(file, JSON.parse(text)).services;
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): TunnelerError {
  return new TunnelerError('engine.state_unusable', `${path} cannot be read: ${(error as Error).message}`, {
    cause: error,
    details: { path, next: 'put a copy in its place, or remove it to have all tools taken as they are now' },
  });
}
