/** Steps along one line, top to bottom: a path that passed or broke, or what happened when. */
import type { ReactNode } from 'react';
import { Icon, type IconName } from './Icon.tsx';

/** One step of a track. */
export interface TrackItem {
  readonly key: string;
  readonly icon: IconName;
  readonly tone: 'ok' | 'warn' | 'bad' | 'plain';
  readonly title: ReactNode;
  /** Said to screen readers before the title: passed, failed. */
  readonly spoken?: string;
  readonly text?: ReactNode;
  readonly aside?: ReactNode;
  /** What to do about it; drawn apart. */
  readonly next?: ReactNode;
}

/** The steps, as a list. */
export function Track({ label, items }: { label: string; items: readonly TrackItem[] }): ReactNode {
  return (
    <ol className="track" aria-label={label}>
      {items.map((item) => (
        <li key={item.key} className="track-item">
          <span className="track-mark" data-tone={item.tone} aria-hidden="true">
            <Icon name={item.icon} size={13} />
          </span>
          <div>
            {item.spoken === undefined ? null : <span className="unseen">{item.spoken}: </span>}
            <span style={{ fontWeight: 560 }}>{item.title}</span>
            {item.text === undefined ? null : <div className="quiet wrap-any">{item.text}</div>}
          </div>
          <div className="quiet small">{item.aside}</div>
          {item.next === undefined ? null : <div className="track-next">{item.next}</div>}
        </li>
      ))}
    </ol>
  );
}
