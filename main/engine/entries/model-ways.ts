/** The ways to ask for what a program names. `auto`, where the settings have it, is chosen for first, and that is recorded. */
import type { AuditWriter } from '../../audit/record.ts';
import type { AutoModel } from './auto-model.ts';
import { autoName } from './auto-rules.ts';
import type { LoopbackCaller } from './loopback-caller.ts';
import { questionText } from './model-question.ts';
import { routesFor, type ModelRoute, type ModelService, type Routing } from './model-routes.ts';

/** What is asked, and by whom. */
export interface NamedQuestion {
  readonly caller: LoopbackCaller;
  /** Those that may be asked. */
  readonly services: readonly ModelService[];
  readonly target: string;
  /** Its body, parsed; asked for only where that matters. */
  readonly body: () => unknown;
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** In the order they are tried; none where nothing has the model. */
export type WaysTo = (model: string | undefined, question: NamedQuestion) => Promise<readonly ModelRoute[]>;

/** How ways are found: by the settings and by how services are, and by what `auto` chooses. */
export function waysTo(routing: Routing, auto: AutoModel | undefined, audit: AuditWriter): WaysTo {
  return async (model, { caller, services, target, body, signal }) => {
    const ways = (name: string | undefined): readonly ModelRoute[] => routesFor(name, services, routing);
    if (auto === undefined || model !== autoName) return ways(model);
    const chosen = await auto.choose({ text: questionText(body()), caller, ways, signal });
    const { app } = caller;
    audit.recordOrLog({
      kind: 'model.chosen',
      model: chosen.model,
      layer: chosen.layer,
      reason: chosen.why,
      agent: app.agent ?? null,
      app: app.script ?? app.path ?? null,
      user: app.user ?? null,
      target: target.split('?')[0] ?? '',
    });
    return ways(chosen.model).map(({ service, model: named = chosen.model }) => ({ service, model: named }));
  };
}
