import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { defined } from '../../main/base/defined.ts';
import { parseEngagement, type EngagementContract } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardCall } from '../../main/guard/guard.ts';
import { createLedger } from '../../main/guard/ledger.ts';
import { replayCall } from '../../main/guard/recorded/recorded-call.ts';
import { learnContract, replayContracts } from '../../main/learning/learning.ts';
import type { JournalRecord } from '../../main/learning/seen.ts';
import { answer, context, GuardDriver, post, type Segment } from '../support/guard-driver.ts';
import { dnp3, enip, iec104, opcua, s7 } from '../support/floor-frames.ts';

const service = 'machine.dark';

/** What a guard under this contract makes of a conversation. */
const callsUnder = (terms: unknown, conversation: readonly Segment[]): readonly GuardCall[] => {
  const guard = createGuard(parseEngagement(terms, 'test'), context());
  if (guard === undefined) throw new Error('no guard');
  return new GuardDriver(guard).run(conversation).calls;
};

let seq = 0;
const at = (number: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, number)).toISOString();
/** As sessions record a call. */
const callRecord = (call: GuardCall): JournalRecord => {
  seq += 1;
  const { protocol, method, target, decision, startedAtMs } = call;
  return {
    ...{ seq, at: at(seq), kind: 'call', session: 'ses_1', service, identity: 'laptop', protocol, method, target },
    ...{ decision, startedAtMs, rule: call.rule ?? null },
    ...defined({ arguments: call.arguments, model: call.model, observed: call.observed }),
  };
};
const opened = (contract: unknown, more: object = {}): JournalRecord => {
  seq += 1;
  return {
    ...{ seq, at: at(seq), kind: 'session.opened', session: 'ses_1', service, identity: 'laptop', direction: 'dial' },
    ...{ app: '/usr/bin/hmi', agent: null, user: 'ada', attribution: 'exact', contract },
    ...more,
  };
};
const closed = (more: object = {}): JournalRecord => {
  seq += 1;
  const sizes = { durationMs: 90_000, bytesSent: 700, bytesReceived: 500 };
  return { seq, at: at(seq), kind: 'session.closed', session: 'ses_1', service, ...sizes, ...more };
};

const modbus = (transaction: number, pdu: readonly number[]): Uint8Array =>
  Uint8Array.of(0, transaction, 0, 0, 0, pdu.length + 1, 1, ...pdu);
const rpc = (id: number, method: string, params: unknown): string =>
  post(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
const told = (id: number): string => answer(JSON.stringify({ jsonrpc: '2.0', id, result: {} }));

interface Subject {
  readonly observing: Readonly<Record<string, unknown>>;
  readonly before?: readonly Segment[];
  readonly seen: readonly Segment[];
  /** Of the same kind, and never seen. */
  readonly other: Uint8Array | string;
  readonly learnt: unknown;
}

const app = (...frames: readonly (Uint8Array | string)[]): readonly Segment[] => frames.map((frame) => ['app', frame]);

const subjects: Readonly<Record<string, Subject>> = {
  mcp: {
    observing: { mcp: { allow: ['nothing'], deny: ['delete_*', 'drop_*'], recordArguments: true } },
    seen: [
      ['app', rpc(1, 'tools/call', { name: 'search', arguments: { q: 'x' } })],
      ['service', told(1)],
      ['app', rpc(2, 'tools/call', { name: 'delete_note', arguments: {} })],
      ['service', told(2)],
      ['app', rpc(3, 'resources/read', { uri: 'file:///a' })],
      ['service', told(3)],
    ],
    other: rpc(4, 'tools/call', { name: 'drop_table', arguments: {} }),
    learnt: {
      allow: [
        { kind: 'resource', tool: 'file:///a' },
        { kind: 'tool', tool: 'delete_note' },
        { kind: 'tool', tool: 'search' },
      ],
      deny: ['drop_*'],
      recordArguments: true,
    },
  },
  http: {
    observing: { http: { methods: [], models: ['none'] } },
    seen: [
      ['app', 'GET /api/b HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['service', answer('{}')],
      ['app', post('{"model":"gpt"}').replace('/mcp', '/v1/chat/completions')],
      ['service', answer('{}')],
    ],
    other: 'GET /api/c HTTP/1.1\r\nHost: a\r\n\r\n',
    learnt: { methods: ['GET', 'POST'], paths: ['/api/b', '/v1/chat/completions'], models: ['gpt'] },
  },
  modbus: {
    observing: { modbus: { allow: 'read', ranges: [] } },
    seen: app(
      modbus(1, [3, 0, 0, 0, 2]),
      modbus(2, [3, 0, 2, 0, 2]),
      modbus(3, [6, 0, 9, 0, 7]),
      modbus(4, [16, 0, 8, 0, 2, 4, 0, 3, 0, 12]),
      modbus(5, [1, 0, 0, 0, 8]),
    ),
    other: modbus(6, [6, 0, 9, 0, 13]),
    learnt: {
      allow: [1, 3, 6, 16],
      units: [1],
      read: [
        { table: 'coils', from: 0, to: 7, units: [1] },
        { table: 'holding', from: 0, to: 3, units: [1] },
      ],
      write: [{ table: 'holding', from: 8, to: 9, units: [1], min: 3, max: 12 }],
    },
  },
  s7: {
    observing: { s7: { allow: 'read', objects: [] } },
    before: app(s7.connect, s7.setup),
    seen: app(
      s7.job(1, [4, 1, ...s7.item(1, 0, 4)]),
      s7.job(2, [4, 2, ...s7.item(1, 4), ...s7.item(7, 9)]),
      s7.job(3, [5, 1, ...s7.item(1, 2)], [0, 4, 0, 8, 9]),
    ),
    other: s7.job(4, [4, 1, ...s7.item(1, 5)]),
    learnt: {
      allow: ['read-var', 'write-var'],
      objects: [
        { area: 'db', db: 1, from: 0, to: 4 },
        { area: 'db', db: 7, from: 9, to: 9 },
      ],
    },
  },
  enip: {
    observing: { enip: { allow: 'read', objects: ['NOTHING'] } },
    seen: app(
      enip.unconnected(enip.tag(0x4c, 'COUNTS', [1, 0]), 1),
      enip.unconnected(enip.tag(0x4d, 'SPEED', [0xc4, 0, 1, 0, 7, 0, 0, 0]), 2),
      enip.unconnected(enip.of(0x01, 1, 1), 3),
    ),
    other: enip.unconnected(enip.tag(0x4c, 'OTHER', [1, 0]), 4),
    learnt: {
      allow: ['get-attributes-all', 'read-tag', 'write-tag'],
      objects: ['COUNTS', 'SPEED', { class: 1, instance: 1 }],
    },
  },
  opcua: {
    observing: { opcua: { allow: 'read', objects: ['ns=9;*'] } },
    before: [
      ['app', opcua.hello],
      ['app', opcua.open('None', 1)],
      ['service', opcua.open('None', 1)],
    ],
    seen: app(opcua.message(2, 2, opcua.read(2, 'Speed', 'Level')), opcua.message(3, 3, opcua.write(3, 'Speed', 9))),
    other: opcua.message(4, 4, opcua.write(4, 'Other', 9)),
    learnt: { allow: ['Read', 'Write'], objects: ['ns=2;s=Level', 'ns=2;s=Speed'] },
  },
  iec104: {
    observing: { iec104: { allow: 'read', objects: [] } },
    before: app(iec104.start),
    seen: app(
      iec104.information(0, 0, iec104.asdu(100, 0, [0x14])),
      iec104.information(1, 0, iec104.asdu(45, 12, [1])),
      iec104.information(2, 0, iec104.asdu(45, 13, [1])),
    ),
    other: iec104.information(3, 0, iec104.asdu(45, 14, [1])),
    learnt: {
      allow: ['single-command', 'interrogation'],
      objects: [
        { commonAddress: 47, from: 0, to: 0 },
        { commonAddress: 47, from: 12, to: 13 },
      ],
    },
  },
  dnp3: {
    observing: { dnp3: { allow: 'read', objects: [] } },
    seen: app(
      dnp3.request(1, 1, [30, 2, 0, 0, 9]),
      dnp3.request(2, 5, [12, 1, 0x17, 1, 1, 3, 1, 100, 0, 0, 0, 100, 0, 0, 0, 0]),
      dnp3.request(3, 23),
    ),
    other: dnp3.request(4, 1, [30, 2, 0, 0, 10]),
    learnt: {
      allow: ['read', 'direct-operate', 'delay-measure'],
      objects: [
        { group: 12, from: 1, to: 1 },
        { group: 30, from: 0, to: 9 },
      ],
    },
  },
};

describe('a contract learnt from the record', () => {
  it.each(Object.keys(subjects))('covers what was seen of %s, and nothing else', (protocol) => {
    const { observing, before = [], seen, other, learnt } = subjects[protocol] as Subject;
    const observed = callsUnder({ ...observing, enforce: 'observe' }, [...before, ...seen]);
    expect(observed.filter((call) => call.observed !== undefined)).not.toEqual([]);
    const contract = { ...observing, enforce: 'observe', approval: { by: ['floor'], forSeconds: 60 } };
    const records = [opened(contract), ...observed.map(callRecord), closed()];
    const result = learnContract({ records: [...records].reverse(), service });
    expect((result.contract as Readonly<Record<string, unknown>>)[protocol]).toEqual(learnt);
    expect(learnContract({ records, service })).toEqual(result);
    // Everything else of the contract in force stays; observing does not.
    expect(result.contract).toMatchObject({ approval: { by: ['floor'] }, apps: { allow: ['/usr/bin/hmi'] } });
    expect(result.contract.enforce).toBeUndefined();

    const file = JSON.stringify({ contracts: [{ service, contract: result.contract }] });
    const replayed = replayContracts({ file: 'learnt.json', text: file, records });
    expect(replayed).toMatchObject({ refused: 0, rules: [], unknown: [], calls: observed.length, sessions: 1 });

    // Held by its guard: the same goes on, and what was never seen does not.
    const enforced = callsUnder(result.contract, [...before, ...seen, ['app', other]]);
    const judged = new Set(enforced.map((call) => `${call.method} ${call.target} ${call.decision}`));
    for (const { method, target } of observed) expect(judged).toContain(`${method} ${target} allow`);
    expect(enforced.filter((call) => call.decision === 'deny')).toHaveLength(1);
  });

  it.each(Object.keys(subjects))('and its replay judge %s as the guard does', (protocol) => {
    const { observing, before = [], seen, other, learnt } = subjects[protocol] as Subject;
    const all = callsUnder({ ...observing, enforce: 'observe' }, [...before, ...seen, ['app', other]]);
    for (const rules of [observing[protocol], learnt]) {
      const contract = parseEngagement({ [protocol]: rules }, 'test');
      const enforced = callsUnder(contract, [...before, ...seen, ['app', other]]);
      const ledger = createLedger();
      const replayed = all.map((call) =>
        replayCall(contract, { ...call, atMs: call.startedAtMs, account: 'a' }, ledger),
      );
      expect(replayed.map((one) => one.kind === 'refused')).toEqual(
        all.map(({ method, target, digest, arguments: given }) =>
          enforced.some(
            (one) =>
              one.decision === 'deny' &&
              one.method === method &&
              one.target === target &&
              one.digest === digest &&
              JSON.stringify(one.arguments) === JSON.stringify(given),
          ),
        ),
      );
      const rulesOf = (kind: readonly GuardCall[]): unknown[] =>
        kind.flatMap((one) => (one.decision === 'deny' ? [one.rule] : []));
      expect(replayed.flatMap((one) => (one.kind === 'refused' ? [one.rule] : [])).sort()).toEqual(
        rulesOf(enforced).sort(),
      );
    }
  });

  it('says what it doubles, and what the record does not hold', () => {
    const result = learnContract({ records: [opened(null), closed()], service });
    expect(result.contract).toEqual({ apps: { allow: ['/usr/bin/hmi'] }, maxDurationSeconds: 180, maxBytes: 2400 });
    expect(result.notes).toEqual([expect.stringContaining('2 times the longest (90 s) and largest (1200 bytes)')]);
    expect(result.changes).toEqual([
      { field: 'apps.allow', new: ['/usr/bin/hmi'] },
      { field: 'maxBytes', new: 2400 },
      { field: 'maxDurationSeconds', new: 180 },
    ]);
    const open = learnContract({ records: [opened(null, { attribution: 'unknown', app: null })], service });
    expect(open.contract).toEqual({});
    expect(open.notes).toEqual([
      expect.stringContaining('nobody could name'),
      expect.stringContaining('have not ended'),
    ]);
    expect(() => learnContract({ records: [], service })).toThrow(/nothing of machine.dark/);
  });

  it('leaves out a list that cannot let through what was seen', () => {
    // Identification touches no register, so no range of reads can hold it.
    const seen = callsUnder({ modbus: { allow: 'read' } }, app(modbus(1, [3, 0, 0, 0, 1]), modbus(2, [43, 14, 1, 0])));
    const { contract, notes } = learnContract({ records: seen.map(callRecord), service });
    expect(contract.modbus).toEqual({ allow: [3, '43/14'], units: [1] });
    expect(notes).toContainEqual(expect.stringContaining('modbus.read is left out'));
  });
});

describe('a replay', () => {
  const run = (terms: EngagementContract | object, records: readonly JournalRecord[]) =>
    replayContracts({ file: 'plc.yaml', text: JSON.stringify(terms), records, service });

  it('counts by rule, with examples, and leaves what was refused already', () => {
    const calls = callsUnder(
      { modbus: { allow: [3, 6] } },
      app(
        modbus(1, [3, 0, 0, 0, 1]),
        modbus(2, [6, 0, 0, 0, 9]),
        modbus(3, [6, 0, 1, 0, 9]),
        modbus(4, [5, 0, 0, 0, 0]),
      ),
    );
    const result = run({ modbus: { allow: 'read' }, maxBytes: 100 }, [
      opened(null),
      ...calls.map(callRecord),
      closed(),
    ]);
    expect(result).toMatchObject({
      ...{ calls: 3, deniedBefore: 1, sessions: 1, refused: 3 },
      rules: [
        { rule: 'contract:modbus.allow', count: 2, examples: [{ what: 'write-single-register unit 1 holding 0' }, {}] },
        { rule: 'contract:maxBytes', count: 1, examples: [{ what: 'session as laptop' }] },
      ],
    });
  });

  it('asks the decision itself about programs and times, and the guard about rates', () => {
    const records = [opened(null), opened(null, { session: 'ses_2', app: '/usr/bin/curl' }), closed()];
    const rules = (terms: object): unknown => run(terms, records).rules.map(({ rule, count }) => [rule, count]);
    expect(rules({ apps: { allow: ['*/hmi'] } })).toEqual([['contract:apps.allow', 1]]);
    expect(rules({ maxSessions: 1 })).toEqual([['contract:maxSessions', 1]]);
    expect(rules({ schedule: { timezone: 'UTC', windows: [{ from: '08:00', to: '09:00' }] } })).toEqual([
      ['contract:schedule', 2],
    ]);
    const writes = callsUnder(
      { modbus: { allow: 'write' } },
      app(modbus(1, [6, 0, 0, 0, 9]), modbus(2, [6, 0, 0, 0, 9])),
    );
    const rate = { table: 'holding', from: 0, to: 9, rate: { writes: 1, perSeconds: 60 } };
    expect(run({ modbus: { allow: 'write', write: [rate] } }, writes.map(callRecord)).rules).toMatchObject([
      { rule: 'contract:modbus.write.rate', count: 1 },
    ]);
  });

  it('says where the record does not say enough', () => {
    const calls = callsUnder({ mcp: {} }, [
      ['app', rpc(1, 'tools/call', { name: 'search', arguments: { q: 'x' } })],
      ['service', told(1)],
    ]);
    const rules = { mcp: { allow: [{ tool: 'search', arguments: { q: { maxLength: 3 } } }] } };
    expect(run(rules, calls.map(callRecord))).toMatchObject({
      refused: 0,
      unknown: [{ why: 'arguments of search are not recorded (mcp.recordArguments)', count: 1 }],
    });
    expect(run({ s7: { allow: 'read' } }, calls.map(callRecord)).unknown).toMatchObject([{ count: 1 }]);
  });

  it('takes files of contracts and one contract alone, and names what is wrong with either', () => {
    const file = 'contracts:\n  - service: machine.*\n    contract: { maxBytes: 1 }\n';
    expect(replayContracts({ file: 'a.yaml', text: file, records: [opened(null), closed()] }).refused).toBe(1);
    expect(parse(file)).toHaveProperty('contracts');
    expect(() =>
      replayContracts({ file: 'a.yaml', text: 'contracts: [{ service: a, contract: { x: 1 } }]', records: [] }),
    ).toThrow(/a.yaml:1:\d+: .*x/);
    expect(() => run({ maxByte: 1 }, [])).toThrow(/maxByte/);
  });
});
