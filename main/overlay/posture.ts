/** Judging posture: what a session told of its host against what a policy's checks ask (openziti/ziti: router/posture). */
import type { PostureCheckRecord, ProcessRequirement } from './model.ts';

/** What one API session has told. */
export interface PostureFacts {
  os?: { readonly type: string; readonly version: string };
  domain?: string;
  macAddresses?: readonly string[];
  processes?: readonly ReportedProcess[];
  wokenAt?: number;
  unlockedAt?: number;
  /** Wall clock of the last accepted one-time password. */
  totpPassedAt?: number | undefined;
}

/** A program as a client reports it; hash and fingerprints in lower hex, the hash empty where it does not run. */
export interface ReportedProcess {
  readonly path: string;
  readonly isRunning: boolean;
  readonly hash: string;
  readonly signerFingerprints: readonly string[];
}

/** After waking or unlocking the old answer still counts for this long. */
const promptGraceMs = 5 * 60_000;

/** True where the facts satisfy the check now. A fact not told satisfies nothing. */
export function postureSatisfies(check: PostureCheckRecord, facts: PostureFacts, nowMs: number): boolean {
  switch (check.kind) {
    case 'OS':
      return satisfiesOs(check, facts);
    case 'DOMAIN':
      return check.domains?.some((domain) => domain.toLowerCase() === facts.domain?.toLowerCase()) ?? false;
    case 'MAC': {
      const wanted = new Set(check.macAddresses?.map(normalMac));
      return facts.macAddresses?.some((address) => wanted.has(normalMac(address))) ?? false;
    }
    case 'PROCESS':
    case 'PROCESS_MULTI': {
      const passes = (check.processes ?? []).map((process) => satisfiesProcess(process, facts));
      return check.semantic === 'AnyOf' ? passes.includes(true) : passes.length > 0 && !passes.includes(false);
    }
    case 'MFA':
      return mfaRemainingMs(check, facts, nowMs) > 0;
  }
}

/** Milliseconds the last one-time password still counts; `Infinity` where it does not run out. */
export function mfaRemainingMs(check: PostureCheckRecord, facts: PostureFacts, nowMs: number): number {
  const passedAt = facts.totpPassedAt;
  if (passedAt === undefined) return 0;
  const timeoutSeconds = check.timeoutSeconds ?? -1;
  const ends = [timeoutSeconds < 0 ? Infinity : passedAt + timeoutSeconds * 1000];
  for (const [prompts, at] of [
    [check.promptOnWake, facts.wokenAt],
    [check.promptOnUnlock, facts.unlockedAt],
  ] as const) {
    if (prompts === true && at !== undefined && at > passedAt) ends.push(at + promptGraceMs);
  }
  return Math.max(0, Math.min(...ends) - nowMs);
}

function satisfiesOs(check: PostureCheckRecord, facts: PostureFacts): boolean {
  const told = facts.os;
  if (told === undefined) return false;
  return (check.operatingSystems ?? []).some(
    ({ type, versions }) =>
      type.toLowerCase() === told.type.toLowerCase() &&
      (versions.length === 0 || versions.some((range) => versionInRange(told.version, range))),
  );
}

/** A version of three numbers against `>=1.2.3 <2.0.0`-like ranges; alternatives parted by `||`. */
export function versionInRange(version: string, range: string): boolean {
  const actual = parseVersion(version);
  if (actual === undefined) return false;
  return range.split('||').some((alternative) =>
    alternative
      .trim()
      .split(/\s+/)
      .filter((part) => part !== '')
      .every((part) => {
        const match = /^(>=|<=|>|<|=|!=)?(.+)$/.exec(part);
        const bound = parseVersion(match?.[2] ?? '');
        return bound !== undefined && holds(match?.[1] ?? '=', compareVersions(actual, bound));
      }),
  );
}

function holds(operator: string, order: number): boolean {
  if (operator === '>=') return order >= 0;
  if (operator === '<=') return order <= 0;
  if (operator === '>') return order > 0;
  if (operator === '<') return order < 0;
  return operator === '!=' ? order !== 0 : order === 0;
}

/** Three numbers without leading zeros, as the router's parser has it. */
function parseVersion(text: string): readonly number[] | undefined {
  const match = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:[-+].*)?$/.exec(text.trim());
  return match === null ? undefined : match.slice(1, 4).map(Number);
}

function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < 3; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function satisfiesProcess(wanted: ProcessRequirement, facts: PostureFacts): boolean {
  return (facts.processes ?? []).some(
    (process) =>
      process.path === wanted.path &&
      process.isRunning &&
      (wanted.hashes.length === 0 || wanted.hashes.includes(process.hash)) &&
      (wanted.signerFingerprints.length === 0 ||
        wanted.signerFingerprints.some((fingerprint) => process.signerFingerprints.includes(fingerprint))),
  );
}

function normalMac(address: string): string {
  return address.toLowerCase().replace(/[^0-9a-f]/g, '');
}
