/**
 * The model's name `auto`: each question is looked at by the settings' rules, then by its likeness to examples (an embedding model), then by a
 * model that is asked which fits. The first of these that says something decides, and the record says which did and why. Whatever is asked for that
 * is asked of the same dark services as the question, as the program whose question it is; what does not answer in time is passed over.
 */
import { linkSignals } from '../../base/abort.ts';
import type { Clock } from '../../base/clock.ts';
import { isRecord } from '../../guard/json/strict-json.ts';
import { askedOpinion, nearest, opinion, whyRuleHolds, type AutoRoute } from './auto-rules.ts';
import { bodyOf, type Ask, type Asked } from './model-asks.ts';
import type { QuestionText } from './model-question.ts';
import type { ModelRoute } from './model-routes.ts';

/** What chose. */
export type AutoLayer = 'rules' | 'embeddings' | 'classifier' | 'otherwise';

/** How `auto` chooses; see the settings' `llm.auto`. */
export interface AutoSettings {
  readonly routes: readonly AutoRoute[];
  /** Where nothing chooses another. */
  readonly otherwise: string;
  readonly embeddings: { readonly model: string; readonly atLeast: number } | undefined;
  readonly classifier: { readonly model: string } | undefined;
}

/** What was chosen, by what, and why. */
export interface Chosen {
  readonly model: string;
  readonly layer: AutoLayer;
  readonly why: string;
}

/** A question, who asks it, and where models are found for them. */
export interface AutoQuestion {
  readonly text: QuestionText;
  readonly caller: Asked['caller'];
  /** The ways to ask for this model, the first to be tried first. */
  readonly ways: (model: string) => readonly ModelRoute[];
  readonly signal: AbortSignal;
}

/** An opinion is worth no longer wait. */
const patienceMs = 3_000;
/** What of a question an opinion is formed on. */
const maxOpinionChars = 8_000;
const opinionTokens = 16;

/** Chooses a model for each question. */
export class AutoModel {
  readonly #settings: AutoSettings;
  readonly #ask: Ask;
  readonly #clock: Pick<Clock, 'after'>;
  /** Vectors of the examples, by the service that made them. */
  readonly #examples = new Map<string, readonly (readonly number[])[]>();

  constructor(settings: AutoSettings, ask: Ask, clock: Pick<Clock, 'after'>) {
    this.#settings = settings;
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Everything that may be chosen. */
  get models(): readonly string[] {
    return [...this.#settings.routes.map(({ model }) => model), this.#settings.otherwise];
  }

  /** Never throws: where nothing decides, it is what the settings name for that. */
  async choose(question: AutoQuestion): Promise<Chosen> {
    const { otherwise } = this.#settings;
    const routes = this.#settings.routes.filter(({ model }) => question.ways(model).length > 0);
    for (const { model, when } of routes) {
      const why = when === undefined ? undefined : whyRuleHolds(when, question.text);
      if (why !== undefined) return { model, layer: 'rules', why };
    }
    const passed: string[] = [];
    const layers = [
      ['embeddings', () => this.#byLikeness(routes, question)],
      ['classifier', () => this.#byOpinion(routes, question)],
    ] as const;
    for (const [layer, decide] of question.text.latest === '' ? [] : layers) {
      try {
        const chosen = await decide();
        if (chosen !== undefined) return { ...chosen, layer };
      } catch (error) {
        passed.push(`${layer}: ${(error as Error).message}`);
      }
    }
    return { model: otherwise, layer: 'otherwise', why: ['nothing chose another', ...passed].join('; ') };
  }

  async #byLikeness(routes: readonly AutoRoute[], question: AutoQuestion): Promise<Omit<Chosen, 'layer'> | undefined> {
    const { embeddings } = this.#settings;
    const examples = routes.flatMap(({ model, examples: texts }) => texts.map((text) => ({ model, text })));
    if (embeddings === undefined || examples.length === 0) return undefined;
    const way = wayTo(embeddings.model, question);
    const vectors = (input: readonly string[]): Promise<readonly (readonly number[])[]> =>
      this.#vectors(way, input, question);
    const texts = examples.map(({ text }) => text);
    const key = JSON.stringify([way, texts]);
    const known = this.#examples.get(key) ?? (await vectors(texts));
    this.#examples.set(key, known);
    const [own] = await vectors([question.text.latest.slice(0, maxOpinionChars)]);
    const of = examples.map((example, at) => ({ of: example, vector: known[at] ?? [] }));
    const found = nearest(own ?? [], of);
    if (found === undefined || found.likeness < embeddings.atLeast) return undefined;
    return { model: found.of.model, why: `${found.likeness.toFixed(2)} like "${found.of.text}"` };
  }

  async #byOpinion(routes: readonly AutoRoute[], question: AutoQuestion): Promise<Omit<Chosen, 'layer'> | undefined> {
    const { classifier } = this.#settings;
    const described = routes.filter(({ purpose }) => purpose !== undefined);
    if (classifier === undefined || described.length === 0) return undefined;
    const way = wayTo(classifier.model, question);
    const messages = askedOpinion(described, question.text.latest.slice(0, maxOpinionChars));
    const body = { model: way.model, messages, max_tokens: opinionTokens, temperature: 0 };
    const told = await this.#answer(way, '/v1/chat/completions', body, question);
    const [choice] = listIn(told, 'choices');
    const message = isRecord(choice) ? choice['message'] : undefined;
    const said = isRecord(message) ? message['content'] : undefined;
    const route = typeof said === 'string' ? opinion(said, described) : undefined;
    return route === undefined ? undefined : { model: route.model, why: `${way.model} takes it for: ${route.purpose}` };
  }

  async #vectors(way: Way, input: readonly string[], question: AutoQuestion): Promise<readonly (readonly number[])[]> {
    const body = { model: way.model, input, encoding_format: 'float' };
    const told = await this.#answer(way, '/v1/embeddings', body, question);
    const vectors = listIn(told, 'data').map((item) => (isRecord(item) ? item['embedding'] : undefined));
    const isWhole = vectors.length === input.length && vectors.every(isVector);
    if (!isWhole) throw new Error(`${way.service} gave no vectors`);
    return vectors;
  }

  async #answer({ service }: Way, target: string, body: object, question: AutoQuestion): Promise<unknown> {
    const late = new AbortController();
    using _timer = this.#clock.after(patienceMs, () => late.abort());
    using both = linkSignals(question.signal, late.signal);
    const asked: Asked = {
      caller: question.caller,
      method: 'POST',
      target,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
    };
    try {
      const told = await this.#ask(service, asked, both.signal);
      const text = await bodyOf(told);
      if (told.status !== 200 || !(text instanceof Buffer)) throw new Error(`${service} answered ${told.status}`);
      return JSON.parse(text.toString('utf8')) as unknown;
    } catch (error) {
      throw late.signal.aborted ? new Error(`${service} did not answer in time`, { cause: error }) : error;
    }
  }
}

interface Way {
  readonly service: string;
  readonly model: string;
}

function wayTo(model: string, { ways }: AutoQuestion): Way {
  const [first] = ways(model);
  if (first === undefined) throw new Error(`no service has ${model}`);
  return { service: first.service, model: first.model ?? model };
}

function listIn(value: unknown, field: string): readonly unknown[] {
  const list = isRecord(value) ? value[field] : undefined;
  return Array.isArray(list) ? list : [];
}

function isVector(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'number');
}
