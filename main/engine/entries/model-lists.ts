/** Lists of models of several services as one, each dialect's in its own shape. Pure. */
import { compileGlob } from '../../base/glob.ts';
import type { ModelService } from './model-routes.ts';

/** A service's answer, parsed; undefined where it gave none. */
export interface ServiceList {
  readonly service: ModelService;
  readonly list: unknown;
}

/** `/v1/models` (OpenAI, Anthropic), `/v1beta/models` (Gemini), `/api/tags` (Ollama). */
export function isModelList(target: string): boolean {
  return /^\/(?:v1|v1beta|v1alpha|openai\/v1)\/models$|^\/models$|^\/api\/tags$/.test(target.split('?')[0] ?? '');
}

/** What is hidden behind a service's contract is not shown; of two of one name the first stands. `aliases`: names of this endpoint's own, which come first. */
export function mergedModels(target: string, lists: readonly ServiceList[], aliases: readonly string[]): unknown {
  const shown = new Map<string, unknown>(aliases.map((name) => [name, aliasItem(target, name)]));
  for (const { service, list } of lists) {
    const globs = service.models?.map((pattern) => compileGlob(pattern));
    for (const item of itemsOf(list)) {
      const name = nameOf(item);
      if (name === undefined || shown.has(name)) continue;
      if (globs === undefined || globs.some((glob) => glob.matches(name))) shown.set(name, item);
    }
  }
  const items = [...shown.values()];
  if (/\/api\/tags/.test(target) || /\/v1(?:beta|alpha)\//.test(target)) return { models: items };
  const [first, last] = [[...shown.keys()][0] ?? null, [...shown.keys()].at(-1) ?? null];
  // One shape that clients of OpenAI's, Anthropic's and Google's libraries read: all of them ask here.
  const models = [...shown.keys()].map((name) => ({ name: `models/${name}` }));
  return { object: 'list', data: items, has_more: false, first_id: first, last_id: last, models };
}

/** As the dialect's lists have a model; nobody knows more of it. */
function aliasItem(target: string, name: string): unknown {
  if (/\/api\/tags/.test(target)) return { name, model: name };
  if (/\/v1(?:beta|alpha)\//.test(target)) {
    return { name: `models/${name}`, displayName: name, supportedGenerationMethods: ['generateContent'] };
  }
  return { id: name, object: 'model', type: 'model', display_name: name, owned_by: 'culvert' };
}

function itemsOf(list: unknown): readonly unknown[] {
  if (typeof list !== 'object' || list === null) return [];
  const { data, models } = list as { readonly data?: unknown; readonly models?: unknown };
  return Array.isArray(data) ? data : Array.isArray(models) ? models : [];
}

function nameOf(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const { id, name, model } = item as { readonly id?: unknown; readonly name?: unknown; readonly model?: unknown };
  const named = [id, model, name].find((value): value is string => typeof value === 'string');
  return named?.replace(/^models\//, '');
}
