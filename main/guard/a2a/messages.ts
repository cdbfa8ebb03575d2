/**
 * Messages of A2A, read so that no second reader finds another skill or another kind of part in them. Pure.
 * Source: A2A specification, revisions 0.3.0 (parts told by `kind`) and 1.0.0 (told by the field that is set): "Message", "Part".
 */
import { foldName } from '../json/fold-name.ts';
import { isRecord } from '../json/strict-json.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What one part is: its kind and its media type, either of which a rule may name. */
export interface PartType {
  readonly kind: 'text' | 'data' | 'file';
  readonly mediaType: string;
}

/** What a message asks of an agent. */
export interface SentMessage {
  /** The skill it asks for, where it names one. */
  readonly skill: string | undefined;
  readonly parts: readonly PartType[];
  /** Asks the agent to call somebody by itself. */
  readonly push: boolean;
}

const requestFields = ['tenant', 'message', 'configuration', 'metadata'];
const pushFields = ['taskPushNotificationConfig', 'pushNotificationConfig'];
const configurationFields = ['acceptedOutputModes', 'historyLength', 'returnImmediately', 'blocking', ...pushFields];
const messageFields = 'kind messageId contextId taskId role parts metadata extensions referenceTaskIds'.split(' ');
const contentFields = ['text', 'raw', 'url', 'data', 'file'] as const;
const partFields = ['kind', 'metadata', 'filename', 'mediaType', ...contentFields];
const fileFields = ['name', 'mimeType', 'bytes', 'uri'];

/** What a request sends, or in words what of it cannot be read. `namesSkill`: the skill it names has to be certain. */
export function readSent(params: Fields, namesSkill: boolean): SentMessage | string {
  const { message, configuration } = params;
  const odd =
    oddField(params, requestFields) ??
    (isRecord(configuration) ? oddField(configuration, configurationFields) : undefined) ??
    (isRecord(message) ? oddField(message, messageFields) : undefined);
  if (odd !== undefined) return `the field "${odd.slice(0, 64)}"`;
  if (!isRecord(message)) return 'a request without a message';
  if (configuration !== undefined && !isRecord(configuration)) return 'a configuration that is no object';
  if (!Array.isArray(message.parts)) return 'a message without parts';
  const parts: PartType[] = [];
  for (const part of message.parts) {
    const read = readPart(part);
    if (typeof read === 'string') return read;
    parts.push(read);
  }
  const skill = namesSkill ? readSkill([params.metadata, message.metadata]) : { named: undefined };
  if (typeof skill === 'string') return skill;
  const push = isRecord(configuration) && pushFields.some((field) => (configuration[field] ?? null) !== null);
  return { skill: skill.named, parts, push };
}

/** Every part of what an agent answers, wherever it stands: in messages, artifacts, states and histories; in words what cannot be read. */
export function answeredParts(value: unknown): readonly PartType[] | string {
  const found: PartType[] = [];
  const visit = (one: unknown): string | undefined => {
    if (Array.isArray(one)) return firstOf(one, visit);
    if (!isRecord(one)) return undefined;
    return firstOf(Object.entries(one), ([name, field]) => {
      const folded = foldName(name);
      if (folded === 'metadata') return undefined;
      if (folded !== 'parts') return visit(field);
      if (!Array.isArray(field)) return 'parts that are no list';
      return firstOf(field, (part) => {
        const read = readPart(part);
        if (typeof read === 'string') return read;
        found.push(read);
        return undefined;
      });
    });
  };
  return visit(value) ?? found;
}

function readPart(part: unknown): PartType | string {
  if (!isRecord(part)) return 'a part that is no object';
  const odd = oddField(part, partFields);
  if (odd !== undefined) return `a part with the field "${odd.slice(0, 64)}"`;
  const set = contentFields.filter((field) => field in part);
  const [content] = set;
  if (content === undefined || set.length > 1) return 'a part that is not one thing';
  const kind = content === 'text' || content === 'data' ? content : 'file';
  if (part.kind !== undefined && part.kind !== kind) return 'a part that is of another kind than it says';
  if (content !== 'data' && content !== 'file' && typeof part[content] !== 'string')
    return `a ${content} that is no text`;
  const file = content === 'file' ? part.file : undefined;
  if (content === 'file') {
    if (!isRecord(file) || oddField(file, fileFields) !== undefined) return 'a file that cannot be read';
    if ('bytes' in file === 'uri' in file) return 'a file that is not one thing';
  }
  const named = isRecord(file) ? file.mimeType : part.mediaType;
  if (named !== undefined && typeof named !== 'string') return 'a media type that is no text';
  return { kind, mediaType: mediaTypeIn(named) ?? defaultTypes[kind] };
}

const defaultTypes = { text: 'text/plain', data: 'application/json', file: 'application/octet-stream' } as const;

/** Without its parameters; undefined where none is named. */
function mediaTypeIn(named: string | undefined): string | undefined {
  const type = named?.split(';')[0]?.trim().toLowerCase();
  return type === '' ? undefined : type;
}

/** The skill that is named, in one place or in both alike. */
function readSkill(places: readonly unknown[]): { readonly named: string | undefined } | string {
  const named = new Set<string>();
  for (const metadata of places) {
    if (metadata === undefined || metadata === null) continue;
    if (!isRecord(metadata)) return 'metadata that is no object';
    const other = Object.keys(metadata).find(
      (name) => name !== 'skillId' && /^skill(?:id|name)?s?$/.test(foldName(name).replace(/[^a-z0-9]/g, '')),
    );
    if (other !== undefined) return `a skill named in "${other.slice(0, 64)}": it is read from "skillId"`;
    const { skillId } = metadata;
    if (skillId === undefined) continue;
    if (typeof skillId !== 'string') return 'a skillId that is no text';
    named.add(skillId);
  }
  return named.size > 1 ? 'two skills in one message' : { named: [...named][0] };
}

/** A field that nobody here knows, or a known one in another spelling: some reader would find in it what is not judged. */
function oddField(value: Fields, known: readonly string[]): string | undefined {
  return Object.keys(value).find((name) => !known.includes(name));
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
