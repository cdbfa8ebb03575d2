/** What a question to a model says, in every dialect: its text, the latest of it, and whether it offers tools. Pure. */
import { isRecord } from '../../guard/json/strict-json.ts';

/** A question, as far as a model is chosen by it. */
export interface QuestionText {
  /** Everything that is said in it, instructions and earlier turns included. */
  readonly all: string;
  /** What was said last by whoever asks; results of tools are nobody's words. */
  readonly latest: string;
  readonly offersTools: boolean;
}

/** Of a body that was parsed; empty where it has none of the shapes that are known. */
export function questionText(body: unknown): QuestionText {
  if (!isRecord(body)) return { all: '', latest: '', offersTools: false };
  const turns = [body['messages'], body['contents'], body['input'], body['prompt']].find((one) => one !== undefined);
  const frame = ['system', 'instructions', 'systemInstruction', 'system_instruction'].map((name) => body[name]);
  const { tools, toolConfig } = body;
  return {
    all: [...frame, turns].flatMap(everyText).join('\n'),
    latest: latestOf(turns),
    offersTools: (Array.isArray(tools) && tools.length > 0) || isRecord(toolConfig),
  };
}

function latestOf(turns: unknown): string {
  if (typeof turns === 'string') return turns;
  if (!Array.isArray(turns)) return '';
  const said = turns
    .filter((turn) => !isRecord(turn) || turn['role'] === undefined || turn['role'] === 'user')
    .map((turn) => ownTexts(turn).join('\n'));
  return said.findLast((text) => text !== '') ?? '';
}

/** Texts of one turn that stand in it directly. */
function ownTexts(turn: unknown): readonly string[] {
  if (typeof turn === 'string') return [turn];
  if (!isRecord(turn)) return [];
  const parts = turn['content'] ?? turn['parts'] ?? turn['text'];
  if (typeof parts === 'string') return [parts];
  if (!Array.isArray(parts)) return [];
  return parts.flatMap((part) => (isRecord(part) && typeof part['text'] === 'string' ? [part['text']] : []));
}

function everyText(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(everyText);
  if (!isRecord(value)) return [];
  return [value['text'], value['content'], value['parts']].flatMap(everyText);
}
