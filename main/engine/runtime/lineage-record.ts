/**
 * `lineage.json` of a state directory: from below which agents every engine that served it was started. A coding agent that sets up an engine
 * for itself goes on commanding it; one that starts an engine over a person's does not.
 */
import { join } from 'node:path';
import * as v from 'valibot';
import { readJsonIfThere } from '../../files/read-if-there.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import { ownSettingsFile } from './state-directory.ts';

const record = v.object({
  version: v.literal(1),
  /** Rules by which those agents are recognised: `known:NAME`, `agents.NAME`. */
  within: v.array(v.string()),
  /** Where that engine had its settings from. */
  configFile: v.string(),
});

/** The agents below which engines of this directory were started. */
export type LineageRecord = Readonly<v.InferOutput<typeof record>>;

/** Where an engine keeps what it learnt of processes, for the next one and for verbs without one. */
export const keptLineageFile = (stateDirectory: string): string => join(stateDirectory, 'processes.json');

const fileOf = (stateDirectory: string): string => join(stateDirectory, 'lineage.json');

/** What is on record; undefined where no engine ever served the directory. A record that cannot be read names no agent: then all of them count. */
export async function readLineage(stateDirectory: string): Promise<LineageRecord | undefined> {
  try {
    const kept = await readJsonIfThere(fileOf(stateDirectory));
    return kept === undefined ? undefined : v.parse(record, kept);
  } catch {
    // Unreadable, damaged or another version's: fails closed, and is written anew by the next engine.
    return none(stateDirectory);
  }
}

/** The settings that the directory's engine last ran with; the directory's own where none ever served it. */
export async function lastSettingsFile(stateDirectory: string): Promise<string> {
  return (await readLineage(stateDirectory))?.configFile ?? ownSettingsFile(stateDirectory);
}

/** An engine started from below these agents begins to serve: what all engines so far had in common. */
export async function noteEngine(
  stateDirectory: string,
  agentsAbove: ReadonlySet<string>,
  configFile: string,
): Promise<ReadonlySet<string>> {
  const before = await readLineage(stateDirectory);
  const within = [...agentsAbove].filter((rule) => before === undefined || before.within.includes(rule));
  await writeAtomically(fileOf(stateDirectory), JSON.stringify({ version: 1, within, configFile }));
  return new Set(within);
}

function none(stateDirectory: string): LineageRecord {
  return { version: 1, within: [], configFile: ownSettingsFile(stateDirectory) };
}
