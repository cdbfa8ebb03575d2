/**
 * The room's door: holds the rules in force and decides by them.
 *
 * Local files are taken as a whole or not at all. Files that cannot be used leave the last good set in force; where there is none yet,
 * everything is refused until they can be read (fails closed).
 */
import type { App } from '../apps/app.ts';
import { defined } from '../base/defined.ts';
import type { Log } from '../base/log.ts';
import type { Match } from '../intercept/match.ts';
import { chooseMatches, type IdentityRules } from './choose-match.ts';
import { ContractBook, type ContractInForce } from './contract-book.ts';
import { decideFlow, type PolicyRules } from './decide.ts';
import { cedarRules, type LocalRule } from './local/cedar-rules.ts';
import type { PolicyProblem } from './local/cedar-file.ts';
import { readPolicyFiles, type PolicyFiles } from './local/policy-files.ts';
import type { AuthorizationRequest } from './local/questions.ts';
import { noLocalRules, unreadableRules, type LocalAnswer, type LocalRules } from './local/rules.ts';
import type { DecideFlow, DecisionFacts } from './verdict.ts';

/** Where local rules stand, and what they know of this device. */
export interface PolicyDeps {
  /** `policy.d`; it need not exist. */
  readonly dir: string;
  /** Host name, as rules name this device. */
  readonly device: string;
  /** IANA zone of `hour` and `weekday` in rules; default the host's. */
  readonly timezone?: string;
  readonly log: Log;
}

/** What a reading of `policy.d` found; with problems the set in force stays as it was. */
export interface PolicyReload {
  readonly ok: boolean;
  readonly files: number;
  readonly rules: number;
  readonly problems: readonly PolicyProblem[];
}

/** The rules in force, and the decisions made by them. */
export interface Policy {
  readonly decide: DecideFlow;
  /** Of these identities those that this program may dial as, whatever they claim. */
  lentTo(app: App, identities: readonly string[], facts: Pick<DecisionFacts, 'identity'>): readonly string[];
  /** Ask local rules of a hosted dial or of one call within a session. */
  ask(question: AuthorizationRequest): LocalAnswer;
  /** The contract in force for a service now, for views. */
  contractOf(service: Pick<Match['service'], 'name' | 'configs'>): ContractInForce;
  /** Who dials as whom, from now on. */
  replaceIdentityRules(rules: IdentityRules): void;
  /** Read `policy.d` again; in force at once where all of it can be used. Never throws. */
  reload(): Promise<PolicyReload>;
  /** Rules in force, and what was wrong at the last reading. */
  rules(): readonly LocalRule[];
  problems(): readonly PolicyProblem[];
}

/** Read the local files and make the door. Never throws for what stands in them. */
export async function openPolicy(deps: PolicyDeps): Promise<Policy> {
  let identities: IdentityRules = { agents: [], unbound: 'device' };
  let inForce: { readonly rules: readonly LocalRule[]; readonly policy: PolicyRules } | undefined;
  let unreadable: PolicyRules | undefined;
  let problems: readonly PolicyProblem[] = [];
  let sets = 0;

  const current = (): PolicyRules => {
    const policy = inForce?.policy ?? unreadable;
    if (policy === undefined) throw new Error('asked before the first reading');
    return policy;
  };

  const localRules = (files: PolicyFiles): LocalRules => {
    if (files.cedar === undefined || files.rules.length === 0) return noLocalRules;
    // Two names in turn: the set in force stays whole while the next one is parsed.
    sets += 1;
    const zone = defined({ timezone: deps.timezone });
    return cedarRules(files.cedar, files.rules, { device: deps.device, setId: `culvert-${sets % 2}`, ...zone });
  };

  const policy: Policy = {
    decide: (flow, app, matches, facts) => decideFlow(flow, app, matches, facts, { ...current(), ...identities }),
    lentTo(app, names, facts) {
      const claims = names.map((identity) => ({ identity }));
      const choice = chooseMatches(app, claims, facts, identities);
      return choice.kind === 'eligible' ? choice.matches.map(({ identity }) => identity) : [];
    },
    ask: (question) => current().local.ask(question),
    contractOf: (service) => current().contracts.inForce(service),
    replaceIdentityRules(rules) {
      identities = rules;
    },
    async reload() {
      const files = await readPolicyFiles(deps.dir);
      problems = files.problems;
      if (problems.length === 0) {
        const contracts = new ContractBook(files.contracts);
        inForce = { rules: files.rules, policy: { ...identities, contracts, local: localRules(files) } };
      } else {
        const [first] = problems;
        const why = first === undefined ? '' : `${first.file}:${first.line}: ${first.message}`;
        unreadable = { ...identities, contracts: new ContractBook([]), local: unreadableRules(why) };
        deps.log.error('policy.files_unusable', { problems: problems.length, kept: inForce !== undefined, first: why });
      }
      return {
        ok: problems.length === 0,
        files: files.files.length,
        rules: files.rules.length + files.contracts.length,
        problems,
      };
    },
    rules: () => inForce?.rules ?? [],
    problems: () => problems,
  };
  await policy.reload();
  return policy;
}
