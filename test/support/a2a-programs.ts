/** Agents and clients of the official A2A SDK, each a program of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { start } from './governed-world.ts';

const program = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));
export const agentProgram = program('a2a-agent.mjs');

/** A card of revision 1.0, its skills by their ids, for an agent that is reached at `url`. */
export function agentCard(name: string, url: string, skills: readonly string[]): Record<string, unknown> {
  const skill = { tags: ['test'], examples: [], inputModes: [], outputModes: [], securityRequirements: [] };
  return {
    name,
    description: `${name} of the tests`,
    version: '1.0.0',
    capabilities: { streaming: true, pushNotifications: false, extensions: [] },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: skills.map((id) => ({ id, name: id, description: `does ${id}`, ...skill })),
    supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', tenant: '', protocolVersion: '1.0' }],
    signatures: [],
  };
}

/** The same for an agent that is spoken to by REST. */
export function restCard(name: string, url: string, skills: readonly string[]): Record<string, unknown> {
  const way = { url, protocolBinding: 'HTTP+JSON', tenant: '', protocolVersion: '1.0' };
  return { ...agentCard(name, url, skills), supportedInterfaces: [way] };
}

export class A2aAgent implements Disposable {
  readonly port: number;
  /** What it was told, in order. */
  readonly said: string[];
  readonly #child: ChildProcess;

  private constructor(port: number, said: string[], child: ChildProcess) {
    this.port = port;
    this.said = said;
    this.#child = child;
  }

  /** Resolves once it listens. */
  static async start(card: unknown): Promise<A2aAgent> {
    const child = spawn(process.execPath, [agentProgram, JSON.stringify(card)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    const port = await new Promise<number>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the agent ended (${code})`)));
      createInterface(child.stdout).on('line', (line) => {
        const read = JSON.parse(line) as { port?: number; said?: string };
        if (read.port !== undefined) resolve(read.port);
        if (read.said !== undefined) said.push(read.said);
      });
    });
    return new A2aAgent(port, said, child);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

export const text = (value: string): object => ({ $case: 'text', value });

export type A2aStep =
  | { readonly card: true }
  | { readonly verify: true }
  | { readonly send: readonly object[]; readonly metadata?: object }
  | { readonly stream: readonly object[]; readonly metadata?: object }
  | { readonly task: string };

/** Run a client through its steps; `proxy` empty: it knows nothing of one. */
export async function runA2aClient<T = unknown>(proxy: string, url: string, steps: readonly A2aStep[]): Promise<T[]> {
  const ran = await start(process.execPath, [program('a2a-client.mjs'), proxy, url, JSON.stringify(steps)]).done;
  if (ran.code !== 0) throw new Error(ran.err);
  return JSON.parse(ran.out) as T[];
}
