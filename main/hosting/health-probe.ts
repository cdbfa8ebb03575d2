/** One run of a health check: does the port accept, does the page say what it should. */
import { defined } from '../base/defined.ts';
import { linkSignals } from '../base/abort.ts';
import type { Clock } from '../base/clock.ts';
import { connectTcp } from '../sockets/connect-tcp.ts';
import type { HealthCheck } from './host-config.ts';

/** How far into an answer the expected text is looked for. */
const maxBodyBytes = 1024 * 1024;

/** What one run found. */
export interface ProbeResult {
  readonly passed: boolean;
  /** What was found instead, for the log. */
  readonly found?: string;
}

/** Never rejects but for an abort; takes at most the check's own time-out. */
export async function runProbe(check: HealthCheck, clock: Clock, signal: AbortSignal): Promise<ProbeResult> {
  const { probe, timeoutMs } = check;
  try {
    if (probe.kind === 'port') {
      const socket = await connectTcp({ host: probe.host, port: probe.port, timeoutMs, clock, signal });
      socket.destroy();
      return { passed: true };
    }
    return await fetchAndCompare(probe, timeoutMs, clock, signal);
  } catch (error) {
    signal.throwIfAborted();
    return { passed: false, found: error instanceof Error ? error.message : String(error) };
  }
}

async function fetchAndCompare(
  probe: Extract<HealthCheck['probe'], { readonly kind: 'http' }>,
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const limit = new AbortController();
  const linked = linkSignals(signal, limit.signal);
  const timer = clock.after(timeoutMs, () => limit.abort(new Error(`no answer within ${timeoutMs} ms`)));
  try {
    const response = await fetch(probe.url, {
      method: probe.method,
      signal: linked.signal,
      ...defined({ body: probe.body }),
    });
    if (response.status !== probe.expectStatus) {
      await response.body?.cancel();
      return { passed: false, found: `status ${response.status}` };
    }
    if (probe.expectInBody === undefined) {
      await response.body?.cancel();
      return { passed: true };
    }
    const passed = (await readText(response)).includes(probe.expectInBody);
    return passed ? { passed } : { passed, found: 'expectInBody is not in the body' };
  } finally {
    linked[Symbol.dispose]();
    timer[Symbol.dispose]();
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = '';
  for (let lengthBytes = 0; reader !== undefined && lengthBytes < maxBodyBytes;) {
    const { done, value } = await reader.read();
    if (done) return text;
    lengthBytes += value.length;
    text += decoder.decode(value, { stream: true });
  }
  await reader?.cancel();
  return text;
}
