/**
 * The MCP guard: finds out how MCP is spoken on this stream, and holds it to the contract. Pure.
 *
 * Direction: closed. What is not HTTP, not lines of JSON or TLS inside is a violation where the contract sets rules; where it only asks to
 * look (no allow, deny or limit), such a stream passes unread and is shown as not visible.
 */
import { asksModels, type EngagementContract, type HttpRules, type McpRules } from '../../base/engagement.ts';
import type { CompiledDataRules } from '../data/data-rules.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardContext, GuardEffect } from '../guard.ts';
import { HttpExchanges } from '../http/exchanges.ts';
import { headCheck } from '../http/head-check.ts';
import { keyCheck } from '../http/key-check.ts';
import { McpCalls } from './calls.ts';
import { McpHttpJudge } from './http-judge.ts';
import { McpLines } from './lines.ts';
import { ModelRules } from './model-rules.ts';

type Wire =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'http'; readonly exchanges: HttpExchanges }
  | { readonly kind: 'lines'; readonly lines: McpLines }
  | { readonly kind: 'unread' }
  | { readonly kind: 'dead' };

export class McpGuard implements Guard {
  readonly kind: string;
  readonly #out = new Effects();
  readonly #calls: McpCalls;
  readonly #contract: EngagementContract;
  readonly #context: GuardContext;
  #wire: Wire = { kind: 'unknown' };
  #wake: () => void = () => undefined;

  constructor(rules: McpRules, contract: EngagementContract, context: GuardContext, data?: CompiledDataRules) {
    this.kind = contract.http === undefined ? 'mcp' : 'mcp+http';
    this.#calls = new McpCalls(rules, context, this.#out, data);
    this.#contract = contract;
    this.#context = context;
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    const wire = this.#wireFor(chunk, 'app');
    if (wire.kind === 'http') wire.exchanges.fromApp(chunk, nowMs);
    if (wire.kind === 'lines') wire.lines.fromApp(chunk, nowMs);
    if (wire.kind === 'unread') this.#out.toService(chunk);
    return this.#out.take();
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    const wire = this.#wireFor(chunk, 'service');
    if (wire.kind === 'http') wire.exchanges.fromService(chunk, nowMs);
    if (wire.kind === 'lines') wire.lines.fromService(chunk, nowMs);
    if (wire.kind === 'unread') this.#out.toApp(chunk);
    return this.#out.take();
  }

  appEnded(): readonly GuardEffect[] {
    return this.#out.take();
  }

  serviceEnded(nowMs: number): readonly GuardEffect[] {
    if (this.#wire.kind === 'http') this.#wire.exchanges.serviceEnded(nowMs);
    if (this.#wire.kind === 'lines') this.#wire.lines.ended(nowMs);
    this.#calls.ended();
    return this.#out.take();
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  proceed(): readonly GuardEffect[] {
    return this.#out.take();
  }

  waiting(): 'bytes' | 'end' | undefined {
    if (this.#wire.kind === 'http') return this.#wire.exchanges.waiting ? 'bytes' : undefined;
    return this.#wire.kind === 'lines' && this.#wire.lines.waiting ? 'end' : undefined;
  }

  buffered(): number {
    if (this.#wire.kind === 'http') return this.#wire.exchanges.heldBytes();
    return this.#wire.kind === 'lines' ? this.#wire.lines.heldBytes() : 0;
  }

  /** The first byte tells how MCP is spoken; only lines can begin with the service. */
  #wireFor(chunk: Uint8Array, from: 'app' | 'service'): Wire {
    const [first] = chunk;
    if (this.#wire.kind !== 'unknown' || first === undefined) return this.#wire;
    const { http } = this.#contract;
    if (first === 0x7b || first === 0x5b || (from === 'app' && isBlank(first))) {
      this.#wire = isBinding(http) ? this.#unreadable('lines of JSON, where HTTP rules were to hold') : this.#lines();
    } else if (from === 'app' && first >= 0x41 && first <= 0x5a) {
      this.#wire = this.#http(http);
    } else {
      this.#wire = this.#unreadable(first === 0x16 ? 'TLS' : 'neither HTTP nor lines of JSON');
    }
    return this.#wire;
  }

  #lines(): Wire {
    const { held } = this.#context;
    return {
      kind: 'lines',
      lines: new McpLines({ calls: this.#calls, out: this.#out, held, wake: () => this.#wake() }),
    };
  }

  #http(rules: HttpRules | undefined): Wire {
    const reads = rules !== undefined && asksModels(rules);
    const judge = new McpHttpJudge({
      calls: this.#calls,
      out: this.#out,
      checkKeys: rules === undefined ? undefined : keyCheck(this.#out, this.#context),
      checkHead: rules === undefined ? undefined : headCheck(rules, this.#out, this.#context),
      models: reads ? new ModelRules(rules, this.#context, this.#out) : undefined,
    });
    const deps = { judge, out: this.#out, held: this.#context.held, wake: () => this.#wake() };
    return { kind: 'http', exchanges: new HttpExchanges(deps) };
  }

  #unreadable(what: string): Wire {
    const direction = this.#calls.binding || isBinding(this.#contract.http) ? 'closed' : 'open';
    this.#out.notVisible(direction);
    if (direction === 'open') return { kind: 'unread' };
    this.#out.violation(
      {
        code: 'guard.mcp.not_visible',
        sentence: `the contract sets MCP rules, and what flows is ${what}`,
        next: 'let the service speak plain HTTP on the overlay, which encrypts end to end itself',
        rule: 'contract:mcp',
      },
      true,
    );
    return { kind: 'dead' };
  }
}

function isBinding(rules: HttpRules | undefined): boolean {
  return rules !== undefined && Object.values(rules).some((rule) => rule !== undefined);
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
