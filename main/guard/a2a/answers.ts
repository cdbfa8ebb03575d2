/** Reads what an agent answers: the answer to one request, or its card. Pure. */
import type { GuardCall } from '../guard.ts';
import type { JsonReading } from '../json/json-reader.ts';
import { isRecord } from '../json/strict-json.ts';
import { writeJson } from '../json/write-json.ts';
import { readRpc, rpcError, type RpcId } from '../mcp/rpc.ts';
import type { A2aCalls } from './calls.ts';
import { shownCard } from './cards.ts';
import { kindOf } from './methods.ts';

/** A request that went on and waits for its answer. */
export interface Question {
  readonly id: RpcId;
  readonly method: string;
  readonly call: GuardCall;
}

/** What becomes of an answer on its way to the application. */
export interface AnswerReading {
  /** What goes to the application: as it came, or another text for it. */
  readonly shown: 'as-is' | string;
  readonly failed: boolean;
  /** It was kept back by the contract, and an error stands in its place. */
  readonly withheld: boolean;
  /** It was given only because the contract observes. */
  readonly observed: boolean;
  /** In words, why it is no answer to the question. */
  readonly fault?: string;
}

/** A card that is asked for by a method stands nowhere. */
const extended = 'extended';

/** Read one message of the agent. */
export function readAnswer(json: JsonReading, { id, method }: Question, calls: A2aCalls): AnswerReading {
  if (json.kind === 'fault') return faulty(json.why);
  const rpc = readRpc(json.value, false);
  if (rpc.kind === 'fault') return faulty(rpc.why);
  const [message] = rpc.messages;
  if (rpc.batch || message?.kind !== 'response') return faulty('what is no answer');
  const { result, error, failed } = message;
  // An error may have no id, where the agent could not read the request.
  if (message.id !== id && !(failed && message.id === null)) return faulty('an answer to another question');
  // Every result of A2A is an object, or nothing where there is nothing to say.
  if (!failed && result === undefined && isRecord(json.value) && json.value.result !== null) {
    return faulty('a result that is no object');
  }
  if (error !== undefined) {
    const kept = calls.shownError(error);
    const shown = kept === error ? 'as-is' : writeJson({ jsonrpc: '2.0', id: message.id, error: kept });
    return { shown, failed, withheld: false, observed: false };
  }
  const { refusal, observed = false } = calls.withheld(result);
  if (refusal !== undefined) {
    const shown = JSON.stringify(rpcError(id, refusal.code, refusal.message, refusal.data));
    return { shown, failed, withheld: true, observed };
  }
  if (result === undefined || kindOf(method) !== 'card') return { shown: 'as-is', failed, withheld: false, observed };
  const card = shownCard(result, (skill) => calls.shows(skill));
  calls.endpoints.learn(extended, card);
  if (card === result || !isRecord(json.value)) return { shown: 'as-is', failed, withheld: false, observed };
  return { shown: writeJson({ ...json.value, result: card }), failed, withheld: false, observed };
}

/** Read an agent's card that stands at `place`, and leave out what the contract does not show. Where it says the agent is, it may be spoken to. */
export function readCard(json: JsonReading, place: string, calls: A2aCalls): AnswerReading {
  if (json.kind === 'fault') return faulty(json.why);
  if (!isRecord(json.value)) return faulty('a card that is no object');
  const card = shownCard(json.value, (skill) => calls.shows(skill));
  calls.endpoints.learn(place, card);
  return { shown: card === json.value ? 'as-is' : writeJson(card), failed: false, withheld: false, observed: false };
}

function faulty(fault: string): AnswerReading {
  return { shown: 'as-is', failed: true, withheld: false, observed: false, fault };
}
