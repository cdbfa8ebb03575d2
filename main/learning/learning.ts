/** The room's door: contracts learnt from records, and files of contracts held against them. */
import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { ReplayView, SimulateView } from '../api/learning-views.ts';
import { parse } from 'yaml';
import { TunnelerError } from '../base/errors.ts';
import { parseEngagement, type EngagementContract } from '../base/engagement.ts';
import { compileGlob } from '../base/glob.ts';
import { ContractBook, type LocalContract } from '../policy/contract-book.ts';
import { parseContractFile } from '../policy/local/contract-file.ts';
import { cedarRules } from '../policy/local/cedar-rules.ts';
import { readPolicyFiles } from '../policy/local/policy-files.ts';
import { noLocalRules } from '../policy/local/rules.ts';
import { learn, type Learnt } from './learn.ts';
import { replay } from './replay.ts';
import { parseCredentials, readNetwork } from './management.ts';
import { changeNetwork, parseNetworkChange, type Unmatched } from './network-change.ts';
import type { Network } from './network-model.ts';
import { seenIn, type JournalRecord } from './seen.ts';
import { simulate, type LocalPolicy } from './simulate.ts';
import { toldNetworks, withOwn, type ToldOfNetworks } from './told-network.ts';

/** `contract`: the one in force, if the engine was asked; else the newest that a session of the record stood under. */
export function learnContract(request: {
  readonly records: readonly JournalRecord[];
  readonly service: string;
  readonly contract?: unknown;
}): Learnt {
  const { records, service } = request;
  const seen = seenIn(records, service);
  if (seen.sessions.length === 0 && seen.calls.length === 0) {
    throw new TunnelerError('base.invalid', `the record has nothing of ${service} in that time`, {
      details: {
        next: `look further back with --since, or see what there is: culvert audit search --service ${service}`,
      },
    });
  }
  const recorded = seen.sessions.findLast((session) => session.contract !== undefined)?.contract;
  return learn(seen, contractBefore(request.contract ?? recorded, service));
}

/** One of an older or newer Culvert may not be understood here: then nothing is taken over from it. */
function contractBefore(raw: unknown, service: string): EngagementContract | undefined {
  return raw === undefined ? undefined : parseEngagement(raw, service);
}

/** `text` of `file`: contracts as in `policy.d`, or one contract alone, which then is `service`'s. Throws `contract.invalid`. */
export function replayContracts(request: {
  readonly file: string;
  readonly text: string;
  readonly records: readonly JournalRecord[];
  readonly service?: string;
}): ReplayView {
  const { records, service } = request;
  const book = new ContractBook(contractsIn(request));
  return replay(seenIn(records, service), (name) => book.inForce({ name, configs: {} }));
}

/**
 * What a change at the controller, and other local rules, would allow and cut. Throws `base.invalid` and `contract.invalid`; with `management` what
 * asking the controller throws.
 */
export async function simulateChange(request: {
  readonly told: ToldOfNetworks;
  readonly records: readonly JournalRecord[];
  readonly nowMs: number;
  readonly rulesNow: string;
  /** Absent: those of now. */
  readonly rulesThen?: string;
  readonly change?: { readonly file: string; readonly text: string };
  readonly management?: { readonly file: string; readonly text: string };
  readonly service?: string;
}): Promise<SimulateView> {
  const { told, change, management, service, nowMs } = request;
  const parsed = change === undefined ? undefined : parseNetworkChange(change.file, change.text, service);
  const now = await rulesIn(request.rulesNow, 'now');
  const then = request.rulesThen === undefined ? now : await rulesGiven(request.rulesThen);
  const seen = seenIn(request.records, service);
  const networks = await networksOf(told, management);
  const unmatched: (readonly Unmatched[])[] = [];
  const views = networks.map((network) => {
    const changed = parsed === undefined ? { network, unknown: [], unmatched: [] } : changeNetwork(network, parsed);
    const isThere = service === undefined || network.services.some(({ name }) => name === service);
    unmatched.push([...(isThere ? [] : [{ what: 'service', name: service } as const]), ...changed.unmatched]);
    const after = { network: changed.network, policy: then };
    return simulate({ network, policy: now }, after, seen, nowMs, changed.unknown, service);
  });
  const rows = views.flatMap((view) => view.rows);
  return {
    identities: management === undefined ? 'own' : 'all',
    cut: views.reduce((sum, view) => sum + view.cut, 0),
    letIn: views.reduce((sum, view) => sum + view.letIn, 0),
    rows,
    unknown: views.flatMap((view) => view.unknown),
    unmatched: inNone(unmatched),
  };
}

/** What no network has: a name of one controller's network is none of another's. */
function inNone([first = [], ...others]: readonly (readonly Unmatched[])[]): readonly Unmatched[] {
  const keyOf = ({ what, name }: Unmatched): string => JSON.stringify([what, name]);
  const common = first.filter((one) => others.every((list) => list.some((other) => keyOf(other) === keyOf(one))));
  return [...new Map(common.map((one) => [keyOf(one), one])).values()];
}

/** Those of a directory that somebody named: where there is none, nothing would be known to be allowed by it. */
async function rulesGiven(directory: string): Promise<LocalPolicy> {
  const found = await stat(directory).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    const what = found === undefined ? 'there is no directory' : 'no directory, but a file, is';
    throw new TunnelerError('base.invalid', `${what} ${directory}`, {
      details: { directory, next: 'give --rules a directory of rules such as policy.d; an empty one has none' },
    });
  }
  return rulesIn(directory, 'then');
}

/** With an administrator's word the one network that he speaks of, else each that this device has identities of. */
async function networksOf(
  told: ToldOfNetworks,
  management: { readonly file: string; readonly text: string } | undefined,
): Promise<readonly Network[]> {
  const known = toldNetworks(told);
  if (management === undefined) return [...known.values()];
  const credentials = parseCredentials(management.file, management.text);
  const own = [...known].find(([controller]) => new URL(controller).host === new URL(credentials.controller).host);
  const network = await readNetwork(credentials);
  return [own === undefined ? network : withOwn(network, own[1])];
}

/** What a directory holds, or an error that says where it is wrong. `when` tells sets apart that live at the same time. */
async function rulesIn(directory: string, when: 'now' | 'then'): Promise<LocalPolicy> {
  const { cedar, rules, contracts, problems } = await readPolicyFiles(directory);
  const [problem] = problems;
  if (problem !== undefined) {
    const { file, line, column, message } = problem;
    throw new TunnelerError('base.invalid', `${directory}/${file}:${line}:${column}: ${message}`);
  }
  const book = new ContractBook(contracts);
  const local =
    cedar === undefined || rules.length === 0
      ? noLocalRules
      : cedarRules(cedar, rules, { device: hostname(), setId: `simulated-${when}` });
  return { contractOf: (service) => book.inForce(service), ask: (question) => local.ask(question) };
}

function contractsIn({
  file,
  text,
  service,
}: {
  readonly file: string;
  readonly text: string;
  readonly service?: string;
}): readonly LocalContract[] {
  const alone = service === undefined ? undefined : contractAlone(text);
  if (alone !== undefined && service !== undefined) {
    return [{ origin: file, services: [compileGlob(service)], contract: parseEngagement(alone, service) }];
  }
  const { contracts, problems } = parseContractFile(file, text);
  const [problem] = problems;
  if (problem === undefined) return contracts;
  const { line, column, message } = problem;
  throw new TunnelerError('contract.invalid', `${file}:${line}:${column}: ${message}`, {
    details: { next: 'give a file of contracts as in policy.d, or one contract alone with --service' },
  });
}

/** Undefined where it is a file of contracts, or none. */
function contractAlone(text: string): object | undefined {
  try {
    const read: unknown = parse(text, { maxAliasCount: 20 });
    return typeof read === 'object' && read !== null && !('contracts' in read) ? read : undefined;
  } catch {
    // The parser of files says what is wrong with it, and where.
    return undefined;
  }
}
