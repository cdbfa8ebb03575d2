/** Two texts as the lines that went and came, with a little of what stayed around them. */
import type { ReactNode } from 'react';
import { diffLines } from './diff-lines.ts';

export function TextDiff({ before, after, label }: { before: string; after: string; label: string }): ReactNode {
  return (
    <div className="diff diff-text" role="region" aria-label={label} tabIndex={0}>
      {diffLines(before, after).map(({ kind, text }, index) =>
        kind === 'removed' ? (
          <del key={index}>{text}</del>
        ) : kind === 'added' ? (
          <ins key={index}>{text}</ins>
        ) : (
          <span key={index} className="diff-kept">
            {kind === 'gap' ? '⋯' : text}
          </span>
        ),
      )}
    </div>
  );
}
