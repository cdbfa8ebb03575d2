/** The head every screen shares: its name, one sentence about its state, its actions. */
import type { ReactNode } from 'react';

export function ScreenHead({
  title,
  lead,
  children,
}: {
  title: string;
  lead: ReactNode;
  children?: ReactNode;
}): ReactNode {
  return (
    <header className="screen-head">
      <div style={{ minWidth: 0 }}>
        <h1 className="screen-title">{title}</h1>
        <p className="screen-lead">{lead}</p>
      </div>
      <div className="screen-actions">{children}</div>
    </header>
  );
}
