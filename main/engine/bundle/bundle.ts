/** `culvert bundle`: all that those who help need to know, and nothing that they must not. Of a running engine, or of its directory alone. */
import { basename, join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import type { Clock } from '../../base/clock.ts';
import type { EngineState } from '../../api/state.ts';
import type { IdentityView, SettingsView } from '../../api/views.ts';
import { readIfThere } from '../../files/read-if-there.ts';
import { checkPolicies } from '../../policy/local/policy-files.ts';
import { policyDirectory } from '../runtime/config.ts';
import { lastSettingsFile } from '../runtime/lineage-record.ts';
import { attempt, directoryDocuments, logFileTail } from './directory-documents.ts';
import type { Redaction } from './redactor.ts';
import { zipBundle, type Bundle, type BundleDocument } from './zip-bundle.ts';

export type { Bundle } from './zip-bundle.ts';
export type { Redaction } from './redactor.ts';

/** What a running engine puts into its bundle. */
export interface RunningBundleDeps {
  readonly stateDirectory: string;
  readonly version: string;
  readonly clock: Clock;
  readonly state: () => EngineState;
  readonly settings: () => SettingsView;
  /** Newest last. */
  readonly recentLog: () => readonly string[];
}

/** The bundle of a running engine. */
export async function bundleOfEngine(redaction: Redaction, deps: RunningBundleDeps): Promise<Bundle> {
  const { stateDirectory, version } = deps;
  const state = deps.state();
  const documents: BundleDocument[] = [
    ...(await directoryDocuments({ stateDirectory, version, redaction, running: true, nowMs: deps.clock.now() })),
    { name: 'status.json', value: state.status },
    { name: 'identities.json', value: Object.values(state.identities) },
    { name: 'services.json', value: Object.values(state.services) },
    { name: 'sessions.json', value: Object.values(state.sessions) },
    { name: 'routers.json', value: Object.values(state.routers) },
    { name: 'routes.json', value: state.status.routes },
    { name: 'dns.json', value: state.dns },
    { name: 'policy.json', value: state.policy },
    { name: 'agents.json', value: Object.values(state.agents) },
    { name: 'quarantine.json', value: Object.values(state.quarantine) },
    { name: 'alerts.json', value: state.alerts },
    { name: 'settings.json', value: deps.settings() },
    { name: 'log.jsonl', lines: deps.recentLog() },
  ];
  return zipBundle(documents, redaction);
}

/** What a state directory alone puts into a bundle. */
export interface OfflineBundleDeps {
  readonly stateDirectory: string;
  readonly version: string;
  readonly clock: Clock;
  readonly identities: () => Promise<readonly IdentityView[]>;
}

/** The bundle of a state directory whose engine is not running. Broken settings go in as what their reader said of them. */
export async function bundleOfDirectory(redaction: Redaction, deps: OfflineBundleDeps): Promise<Bundle> {
  const { stateDirectory, version } = deps;
  const file = await lastSettingsFile(stateDirectory);
  const settings = await attempt('settings.json', async () => ({ value: { config: await readSettings(file) } }));
  const rules = policyDirectory(stateDirectory, { policy: { directory: textIn(settings, 'policy', 'directory') } });
  const documents: BundleDocument[] = [
    ...(await directoryDocuments({ stateDirectory, version, redaction, running: false, nowMs: deps.clock.now() })),
    await attempt('identities.json', async () => ({ value: await deps.identities() })),
    await attempt('policy.json', async () => ({ value: await checkPolicies(rules) })),
    settings,
    await attempt('log.jsonl', async () => ({
      lines: await logFileTail(textIn(settings, 'log', 'file') ?? join(stateDirectory, 'culvert.log')),
    })),
  ];
  return zipBundle(documents, redaction);
}

/** Parsed, not checked: settings that the engine refuses are the ones worth seeing. */
async function readSettings(file: string): Promise<unknown> {
  const text = (await readIfThere(file)) ?? '';
  try {
    return parseYaml(text, { maxAliasCount: 50 }) as unknown;
  } catch (error) {
    // Only where it is wrong, for the lines around may hold a secret that no field name gives away.
    throw new Error(`${basename(file)}: ${(error as Error).message.split(':')[0] ?? 'not YAML'}`, { cause: error });
  }
}

/** A setting as it stands in the file, where it is a text. */
function textIn(settings: BundleDocument, section: string, field: string): string | undefined {
  const { config } = ('value' in settings ? settings.value : {}) as { config?: Record<string, unknown> | null };
  const found = (config?.[section] as Record<string, unknown> | null | undefined)?.[field];
  return typeof found === 'string' ? found : undefined;
}
