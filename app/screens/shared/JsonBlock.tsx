/** Data as it is, for reading: arguments of a call, a record. */
import type { ReactNode } from 'react';
import { CopyButton } from '../../parts/CopyButton.tsx';

export function JsonBlock({ value, label }: { value: unknown; label: string }): ReactNode {
  const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 2);
  return (
    <div className="code-holder">
      <pre className="code-block" tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <CopyButton text={text} what={label} />
    </div>
  );
}
