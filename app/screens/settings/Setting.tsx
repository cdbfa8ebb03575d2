/** One line of a settings card: what it is, and the control that sets it. */
import type { ReactNode } from 'react';

export function Setting({ title, text, children }: { title: string; text?: string; children: ReactNode }): ReactNode {
  return (
    <div className="setting">
      <div>
        <div>{title}</div>
        {text === undefined ? null : <div className="quiet small">{text}</div>}
      </div>
      {children}
    </div>
  );
}
