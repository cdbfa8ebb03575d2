/**
 * Text that speaks to a model in its user's or owner's place: orders to set its instructions aside, to keep something from its user, to send what it
 * knows somewhere; marks of a conversation where there is none; letters nobody sees. By form alone: it neither finds all of it, nor is all that it finds
 * meant badly. Pure.
 */
import type { Detector, FoundText } from './found.ts';

/** Longer gaps join what does not belong together; each pattern is linear but for them. */
const patterns: readonly RegExp[] = [
  // Set your instructions aside.
  /\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|preceding|all|any|your|these|those|system|safety)\b[^.\n]{0,30}\b(?:instructions?|prompts?|rules|directions|guidelines|directives|constraints|programming)\b/gi,
  /(?<!\p{L})(?:ignorier\p{L}*|vergiss|vergessen Sie|missachte\p{L}*|übergeh\p{L}*)(?!\p{L})[^.\n]{0,40}(?<!\p{L})(?:bisherige\p{L}*|vorherige\p{L}*|vorige\p{L}*|obige\p{L}*|sämtliche\p{L}*|alle\p{L}*|deine\p{L}*|frühere\p{L}*)(?!\p{L})[^.\n]{0,30}(?<!\p{L})(?:Anweisung\p{L}*|Regeln|Vorgaben|Befehle|Instruktion\p{L}*|Prompts?)/giu,
  /(?<!\p{L})(?:ignora|olvida|ignorez|oubliez|oublie)(?!\p{L})[^.\n]{0,30}(?<!\p{L})(?:todas|las|toutes|les|tes|vos)(?!\p{L})[^.\n]{0,30}(?<!\p{L})(?:instrucciones|instructions|reglas|règles|consignes)/giu,
  // Others, in their place.
  /(?:^|[\n>*#-])[ \t]*(?:new|updated|revised|real|important|urgent)[ \t]+(?:system[ \t]+)?(?:instructions?|prompt|directives?)\b[^.\n]{0,40}:/gi,
  /\bfrom now on\b[^.\n]{0,40}\byou\b[^.\n]{0,40}\b(?:only|always|never|must|obey|follow)\b/gi,
  /\byou are now\b[^.\n]{0,60}\b(?:unrestricted|unfiltered|jailbroken|developer mode|no longer bound|without (?:any )?(?:restrictions|limits|filters|rules))/gi,
  /\b(?:pretend|act|behave|respond|answer)\b[^.\n]{0,40}\b(?:no|without(?: any)?)[ \t]+(?:restrictions|rules|limits|filters|guidelines|safety)\b/gi,
  // Marks of a conversation.
  /<\|(?:im_start|im_end|system|start_header_id|end_of_turn|endoftext)\|>|\[\/?INST\]|<<\/?SYS>>|<\/?(?:system|system_prompt|system-instructions?|assistant)>/gi,
  /<(?:important|secret|hidden|instructions?)>[^<]{0,200}\b(?:must|always|never|do not|before|ignore)\b/gi,
  // Keep it from the user.
  /\b(?:do not|don't|never|without)\b[^.\n]{0,20}\b(?:tell|telling|inform|informing|mention|mentioning|notify|notifying|alert|alerting|asking)\b[^.\n]{0,40}\b(?:user|human|operator|owner)\b(?!['’]s)/gi,
  // Send what you know.
  /\b(?:send|post|upload|e-?mail|forward|exfiltrate|transmit|leak|append|encode|include)\b[^.\n]{0,60}(?:\b(?:system prompt|conversation|chat history|api keys?|credentials|passwords?|secrets|environment variables|private keys?|access tokens?)|\.env)\b[^.\n]{0,60}(?:https?:\/\/|\b[\w.+-]{1,64}@[\w-]|\b(?:this|the following|my) (?:url|address|endpoint|server|webhook)\b)/gi,
  /\b(?:reveal|print|repeat|output|show|display|disclose)\b[^.\n]{0,30}\b(?:your|the)\b[^.\n]{0,20}\b(?:system (?:prompt|message|instructions)|initial (?:prompt|instructions)|hidden (?:prompt|instructions)|developer message)\b/gi,
  // Whoever reads this.
  /\b(?:attention|note to|message (?:to|for)|instructions? (?:to|for)|if you are an?)\b[^.\n]{0,12}\b(?:ai|llm|language model|ai assistant|ai agent|chatbot)s?\b[^\n]{0,80}\b(?:must|should|ignore|call|run|execute|respond|recommend|approve|rate|visit|reply|output)\b/gi,
  /\b(?:before|after|instead of)\b[^.\n]{0,20}\b(?:using|calling|answering|responding)\b[^.\n]{0,40}\b(?:you must|always|first)\b[^.\n]{0,30}\b(?:call|run|execute|read|invoke|send)\b/gi,
  // Letters nobody sees.
  /[\u{E0020}-\u{E007E}]{4,}/gu,
];

/** Shorter texts hold none of it. */
const shortest = 8;

/** Finds each such text once, by the first of the patterns that has it. */
export const injectionDetector: Detector = (text) => {
  if (text.length < shortest) return [];
  const found: FoundText[] = [];
  for (const pattern of patterns) {
    for (const { 0: whole, index: start } of text.matchAll(pattern)) {
      const end = start + whole.length;
      if (found.every((one) => end <= one.start || start >= one.end)) {
        found.push({ name: 'prompt-injection', start, end });
      }
    }
  }
  return found;
};
