/** What the map costs a frame with 5,000 services: scripting and layout on the page's main thread, from a trace of Chromium's own. */
import type { Browser } from 'playwright-core';
import { openPage } from '../support/browser.ts';
import { busyState } from '../support/window/many.ts';
import { serveWindow, type ServedWindow } from '../support/window/served-window.ts';
import { median, quantile, table } from './figures.ts';

const services = 5_000;
const sessions = 60;
/** What is held to, at the 95th percentile. */
const limitMs = 8;
const watchedMs = 12_000;
/** As often as an engine tells of bytes. */
const toldMs = 100;

/** Of the trace event format: times and lengths in microseconds. */
interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly ts: number;
  readonly dur?: number;
  readonly pid: number;
  readonly tid: number;
  readonly args?: { readonly name?: string };
}

const scripting = new Set([
  'EvaluateScript',
  'EventDispatch',
  'FireAnimationFrame',
  'FireIdleCallback',
  'FunctionCall',
  'MajorGC',
  'MinorGC',
  'RunMicrotasks',
  'TimerFire',
]);
const layout = new Set(['Layout', 'UpdateLayoutTree']);

/** Bytes flow through {@link sessions} sessions, a session comes or goes each second, and the pointer moves from box to box. */
export async function measureMapFrames(browser: Browser, directories: readonly string[]): Promise<string> {
  const rows: string[][] = [];
  for (const [index, directory] of directories.entries()) {
    await using served = await serveWindow(directory, busyState(services, sessions));
    const frames = await framesOf(browser, served);
    const p95 = quantile(frames, 0.95);
    rows.push([
      index === 0 ? 'this window' : directory,
      String(frames.length),
      median(frames).toFixed(1),
      p95.toFixed(1),
      Math.max(...frames).toFixed(1),
      p95 <= limitMs ? 'kept' : 'NOT KEPT',
    ]);
  }
  const head = [
    `the map, ${services} services, ${sessions} sessions`,
    'frames',
    'script and layout ms, median',
    'p95',
    'most',
    `p95 at most ${limitMs} ms`,
  ];
  return table(head, rows);
}

async function framesOf(browser: Browser, served: ServedWindow): Promise<number[]> {
  await using opened = await openPage(browser, `${served.url()}#/map`);
  const { page } = opened;
  const boxes = page.getByRole('list', { name: 'Map' }).getByRole('link');
  await boxes.nth(30).waitFor();
  await page.waitForTimeout(1_000); // what opening it costs is first paint's matter
  // Where they are, asked before: a driver that looks for them meanwhile would be measured too.
  const places = (await Promise.all((await boxes.all()).map((box) => box.boundingBox()))).filter((box) => box !== null);
  const categories = ['devtools.timeline', 'disabled-by-default-devtools.timeline.frame', 'v8'];
  await browser.startTracing(page, { categories });
  const flow = setInterval(() => push(served), toldMs);
  const endsAt = performance.now() + watchedMs;
  for (let at = 0; performance.now() < endsAt; at += 7) {
    const { x = 0, y = 0 } = places[at % places.length] ?? {};
    await page.mouse.move(x + 20, y + 10);
    await page.waitForTimeout(100);
  }
  clearInterval(flow);
  return workByFrame(JSON.parse((await browser.stopTracing()).toString('utf8')) as { traceEvents: TraceEvent[] });
}

let turn = 0;

function push({ engine }: ServedWindow): void {
  turn += 1;
  const open = Object.values(engine.state().sessions).filter(({ state }) => state === 'open');
  const grown = open.map((session) => ({
    ...session,
    bytesSent: session.bytesSent + 10_000,
    bytesReceived: session.bytesReceived + 90_000,
  }));
  const [first] = grown;
  engine.push(...grown.map((value) => ({ kind: 'session-changed' as const, key: value.id, value })));
  if (first === undefined || turn % 10 !== 0) return;
  const over = { ...first, state: 'closed' as const, closeReason: 'consumer_close' as const };
  const next = { ...first, id: `busy-next-${turn}` };
  for (const value of [over, next]) engine.push({ kind: 'session-changed', key: value.id, value });
}

/** Milliseconds of script and layout between one frame and the next, nested work counted once; frames without any are left out. */
function workByFrame({ traceEvents }: { readonly traceEvents: readonly TraceEvent[] }): number[] {
  const ofPage = mainThread(traceEvents);
  const events = traceEvents.filter(({ pid, tid }) => `${pid}/${tid}` === ofPage);
  const starts = events.filter(({ name }) => name === 'BeginMainThreadFrame').map(({ ts }) => ts);
  const work = events
    .filter(({ name, ph, dur }) => ph === 'X' && dur !== undefined && (scripting.has(name) || layout.has(name)))
    .map(({ ts, dur = 0 }) => ({ from: ts, to: ts + dur }))
    .sort((a, b) => a.from - b.from);
  starts.sort((a, b) => a - b);
  const sums: number[] = starts.map(() => 0);
  let frame = 0;
  let doneTo = 0;
  for (const { from, to } of work) {
    if (starts[0] === undefined || from < starts[0]) continue;
    while ((starts[frame + 1] ?? Infinity) <= from) frame += 1;
    sums[frame] = (sums[frame] ?? 0) + Math.max(0, to - Math.max(from, doneTo));
    doneTo = Math.max(doneTo, to);
  }
  return sums.filter((sum) => sum > 0).map((sum) => sum / 1000);
}

/** The page's: of all processes' main threads the one that had most frames. */
function mainThread(events: readonly TraceEvent[]): string {
  const frames = new Map<string, number>();
  for (const { name, pid, tid } of events) {
    if (name === 'BeginMainThreadFrame') frames.set(`${pid}/${tid}`, (frames.get(`${pid}/${tid}`) ?? 0) + 1);
  }
  const [most] = [...frames].sort(([, a], [, b]) => b - a);
  if (most === undefined) throw new Error('the trace has no frames');
  return most[0];
}
