/** What every sink of exported records keeps to, on its way through the journal. */
import { cpSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAudit, type Audit } from '../../main/audit/audit.ts';
import { openExporter, type Exporter } from '../../main/audit/export/exporter.ts';
import { journalSource } from '../../main/audit/export/journal-source.ts';
import type { ExportSink } from '../../main/audit/export/sink.ts';
import { systemClock } from '../../main/base/clock.ts';
import { DisposalStack } from '../../main/base/lifecycle.ts';
import { silentLog } from '../../main/base/log.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

/** Where a sink delivers to. */
export interface Collector extends AsyncDisposable {
  /** A new sink to it, as each start of the engine makes one. */
  sink(): ExportSink;
  /** Numbers of all records that came, in the order they came. */
  sequences(): Promise<readonly number[]>;
  /** From now on it takes nothing: `away` refuses, `silent` takes the connection and never answers. */
  fail(how: 'away' | 'silent'): Promise<void>;
  /** It is there again, with all it had. */
  recover(): Promise<void>;
}

/** @param canBeSilent false for what always answers at once, one way or the other. */
export function exportSinkConformance(
  name: string,
  makeCollector: () => Promise<Collector>,
  { canBeSilent }: { readonly canBeSilent: boolean },
): void {
  describe(`export to ${name}`, () => {
    let stateDirectory: string;
    let owned: DisposalStack;
    let collector: Collector;
    let audit: Audit;

    const start = (sink: ExportSink, directory = stateDirectory): Exporter => {
      const onRecord = (listener: () => void): Disposable => audit.subscribe(listener);
      const source = journalSource(directory, 'edge-7');
      return openExporter({ stateDirectory: directory, source, clock: systemClock, log: silentLog, onRecord }, sink);
    };
    const record = (count: number): void => {
      for (let n = 0; n < count; n += 1) audit.record({ kind: 'call', tool: `tool-${n}`, decision: 'deny' });
    };
    const upTo = (count: number): readonly number[] => [...Array(count).keys()].map((n) => n + 1);

    beforeEach(async () => {
      stateDirectory = temporaryDirectory('export');
      owned = new DisposalStack();
      collector = owned.use(await makeCollector());
      audit = owned.use(openAudit({ stateDirectory, clock: systemClock, log: silentLog }));
    });
    afterEach(() => owned[Symbol.asyncDispose]());

    it('brings each record once, in order, those written before and those that come', async () => {
      record(450);
      const exporter = owned.use(start(collector.sink()));
      await until(() => exporter.state().deliveredSeq === 450);
      record(30);
      await until(() => exporter.state().deliveredSeq === 480);
      await until(async () => (await collector.sequences()).length >= 480);
      expect(await collector.sequences()).toEqual(upTo(480));
    });

    it('goes on after a restart where it stopped, without a gap and without a double', async () => {
      const first = start(collector.sink());
      record(20);
      await until(() => first.state().deliveredSeq === 20);
      await first[Symbol.asyncDispose]();
      record(20);
      const second = owned.use(start(collector.sink()));
      await until(() => second.state().deliveredSeq === 40);
      await until(async () => (await collector.sequences()).length >= 40);
      expect(await collector.sequences()).toEqual(upTo(40));
    });

    it('brings again what it had no time to note, where the engine was killed, and leaves nothing out', async () => {
      const first = start(collector.sink());
      record(20);
      await until(() => first.state().deliveredSeq === 20);
      // As a kill leaves it: what was delivered next is not noted.
      const killed = temporaryDirectory('export');
      cpSync(stateDirectory, killed, { recursive: true });
      record(10);
      await until(() => first.state().deliveredSeq === 30);
      await first[Symbol.asyncDispose]();
      record(10);
      cpSync(`${stateDirectory}/audit`, `${killed}/audit`, { recursive: true });
      const second = owned.use(start(collector.sink(), killed));
      await until(() => second.state().deliveredSeq === 40);
      await until(async () => (await collector.sequences()).length >= 50);
      const came = await collector.sequences();
      expect(came).toEqual([...upTo(30), ...upTo(40).slice(20)]);
    });

    it('that is away holds up nobody: records wait in the journal, the trouble is told, and all of them come once it is back', async () => {
      const exporter = owned.use(start(collector.sink()));
      const other = new KeptInMemory();
      const beside = owned.use(start(other));
      record(10);
      await until(() => exporter.state().deliveredSeq === 10);
      await collector.fail('away');
      record(300);
      expect(audit.head().count).toBe(310);
      await until(() => beside.state().deliveredSeq === 310);
      await until(() => exporter.state().error !== undefined);
      expect(exporter.state()).toMatchObject({ deliveredSeq: 10, error: { code: 'audit.export_failed' } });
      await collector.recover();
      await until(() => exporter.state().deliveredSeq === 310, 30_000);
      expect(exporter.state().error).toBeUndefined();
      await until(async () => (await collector.sequences()).length >= 310);
      expect(await collector.sequences()).toEqual(upTo(310));
      expect(other.sequences).toEqual(upTo(310));
    }, 45_000);

    it('can be closed while it is away, and again', async () => {
      await collector.fail('away');
      const exporter = start(collector.sink());
      record(10);
      await until(() => exporter.state().error !== undefined);
      await exporter[Symbol.asyncDispose]();
      await exporter[Symbol.asyncDispose]();
      expect(exporter.state().deliveredSeq).toBe(0);
    });

    if (!canBeSilent) return;
    it('that never answers is not waited for when the engine ends', async () => {
      await collector.fail('silent');
      const sink = new Watched(collector.sink());
      const exporter = start(sink);
      // More than the sockets' buffers take.
      for (let n = 0; n < 20; n += 1) audit.record({ kind: 'call', tool: 'x'.repeat(900_000) });
      await until(() => sink.isDelivering);
      const closed = exporter[Symbol.asyncDispose]().then(() => 'closed');
      // The protocols' own patience is ten seconds.
      const late = new Promise((resolve) => setTimeout(resolve, 5_000, 'late').unref());
      expect(await Promise.race([closed, late])).toBe('closed');
    });
  });
}

class KeptInMemory implements ExportSink {
  readonly name = 'memory';
  readonly sequences: number[] = [];

  deliver(records: Parameters<ExportSink['deliver']>[0]): Promise<void> {
    this.sequences.push(...records.map(({ record }) => record.seq));
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** The same sink, of which one knows that it is at work. */
class Watched implements ExportSink {
  isDelivering = false;
  readonly #sink: ExportSink;

  constructor(sink: ExportSink) {
    this.#sink = sink;
  }

  get name(): string {
    return this.#sink.name;
  }

  deliver(...args: Parameters<ExportSink['deliver']>): Promise<void> {
    this.isDelivering = true;
    return this.#sink.deliver(...args);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#sink[Symbol.asyncDispose]());
  }
}
