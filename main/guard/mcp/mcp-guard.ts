/**
 * The MCP guard: finds out how MCP is spoken on this stream, and holds it to the contract. Pure.
 *
 * Direction: closed. What is not HTTP, not lines of JSON or TLS inside is a violation where the contract sets rules; where it only asks to
 * look (no allow, deny or limit), such a stream passes unread and is shown as not visible.
 */
import type { EngagementContract, McpRules } from '../../base/engagement.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardContext, GuardEffect } from '../guard.ts';
import { HttpExchanges } from '../http/exchanges.ts';
import { headCheck } from '../http/head-check.ts';
import { McpCalls } from './calls.ts';
import { McpHttpJudge } from './http-judge.ts';
import { McpLines } from './lines.ts';

type Wire =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'http'; readonly exchanges: HttpExchanges }
  | { readonly kind: 'lines'; readonly lines: McpLines }
  | { readonly kind: 'unread' }
  | { readonly kind: 'dead' };

export class McpGuard implements Guard {
  readonly kind = 'mcp';
  readonly #out = new Effects();
  readonly #calls: McpCalls;
  readonly #contract: EngagementContract;
  #wire: Wire = { kind: 'unknown' };

  constructor(rules: McpRules, contract: EngagementContract, context: GuardContext) {
    this.#calls = new McpCalls(rules, context, this.#out);
    this.#contract = contract;
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
    return this.#out.take();
  }

  buffered(): number {
    if (this.#wire.kind === 'http') return this.#wire.exchanges.heldBytes();
    return this.#wire.kind === 'lines' ? this.#wire.lines.heldBytes() : 0;
  }

  /** The first byte tells how MCP is spoken; only lines can begin with the service. */
  #wireFor(chunk: Uint8Array, from: 'app' | 'service'): Wire {
    const [first] = chunk;
    if (this.#wire.kind !== 'unknown' || first === undefined) return this.#wire;
    if (first === 0x7b || first === 0x5b || (from === 'app' && isBlank(first))) {
      this.#wire = { kind: 'lines', lines: new McpLines(this.#calls, this.#out) };
    } else if (from === 'app' && first >= 0x41 && first <= 0x5a) {
      const check = this.#contract.http === undefined ? undefined : headCheck(this.#contract.http, this.#out);
      const judge = new McpHttpJudge(this.#calls, this.#out, check);
      this.#wire = { kind: 'http', exchanges: new HttpExchanges(judge, this.#out) };
    } else {
      this.#wire = this.#unreadable(first === 0x16 ? 'TLS' : 'neither HTTP nor lines of JSON');
    }
    return this.#wire;
  }

  #unreadable(what: string): Wire {
    const direction = this.#calls.binding ? 'closed' : 'open';
    this.#out.notVisible(direction);
    if (direction === 'open') return { kind: 'unread' };
    this.#out.violation(
      {
        code: 'guard.mcp.not_visible',
        sentence: `the contract sets MCP rules, and what flows is ${what}`,
        next: 'Let the service speak plain HTTP on the overlay, which encrypts end to end itself',
        rule: 'contract:mcp',
      },
      true,
    );
    return { kind: 'dead' };
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
