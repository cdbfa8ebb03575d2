/** Definitions of tools as their services first told them, kept by service: what changes is recorded, and held as the contract says. */
import { Emitter } from '../../base/emitter.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { AuditEvent } from '../../audit/record.ts';
import type { PinView } from '../../api/views.ts';
import type { HeldTool, PinAction, PinRules, ToolDefinition, ToolPins } from '../../guard/mcp/pins.ts';

/** A definition as it is kept. */
export type KeptDefinition = Pick<ToolDefinition, 'text' | 'hash' | 'flags'>;

/** One tool of a service, as accepted and as it is now. */
export interface KeptTool {
  /** Absent: the tool came after the first list, and nobody has accepted it yet. */
  readonly accepted?: KeptDefinition;
  /** What the service says now, where that is something else. */
  readonly pending?: KeptDefinition;
}

/** The tools of one service. */
export interface KeptService {
  /** The first list has been seen to its end: what comes now is new. */
  readonly complete: boolean;
  readonly tools: Readonly<Record<string, KeptTool>>;
}

/** All pins, by service; plain data, JSON-safe. */
export type KeptPins = Readonly<Record<string, KeptService>>;

/** What was kept, and where it is kept and recorded. */
export interface PinStoreDeps {
  readonly kept: KeptPins;
  readonly save: (kept: KeptPins) => void;
  readonly record: (event: AuditEvent) => void;
}

/** Tools kept of one service; a service with more has something else in mind. */
const maxTools = 10_000;
const maxDefinitionChars = 256 * 1024;

/** The pins in force, for guards and for whoever accepts changes. */
export class PinStore {
  readonly #deps: PinStoreDeps;
  readonly #accepted = new Emitter<string>();
  #kept: KeptPins;

  constructor(deps: PinStoreDeps) {
    this.#deps = deps;
    this.#kept = deps.kept;
  }

  /** Told the service of which something was accepted. */
  subscribe(listener: (service: string) => void): Disposable {
    return this.#accepted.subscribe(listener);
  }

  /** For a session with the service. */
  of(service: string): ToolPins {
    return {
      listed: (tools, complete, rules) => this.#listed(service, tools, complete, rules),
      holds: (tool, rules) => heldBy(this.#kept[service]?.tools[tool], tool, rules),
    };
  }

  /** By service and tool; of the accepted and the present definition their hashes, or (`full`) all of them. */
  list(full: boolean): readonly PinView[] {
    const shown = (kept: KeptDefinition | undefined): unknown =>
      kept === undefined ? null : full ? (JSON.parse(kept.text) as unknown) : kept.hash;
    return Object.entries(this.#kept).flatMap(([service, { tools }]) =>
      Object.entries(tools).map(([tool, { accepted, pending }]) => ({
        service,
        tool,
        state:
          pending === undefined
            ? ('pinned' as const)
            : accepted === undefined
              ? ('new' as const)
              : ('changed' as const),
        old: shown(accepted),
        new: shown(pending ?? accepted),
        flags: (pending ?? accepted)?.flags ?? [],
      })),
    );
  }

  /** What the service says now is what is kept from here on; without `tools` of all that wait. Throws `mcp.pin_unknown`. */
  accept(service: string, tools: readonly string[] | undefined): readonly string[] {
    const kept = this.#kept[service];
    const waiting = Object.entries(kept?.tools ?? {}).filter(([, { pending }]) => pending !== undefined);
    const missing = tools?.filter((tool) => kept?.tools[tool] === undefined) ?? [];
    if (kept === undefined || missing.length > 0) {
      const what =
        kept === undefined ? `no tools of ${service} are kept here` : `${service} has no tool ${missing.join(', ')}`;
      throw new TunnelerError('mcp.pin_unknown', what, { details: { service, next: 'culvert mcp pins list' } });
    }
    const accepted = waiting.filter(([tool]) => tools === undefined || tools.includes(tool));
    const changed = Object.fromEntries(
      accepted.flatMap(([tool, { pending }]) => (pending === undefined ? [] : [[tool, { accepted: pending }]])),
    );
    this.#keep(service, { ...kept, tools: { ...kept.tools, ...changed } });
    for (const [tool, before] of accepted) {
      this.#deps.record({
        kind: 'tool.accepted',
        service,
        tool,
        old: before.accepted?.hash ?? null,
        new: before.pending?.hash ?? null,
      });
    }
    this.#accepted.emit(service);
    return accepted.map(([tool]) => tool);
  }

  #listed(
    service: string,
    tools: readonly ToolDefinition[],
    complete: boolean,
    rules: PinRules,
  ): ReadonlyMap<string, HeldTool> {
    const before = this.#kept[service] ?? { complete: false, tools: {} };
    const next: Record<string, KeptTool> = { ...before.tools };
    const first: ToolDefinition[] = [];
    const held = new Map<string, HeldTool>();
    let changed = before.complete !== (before.complete || complete);
    for (const tool of tools) {
      const known = Object.hasOwn(next, tool.name) ? next[tool.name] : undefined;
      const now = judged(known, tool, before.complete);
      if (now !== known) {
        // What cannot be kept cannot be told from a change: it is held as one.
        if (tool.text.length > maxDefinitionChars || Object.keys(next).length > maxTools) {
          held.set(tool.name, heldAs('refuse', tool.name, 'its definition is too large to be kept', 'new'));
          continue;
        }
        next[tool.name] = now;
        changed = true;
        if (known === undefined && now.accepted !== undefined) first.push(tool);
        else if (now.pending !== undefined) this.#tell(service, tool, now, rules);
      }
      const hold = heldBy(now, tool.name, rules);
      if (hold !== undefined) held.set(tool.name, hold);
    }
    if (changed) this.#keep(service, { complete: before.complete || complete, tools: next });
    if (first.length > 0) this.#tellFirst(service, first);
    return held;
  }

  #tellFirst(service: string, tools: readonly ToolDefinition[]): void {
    this.#deps.record({
      kind: 'tool.pinned',
      service,
      tools: tools.map(({ name, hash }) => `${name} ${hash}`),
      flagged: tools.filter(({ flags }) => flags.length > 0).map(({ name }) => name),
    });
  }

  #tell(service: string, tool: ToolDefinition, { accepted }: KeptTool, rules: PinRules): void {
    const state = accepted === undefined ? 'new' : 'changed';
    this.#deps.record({
      kind: 'tool.changed',
      service,
      tool: tool.name,
      state,
      old: accepted?.hash ?? null,
      new: tool.hash,
      action: rules[state],
      rule: `contract:mcp.pin.${state} ${rules[state]}`,
      flags: tool.flags.map(({ kind, place }) => `${kind} ${place}`),
    });
  }

  #keep(service: string, kept: KeptService): void {
    this.#kept = { ...this.#kept, [service]: kept };
    this.#deps.save(this.#kept);
  }
}

/** What is kept of a tool once its service says this; the very same where that says nothing new. */
function judged(known: KeptTool | undefined, { text, hash, flags }: ToolDefinition, complete: boolean): KeptTool {
  const now = { text, hash, flags };
  if (known === undefined) return complete ? { pending: now } : { accepted: now };
  const { accepted, pending } = known;
  if (accepted?.hash === hash) return pending === undefined ? known : { accepted };
  if (pending?.hash === hash) return known;
  return accepted === undefined ? { pending: now } : { accepted, pending: now };
}

function heldBy(tool: KeptTool | undefined, name: string, rules: PinRules): HeldTool | undefined {
  if (tool?.pending === undefined) return undefined;
  const state = tool.accepted === undefined ? 'new' : 'changed';
  return rules[state] === 'alert' ? undefined : heldAs(rules[state], name, undefined, state);
}

function heldAs(
  action: Exclude<PinAction, 'alert'>,
  name: string,
  why: string | undefined,
  state: 'new' | 'changed',
): HeldTool {
  const said = state === 'new' ? `${name} is new` : `the definition of ${name} has changed`;
  return {
    action,
    why: why ?? `${said} and waits to be accepted (culvert mcp pins)`,
    rule: `contract:mcp.pin.${state} ${action}`,
  };
}
