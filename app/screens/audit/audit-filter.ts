/** What the audit is narrowed to: it stands in the address, so that an incident can be sent to somebody as a link. */
import type { AuditSearch } from '../shared/use-records.ts';
import type { RouteQuery } from '../route.ts';

/** Fields that a chip narrows to one value. */
export const chipFields = ['kind', 'agent', 'tool', 'service', 'identity', 'session'] as const;
/** A member of {@link chipFields}. */
export type ChipField = (typeof chipFields)[number];

/** Spans that can be had with one press. */
export const presets = ['hour', 'today', 'yesterday', 'week', 'month', 'all'] as const;
/** A member of {@link presets}. */
export type Preset = (typeof presets)[number];

/** From the address to what is asked of the engine. Words of the address that mean nothing are passed over. */
export function auditSearch(query: RouteQuery): AuditSearch {
  const search: Record<string, string> = {};
  for (const field of chipFields) {
    const value = query[field];
    if (value !== undefined) search[field] = value;
  }
  const { text, decision, since, until } = query;
  if (text !== undefined && text.trim() !== '') search['text'] = text.trim();
  if (decision === 'allow' || decision === 'deny') search['decision'] = decision;
  if (since !== undefined && isInstant(since)) search['since'] = since;
  if (until !== undefined && isInstant(until)) search['until'] = until;
  return search;
}

/** The days of a preset begin where the clock that is shown has midnight. */
export function presetSpan(preset: Preset, nowMs: number, utc: boolean): { since?: string; until?: string } {
  const midnight = new Date(nowMs);
  if (utc) midnight.setUTCHours(0, 0, 0, 0);
  else midnight.setHours(0, 0, 0, 0);
  const back = (days: number): Date => {
    const day = new Date(midnight);
    // by the calendar, not by 24 hours: two days of the year are shorter or longer
    if (utc) day.setUTCDate(day.getUTCDate() - days);
    else day.setDate(day.getDate() - days);
    return day;
  };
  switch (preset) {
    case 'hour':
      return { since: new Date(nowMs - 3_600_000).toISOString() };
    case 'today':
      return { since: midnight.toISOString() };
    case 'yesterday':
      return { since: back(1).toISOString(), until: new Date(midnight.getTime() - 1).toISOString() };
    case 'week':
      return { since: back(7).toISOString() };
    case 'month':
      return { since: back(30).toISOString() };
    case 'all':
      return {};
  }
}

/** As a field for date and time has it, `2026-11-30T14:03:22`, and back; empty where there is none. */
export function toLocalField(iso: string | undefined, utc: boolean): string {
  if (iso === undefined || !isInstant(iso)) return '';
  const at = new Date(iso);
  const shifted = utc ? at : new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

/** Undefined for what is no date and time. */
export function fromLocalField(value: string, utc: boolean): string | undefined {
  const at = new Date(utc ? `${value}Z` : value);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

function isInstant(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/.test(text) && !Number.isNaN(Date.parse(text));
}
