/** Local rules over calls in their context, as the engine puts it together: the shipped example, over guards and sessions as they are. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { App } from '../../main/apps/app.ts';
import { parseEngagement, type EngagementContract } from '../../main/base/engagement.ts';
import { silentLog } from '../../main/base/log.ts';
import { RecentUse } from '../../main/engine/admission/facts.ts';
import { guardsFor, type GuardsDeps } from '../../main/engine/admission/guards.ts';
import { CallHistories } from '../../main/guard/data/history.ts';
import { KeptSecrets } from '../../main/guard/data/kept-secrets.ts';
import { createLedger } from '../../main/guard/ledger.ts';
import { Approvals } from '../../main/policy/approvals.ts';
import { RiskScores } from '../../main/policy/detectors/risk.ts';
import { checkPolicies } from '../../main/policy/local/policy-files.ts';
import { AgentEndpoints } from '../../main/guard/a2a/endpoints.ts';
import { narrowContracts } from '../../main/policy/narrow.ts';
import { openPolicy, type Policy } from '../../main/policy/policy.ts';
import type { SessionFacts } from '../../main/session/sessions.ts';
import { priceBook } from '../../main/guard/http/prices.ts';
import { GuardDriver } from '../support/guard-driver.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { curl, facts, machine } from '../support/policy-world.ts';

const claude: App = { ...curl, agent: 'claude' };
/** A Thursday. */
const noonMs = Date.UTC(2026, 0, 1, 12);

let dir: string;
let policy: Policy;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'culvert-calls-'));
  await cp('resources/policy', dir, { recursive: true });
  policy = await openPolicy({ dir, device: 'box', timezone: 'UTC', log: silentLog });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** An engine's way from a session to its guard, with a person who answers when asked. */
class World {
  nowMs = noonMs;
  risk = 0;
  readonly approvals: Approvals;
  readonly #clock = new ManualClock();
  readonly #histories = new CallHistories(() => this.#clock.monotonic());
  readonly #ledger = createLedger();

  constructor() {
    this.approvals = new Approvals({
      clock: this.#clock,
      sinceBootMs: () => this.#clock.monotonic(),
      newId: () => 'apr_1',
    });
  }

  /** A session of a program with a service, under the contract that the files give it. */
  async session(service: string, more: Partial<SessionFacts> = {}, terms: unknown = { mcp: {} }): Promise<GuardDriver> {
    const session = { ...aSession, service, serviceId: `id-${service}`, ...more };
    const local = policy.contractOf({ name: service, configs: {} });
    const given = parseEngagement(terms, service);
    const contract: EngagementContract = local.kind === 'set' ? narrowContracts(given, local.contract) : given;
    const guard = guardsFor(this.#deps())(contract, session, 'ses_1');
    if (guard === undefined) throw new Error('no guard');
    const driver = new GuardDriver(guard);
    driver.nowMs = this.nowMs;
    await import('../../main/guard/data/detectors.ts');
    await settled();
    return driver;
  }

  #deps(): GuardsDeps {
    return {
      policy,
      ledger: this.#ledger,
      prices: priceBook([]),
      checkModelKey: () => ({ kind: 'refused', why: 'none here' }),
      pins: { of: () => ({ listed: () => new Map(), holds: () => undefined }) },
      engagement: () => undefined,
      endpoints: { of: () => new AgentEndpoints() },
      facts: () => facts({ laptop: machine }, { nowMs: this.nowMs }),
      recentCalls: new RecentUse(this.#clock),
      idOf: (identity) => identity,
      workgroupsOf: () => [],
      approvals: this.approvals,
      histories: this.#histories,
      keptSecrets: new KeptSecrets(),
      riskOf: () => this.risk,
    };
  }
}

const aSession: SessionFacts = {
  service: 'mail',
  serviceId: 'id-mail',
  identity: 'laptop',
  direction: 'dial',
  entry: 'socks5',
  app: claude,
  protocol: 'tcp',
  source: '127.0.0.1:5000',
  destination: 'mail.dark:80',
  encrypted: true,
  router: undefined,
  decision: { code: 'policy.local.forbidden', sentence: 'test' },
  contract: undefined,
};

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
let id = 0;
function send(driver: GuardDriver, name: string, args: unknown = {}): void {
  id += 1;
  driver.app(`${JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } })}\n`);
}

/** Call, and answer it where it went on. What the application was told. */
async function call(
  driver: GuardDriver,
  name: string,
  args: unknown = {},
): Promise<{ readonly error?: { readonly data?: unknown } }> {
  send(driver, name, args);
  await settled();
  if (driver.takeService() !== '')
    driver.service(`${JSON.stringify({ jsonrpc: '2.0', id, result: { content: [] } })}\n`);
  return JSON.parse(driver.takeApp()) as { error?: { data?: unknown } };
}
const refusedBy = (rule: string): object => ({ error: { data: { rule: `local:${rule}` } } });
const passed = { result: { content: [] } };

describe('the shipped rules over calls', () => {
  it('are held to the vocabulary by policy check', async () => {
    expect(await checkPolicies(dir)).toMatchObject({ ok: true, files: 2, rules: 8 });
  });

  it('let no mail out after classified records were read, by whichever session, and say so in the record', async () => {
    const world = new World();
    const [records, mail] = [await world.session('records'), await world.session('mail')];
    const letter = { to: 'ada@example.org', text: 'hello' };
    expect(await call(mail, 'send_mail', letter)).toMatchObject(passed);
    expect(await call(records, 'search', {})).toMatchObject(passed);
    expect(await call(mail, 'send_mail', letter)).toMatchObject(passed);
    expect(await call(records, 'read_record', { id: 7 })).toMatchObject(passed);
    expect(await call(mail, 'send_mail', letter)).toMatchObject(refusedBy('no-mail-after-classified'));
    const later = await world.session('mail');
    expect(await call(later, 'send_mail', letter)).toMatchObject(refusedBy('no-mail-after-classified'));
    expect(later.outcome.calls).toMatchObject([
      {
        target: 'send_mail',
        decision: 'deny',
        rule: 'local:no-mail-after-classified',
        reason: 'claude may not call send_mail: what was read as classified does not leave by mail',
        data: [{ class: 'email', in: 'arguments', count: 1, places: ['$.arguments.to'] }],
      },
    ]);
    // Who read nothing may.
    const other = await world.session('mail', { app: { ...curl, agent: 'codex' } });
    expect(await call(other, 'send_mail', letter)).toMatchObject(passed);
  });

  it('keep mail with data in it within a domain, in whatever spelling the argument comes', async () => {
    const mail = await new World().session('mail');
    const text = 'ask bob@example.net';
    expect(await call(mail, 'send_mail', { to: 'x@example.org', text })).toMatchObject(passed);
    expect(await call(mail, 'send_mail', { To: 'x@example.org', text })).toMatchObject(passed);
    for (const to of ['x@example.com', ['x@example.org'], undefined, '']) {
      expect(await call(mail, 'send_mail', { to, text })).toMatchObject(refusedBy('no-data-to-strangers'));
    }
    expect(await call(mail, 'send_mail', { to: 'anybody', text: 'no data' })).toMatchObject(passed);
  });

  it('refuse what they cannot judge: more arguments than are told', async () => {
    const mail = await new World().session('mail');
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`a${index}`, 1]));
    expect(await call(mail, 'send_mail', many)).toMatchObject({ error: { data: { rule: 'local' } } });
    expect(await call(mail, 'send_mail', { to: 'x'.repeat(1_025) })).toMatchObject({
      error: { data: { rule: 'local' } },
    });
    expect(mail.outcome.calls[0]?.reason).toContain('too many or too long');
  });

  it('ask for a person where they say so, and see that one has said yes', async () => {
    const world = new World();
    const bank = await world.session('bank');
    expect(await call(bank, 'transfer_money')).toMatchObject(refusedBy('transfers-are-approved'));
    const asking = await world.session('bank', {}, { mcp: { ask: ['transfer_*'] } });
    send(asking, 'transfer_money');
    expect(asking.takeService()).toBe('');
    world.approvals.answer('apr_1', { grant: true, by: 'alice' });
    await settled();
    expect(asking.takeService()).toContain('transfer_money');
    // Nobody is bothered for what is refused anyway.
    const odd = await world.session('bank', {}, { mcp: { ask: ['*'] } });
    world.risk = 50;
    expect(await call(odd, 'close_account')).toMatchObject(refusedBy('odd-agents-only-read'));
    expect(world.approvals.list().filter(({ state }) => state === 'pending')).toEqual([]);
  });

  it('look again once a person has said yes: what was read meanwhile counts', async () => {
    const world = new World();
    const asking = await world.session('mail', {}, { mcp: { ask: ['send_*'] } });
    const records = await world.session('records');
    send(asking, 'send_mail', { to: 'x@example.org' });
    await call(records, 'read_record');
    world.approvals.answer('apr_1', { grant: true, by: 'alice' });
    await settled();
    expect(asking.takeService()).toBe('');
    expect(asking.outcome.calls).toMatchObject([{ decision: 'deny', rule: 'local:no-mail-after-classified' }]);
  });

  it('see what detectors found of a program', async () => {
    const world = new World();
    const files = await world.session('files');
    expect(await call(files, 'write_file')).toMatchObject(passed);
    world.risk = 50;
    expect(await call(files, 'write_file')).toMatchObject(refusedBy('odd-agents-only-read'));
    expect(await call(files, 'read_file')).toMatchObject(passed);
    const person = await world.session('files', { app: curl });
    expect(await call(person, 'write_file')).toMatchObject(passed);
  });

  it('count the calls of an agent, over its sessions', async () => {
    const world = new World();
    const files = await world.session('files');
    for (let calls = 0; calls < 500; calls += 1) await call(files, 'read_file');
    const again = await world.session('other');
    expect(await call(again, 'read_file')).toMatchObject(refusedBy('a-task-has-an-end'));
  });

  it('see the hour, and what was called before', async () => {
    const world = new World();
    const ci = await world.session('ci');
    expect(await call(ci, 'deploy')).toMatchObject(refusedBy('deploys-by-day-after-tests'));
    expect(await call(ci, 'run_tests')).toMatchObject(passed);
    expect(await call(ci, 'deploy')).toMatchObject(passed);
    world.nowMs += 5 * 3_600_000;
    expect(await call(ci, 'deploy')).toMatchObject(refusedBy('deploys-by-day-after-tests'));
  });
});

describe('rules over calls', () => {
  it.each([
    ['context.calledBefore.isEmpty()', ['refused', 'passed']],
    ['context.calledBefore.containsAll(["a"])', ['passed', 'refused']],
    ['context.calledBefore.contains(resource.name)', ['passed', 'refused']],
    ['!context.calledBefore.contains("a")', ['refused', 'passed']],
    ['context.arguments.hasTag(resource.name)', ['refused', 'refused']],
  ])('are told all that they ask for: %s', async (when, expected) => {
    const scope = 'principal, action == Action::"callTool", resource == Tool::"b"';
    await writeFile(join(dir, 'more.cedar'), `forbid(${scope}) when { ${when} };`);
    expect((await policy.reload()).problems).toEqual([]);
    const tools = await new World().session('tools');
    const first = await call(tools, 'b', { b: 1 });
    await call(tools, 'a');
    const second = await call(tools, 'b', { b: 1 });
    expect([first, second].map(({ error }) => (error === undefined ? 'passed' : 'refused'))).toEqual(expected);
  });

  it('stand in the record where they permit', async () => {
    await writeFile(
      join(dir, 'only.cedar'),
      '@id("agents") permit(principal is Agent, action == Action::"callTool", resource);',
    );
    await policy.reload();
    const files = await new World().session('files', {}, { mcp: { allow: ['read_*'] } });
    await call(files, 'read_file');
    expect(files.outcome.calls).toMatchObject([
      { decision: 'allow', rule: 'contract:mcp.allow read_* + local:agents' },
    ]);
  });

  it.each([
    ['a misspelt attribute', 'action == Action::"callTool"', 'context.dataClass.contains("email")', 'dataClass'],
    ['what a dial has not', 'action', 'context.risk > 1', 'risk'],
    [
      'an argument that may not be there',
      'action == Action::"callTool"',
      'context.arguments.getTag("to") == "x"',
      'to',
    ],
  ])('are refused by policy check for %s', async (_what, action, when, named) => {
    await writeFile(join(dir, 'wrong.cedar'), `forbid(principal, ${action}, resource) when { ${when} };`);
    const { ok, errors } = await checkPolicies(dir);
    expect(ok).toBe(false);
    expect(errors.map(({ file, message }) => `${file} ${message}`).join('\n')).toMatch(
      new RegExp(`wrong.cedar.*${named}`),
    );
  });
});

describe('the risk score', () => {
  it('grows with what is found and halves with time', () => {
    const risks = new RiskScores();
    expect(risks.of('claude', 0)).toBe(0);
    risks.note('claude', 'warning', 0);
    risks.note('claude', 'critical', 0);
    expect(risks.of('claude', 0)).toBe(75);
    risks.note('claude', 'critical', 0);
    expect(risks.of('claude', 0)).toBe(100);
    expect(risks.of('claude', 10 * 60_000)).toBe(50);
    expect(risks.of('codex', 0)).toBe(0);
  });
});
