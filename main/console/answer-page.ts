/** The page of a link that answers one question: no script, no cookie, so that it opens in any browser that reaches the console. */
import { createHash } from 'node:crypto';
import type { ApprovalView } from '../api/approval-view.ts';
import { securityHeaders } from './headers.ts';

/** Where the page is, and where its form is sent to. */
export const answerPath = '/answer';

const style =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}' +
  'dt{font-weight:600}dd{margin:0 0 .5rem;overflow-wrap:anywhere}pre{white-space:pre-wrap;overflow-wrap:anywhere}' +
  'input{font:inherit;width:100%;box-sizing:border-box}button{font:inherit;padding:.4rem 1rem;margin:.5rem .5rem 0 0}';
const styleHash = createHash('sha256').update(style).digest('base64');

/** As the console's own, but for the page's style, and its form, whose Origin a browser tells only where it may tell a referrer. */
export function answerHeaders(): Record<string, string> {
  return {
    ...securityHeaders(),
    'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    'referrer-policy': 'same-origin',
    'content-type': 'text/html; charset=utf-8',
  };
}

/** What is asked, and where it can still be answered its two answers. @param told what became of an answer that was just given. */
export function answerPage(row: ApprovalView, link: string, told?: string): string {
  const facts: readonly (readonly [string, string | null])[] = [
    ['State', row.state],
    ['Service', row.service],
    ['Asked by', row.agent === null ? row.identity : `${row.agent} as ${row.identity}`],
    ['Call', row.call === undefined ? null : `${row.call.method} ${row.call.target}`],
    ['Asked at', row.requestedAt],
    ['Until', row.expiresAt],
    ['Answered by', row.answeredBy ?? null],
    ['Reason', row.reason],
  ];
  const list = facts
    .filter((fact): fact is readonly [string, string] => fact[1] !== null)
    .map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`);
  const given = row.call === undefined ? '' : `<pre>${escaped(JSON.stringify(row.call.arguments, null, 2))}</pre>`;
  const news = told === undefined ? '' : `<p role="status">${escaped(told)}</p>`;
  return page(`<h1>Approval</h1>${news}<dl>${list.join('')}</dl>${given}${formOf(row, link)}`);
}

function formOf(row: ApprovalView, link: string): string {
  const buttons =
    row.state === 'pending'
      ? button('grant', 'Grant') + button('deny', 'Deny')
      : row.state === 'granted'
        ? button('deny', 'End it')
        : '';
  if (buttons === '') return '';
  return (
    `<form method="post" action="${answerPath}"><input type="hidden" name="link" value="${escaped(link)}">` +
    `<label>Reason <input name="reason" maxlength="1024" autocomplete="off"></label>${buttons}</form>`
  );
}

function button(value: string, text: string): string {
  return `<button name="answer" value="${value}">${text}</button>`;
}

function page(body: string): string {
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
    `<title>Culvert</title><style>${style}</style><main>${body}</main></html>`
  );
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
