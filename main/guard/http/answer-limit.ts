/**
 * Holds how long an answer of a model may be: a question that asks for more asks for so much, and one that says nothing is given the limit in the
 * words of its dialect. Pure. Sources: API references of OpenAI, Anthropic, Gemini, Ollama, Amazon Bedrock (Converse) and Cohere.
 */
import { nearestDouble } from '../json/json-number.ts';
import { isRecord } from '../json/strict-json.ts';
import { batchOf, limitFields, limitHolders, questionsOf } from './models.ts';
import { shownPath } from './target.ts';

type Fields = Record<string, unknown>;

/** Change what is asked so that no answer to it may have more; true where anything was changed. */
export function limitAnswers(body: unknown, target: string, most: number): boolean {
  const batch = batchOf(body);
  const questions = batch === undefined ? [body] : batch.flatMap(questionsOf);
  return questions.map((question) => limitOne(question, target, most)).includes(true);
}

function limitOne(question: unknown, target: string, most: number): boolean {
  const holders = limitHolders(question) as readonly Fields[];
  let [isStated, changed] = [false, false];
  for (const holder of holders) {
    for (const name of limitFields.filter((field) => field in holder)) {
      const stated = nearestDouble(holder[name]);
      // Ollama takes a number below zero for no limit.
      if (stated !== undefined && stated > 0 && stated <= most) isStated = true;
      else {
        holder[name] = most;
        [isStated, changed] = [true, true];
      }
    }
  }
  if (isStated || !isRecord(question)) return changed;
  const place = placeOf(question, shownPath(target));
  if (place === undefined) return false;
  const [within, name] = place;
  if (within === undefined) (question as Fields)[name] = most;
  else (question as Fields)[within] = { ...(isRecord(question[within]) ? question[within] : {}), [name]: most };
  return true;
}

/** Where the dialect of this path states the limit; undefined where nothing is answered in words. */
function placeOf(
  question: Readonly<Fields>,
  path: string,
): readonly [within: string | undefined, name: string] | undefined {
  if ('contents' in question || /:(?:stream)?[gG]enerateContent$/.test(path))
    return ['generationConfig', 'maxOutputTokens'];
  if (/\/api\/(?:chat|generate)$/.test(path)) return ['options', 'num_predict'];
  if (/\/(?:converse|converse-stream)$/.test(path)) return ['inferenceConfig', 'maxTokens'];
  if (/\/responses$/.test(path)) return [undefined, 'max_output_tokens'];
  if (/\/v1\/(?:messages|complete)$|\/v2\/chat$|\/completions$/.test(path) && !/\/chat\/completions$/.test(path)) {
    return [undefined, 'max_tokens'];
  }
  return 'messages' in question ? [undefined, 'max_completion_tokens'] : undefined;
}
