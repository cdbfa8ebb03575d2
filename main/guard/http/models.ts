/**
 * Which models a request names, and how much it may be answered, in every dialect. Pure.
 * Sources: API references of OpenAI (chat completions, responses, embeddings, batches, images, audio), Anthropic (messages, message batches),
 * Gemini (generateContent), Ollama, Amazon Bedrock (InvokeModel, Converse), Cohere, Azure OpenAI; `fallbacks` and its kin: LiteLLM, OpenRouter.
 */
import { foldName } from '../json/fold-name.ts';
import { nearestDouble } from '../json/json-number.ts';
import { isRecord } from '../json/strict-json.ts';

/** Model named in the path, for services that name it there: whole, with version (`:0`) and ARN. `path`: escapes undone. */
export function modelInPath(path: string): string | undefined {
  const bedrock =
    /\/model\/(.+)\/(?:invoke|invoke-with-response-stream|invoke-with-bidirectional-stream|converse|converse-stream|count-tokens)$/.exec(
      path,
    );
  if (bedrock !== null) return bedrock[1];
  const gemini = /\/(?:models|tunedModels|endpoints)\/([^/]+):[A-Za-z]+$/.exec(path);
  if (gemini !== null) return gemini[1];
  return /\/(?:openai\/deployments|deployments|engines|models|model|tunedModels)\/([^/]+)(?:\/|$)/.exec(path)?.[1];
}

/** Fields whose text is a model's name, or names of several. Folded. */
const modelFields: ReadonlySet<string> = new Set([
  'model',
  'models',
  'modelid',
  'model_id',
  'modelname',
  'model_name',
  'engine',
  'deployment',
  'deployment_id',
  'fallback',
  'fallbacks',
  'fallback_model',
  'fallback_models',
  'fallbackmodel',
  'fallbackmodels',
  'default_fallbacks',
  'context_window_fallbacks',
  'content_policy_fallbacks',
  'draft_model',
  'speculative_model',
  'judge_model',
  'summary_model',
  'router_model',
  'allowed_models',
]);

/** What holds a person's text, a schema or somebody's own notes: names in there name no model to the provider. */
const freeFields: ReadonlySet<string> = new Set([
  'messages',
  'contents',
  'content',
  'input',
  'prompt',
  'system',
  'systeminstruction',
  'system_instruction',
  'instructions',
  'metadata',
  'parameters',
  'parametersjsonschema',
  'input_schema',
  'inputschema',
  'schema',
  'json_schema',
  'responseschema',
  'response_schema',
  'properties',
  'documents',
  'text',
  'texts',
  'query',
]);

/** What a request says of models. */
export interface ModelsNamed {
  /** Where the request, and each request of a batch, says which model it wants: none is left to what the service takes by default. */
  readonly chosen: string | undefined;
  readonly names: readonly string[];
  /** A field that some reader takes for one of the above, and that is spelt otherwise. */
  readonly misspelt: string | undefined;
}

/** Every model a JSON body names: the one asked for, those to fall back to, those of its tools and of a batch's items. */
export function modelsInBody(body: unknown): ModelsNamed {
  const names: string[] = [];
  let misspelt: string | undefined;
  /** Names may stand alone, in lists, in objects that say `{model: …}`, and as values of what they replace. */
  const named = (value: unknown): void => {
    if (typeof value === 'string') names.push(value);
    else if (Array.isArray(value)) value.forEach(named);
    else if (isRecord(value)) {
      if (Object.keys(value).some((key) => modelFields.has(foldName(key)))) visit(value);
      else Object.values(value).forEach(named);
    }
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (!isRecord(value)) return;
    for (const [key, field] of Object.entries(value)) {
      const folded = foldName(key);
      if (modelFields.has(folded)) {
        if (folded !== key && !known.has(key)) misspelt ??= key;
        named(field);
      } else if (!freeFields.has(folded)) visit(field);
    }
  };
  visit(body);
  return { chosen: chosenModel(body), names, misspelt };
}

/** As the references spell them: anything else that folds to one of the names is another spelling. */
const known: ReadonlySet<string> = new Set([...modelFields, 'modelId', 'modelName', 'fallbackModel', 'fallbackModels']);

function chosenModel(body: unknown): string | undefined {
  if (!isRecord(body)) return undefined;
  const own = [body.model, body.modelId].find((value): value is string => typeof value === 'string');
  const batch = batchOf(body);
  if (own !== undefined || batch === undefined) return own;
  const items = batch.map((item) =>
    questionsOf(item)
      .map(chosenModel)
      .find((model) => model !== undefined),
  );
  return items.includes(undefined) ? undefined : items[0];
}

/** The requests of a batch; undefined where the body asks something of its own: a service that answers that reads no `requests` beside it. */
export function batchOf(body: unknown): readonly unknown[] | undefined {
  const lists = batchLists(body);
  return isRecord(body) && questions.some((name) => name in body) ? undefined : lists[0];
}

const questions = ['messages', 'contents', 'input', 'prompt'] as const;

/** Why what is asked of this path cannot be counted as a batch or as none; undefined where it can. */
export function batchFault(body: unknown, path: string): string | undefined {
  const lists = batchLists(body);
  const batch = batchOf(body);
  const isAsked = /:(?:batchGenerateContent|batchEmbedContents|asyncBatchEmbedContent)$/.test(path);
  if (lists.length > 1) return 'one batch to one reader and another to another';
  if (batch?.length === 0) return 'a batch without requests has nothing to count';
  if (batch === undefined && (lists[0]?.length ?? 0) > 0) return 'a batch to one reader and a question to another';
  if (batch === undefined && isAsked) return 'a batch in which no requests can be found';
  return undefined;
}

/** Every list of requests a reader may take for the batch: Gemini's stands deeper, in either spelling. */
function batchLists(body: unknown): readonly (readonly unknown[])[] {
  if (!isRecord(body)) return [];
  const held = inputConfigs(body).map(({ requests }) => (isRecord(requests) ? requests.requests : requests));
  return [body.requests, ...held].filter((list): list is readonly unknown[] => Array.isArray(list));
}

/** What says where the requests of a batch are. Sources: Gemini (`batch.inputConfig`), Vertex AI and Bedrock (jobs of batches). */
function inputConfigs(body: Readonly<Record<string, unknown>>): readonly Readonly<Record<string, unknown>>[] {
  const names = ['input_config', 'inputConfig', 'inputDataConfig', 'input_data_config'];
  return [body, body.batch]
    .filter(isRecord)
    .flatMap((holder) => names.map((name) => holder[name]))
    .filter(isRecord);
}

/** Where the request of a batch's item may stand: under a name that its dialect gives it, or as the item itself. */
export function questionsOf(item: unknown): readonly unknown[] {
  if (!isRecord(item)) return [];
  return [item.params, item.request, item.body, item].filter(isRecord);
}

/** Does the body point to requests that stand somewhere else, in a file or an earlier upload? */
export function namesForeignBatch(body: unknown): boolean {
  if (!isRecord(body)) return false;
  const pointing = ['input_file_id', 'inputFileId', 'src', 'file_name', 'input_dataset_id'];
  const places = ['fileName', 'gcsSource', 'gcs_source', 'bigquerySource', 'bigquery_source', 's3InputDataConfig'];
  return (
    pointing.some((name) => name in body) ||
    inputConfigs(body).some((config) => [...pointing, ...places].some((name) => name in config))
  );
}

/** Taken as the most an answer may have where the request sets no limit. */
const usualAnswerTokens = 1_024;

/** The most tokens the answers to a request may have, as its body says: of each item of a batch, and of each choice asked for. */
export function answerLimit(body: unknown): number {
  const batch = batchOf(body);
  if (batch === undefined) return questionLimit(body);
  // Which of them its service reads is not known here: the largest counts.
  const limitOf = (item: unknown): number => {
    const stated = questionsOf(item).flatMap((question) => statedLimit(question) ?? []);
    return stated.length === 0 ? usualAnswerTokens : Math.max(...stated);
  };
  return batch.reduce<number>((sum, item) => sum + limitOf(item), 0);
}

function questionLimit(body: unknown): number {
  return statedLimit(body) ?? usualAnswerTokens * choicesOf(body);
}

/** The most tokens that a request says its answer may have, all choices together; undefined where it says nothing. */
function statedLimit(body: unknown): number | undefined {
  const stated = limitHolders(body)
    .flatMap((holder) => limitFields.map((name) => nearestDouble(holder[name])))
    .find((value): value is number => value !== undefined && value > 0 && Number.isFinite(value));
  return stated === undefined ? undefined : Math.ceil(stated * choicesOf(body));
}

function choicesOf(body: unknown): number {
  const asked = limitHolders(body)
    .flatMap((holder) => choiceFields.map((name) => nearestDouble(holder[name])))
    .find((value) => value !== undefined && value > 1 && Number.isFinite(value));
  return asked ?? 1;
}

/** Where a request may say how long its answer is to be. */
export function limitHolders(body: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!isRecord(body)) return [];
  const { generationConfig, generation_config, inferenceConfig, options } = body;
  return [body, generationConfig, generation_config, inferenceConfig, options].filter(isRecord);
}

const choiceFields = ['n', 'candidateCount', 'candidate_count', 'num_generations'] as const;

/** Under which names. */
export const limitFields = [
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens',
  'maxOutputTokens',
  'maxTokens',
  'max_tokens_to_sample',
  'num_predict',
] as const;
