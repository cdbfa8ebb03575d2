/** The outside tools that tests need: `tools.json` lists each once, with how it is found and the Debian package that brings it. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { loadNative } from 'node-tun';
import list from './tools.json' with { type: 'json' };

type ToolName = keyof typeof list;

interface Tool {
  readonly debian: string;
  /** Where it may be, for what is no program on the PATH. */
  readonly files?: readonly string[];
  readonly note?: string;
}

const tools: Readonly<Record<ToolName, Tool>> = list;
/** Where system programs are, though a user's PATH may lack them. */
const systemPlaces = process.platform === 'win32' ? [] : ['/usr/sbin', '/sbin'];

/** Path of a tool; undefined where this machine has none. */
export function findTool(name: ToolName): string | undefined {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), ...systemPlaces].filter((place) => place !== '');
  const candidates = tools[name].files ?? places.map((place) => join(place, name));
  return candidates.find((path) => existsSync(path));
}

/** For `mustSkip`: "needs dig, tcpdump", naming what is missing; undefined where all are here. */
export function toolsMissing(...names: readonly ToolName[]): string | undefined {
  const missing = names.filter((name) => findTool(name) === undefined);
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}`;
}

/** Why what the native addon does cannot be tested here; undefined where it was built. */
export function addonMissing(): string | undefined {
  return loadNative().ok ? undefined : 'needs the native addon (cargo builds it)';
}

/** Why nothing that takes two users, a mount or a network namespace can be tested here; undefined where we are root. */
export function rootMissing(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root';
}

/** Why no PKCS#11 token can be made here; undefined where SoftHSM2, its tools and our addon are. */
export function softHsmMissing(): string | undefined {
  return toolsMissing('softhsm', 'softhsm2-util', 'pkcs11-tool') ?? addonMissing();
}

/** SoftHSM2's module. */
export const softHsm = findTool('softhsm') ?? '';
