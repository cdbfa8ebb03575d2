/** The small pieces every screen is laid from: state in words, facts, meters, notices, empty and waiting states. */
import { Meter as AriaMeter } from 'react-aria-components';
import { Fragment, type ReactNode } from 'react';
import { defined } from '../../main/base/defined.ts';
import { Icon, Mark, type IconName } from './Icon.tsx';

/** How good or bad something is, as colour and shape. */
export type Tone = 'ok' | 'warn' | 'bad' | 'live' | 'off' | 'plain';

/** A dot and a word: never colour alone. */
export function Status({ tone, children }: { tone: Tone; children: ReactNode }): ReactNode {
  return (
    <span className="status">
      <span className="dot" data-tone={tone} aria-hidden="true" />
      <span className="clip">{children}</span>
    </span>
  );
}

/** A word or two in a frame. */
export function Tag({ tone, children }: { tone?: 'water' | 'ok' | 'warn' | 'bad'; children: ReactNode }): ReactNode {
  return (
    <span className="tag" {...defined({ 'data-tone': tone })}>
      {children}
    </span>
  );
}

/** Name and value pairs; pairs without a value are left out. */
export function Facts({ items }: { items: readonly (readonly [name: ReactNode, value: ReactNode])[] }): ReactNode {
  return (
    <dl className="facts">
      {items
        .filter(([, value]) => value !== undefined && value !== null && value !== '')
        .map(([name, value], index) => (
          <Fragment key={typeof name === 'string' ? name : index}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
    </dl>
  );
}

/** A part of a drawer or card under its own heading. */
export function Section({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ReactNode;
  children: ReactNode;
}): ReactNode {
  return (
    <section className="section">
      <h3 className="section-title">
        {title}
        {aside}
      </h3>
      {children}
    </section>
  );
}

/** How much is left of something limited. Turns warm below a fifth. */
export function Meter({ label, value, share }: { label: string; value: string; share: number }): ReactNode {
  const tone = share <= 0.05 ? 'bad' : share <= 0.2 ? 'warn' : 'ok';
  return (
    <AriaMeter value={Math.round(share * 100)} valueLabel={value} aria-label={label} className="meter">
      <span className="quiet">{label}</span>
      <span>{value}</span>
      <div className="meter-track">
        <div className="meter-fill" data-tone={tone} style={{ width: `${Math.max(0, Math.min(1, share)) * 100}%` }} />
      </div>
    </AriaMeter>
  );
}

/** A few lines set apart, with the weight of their tone. */
export function Notice({
  tone = 'info',
  children,
}: {
  tone?: 'info' | 'warn' | 'bad';
  children: ReactNode;
}): ReactNode {
  return (
    <div className="notice" data-tone={tone} role={tone === 'bad' ? 'alert' : 'note'}>
      <Icon name={tone === 'info' ? 'info' : 'warning'} size={16} />
      <div className="wrap-any">{children}</div>
    </div>
  );
}

/** A reason and what to do about it, in two lines. */
export function ReasonLines({ reason }: { reason: { readonly sentence: string; readonly next?: string } }): ReactNode {
  return (
    <>
      <p>{reason.sentence}</p>
      {reason.next === undefined ? null : <p style={{ fontWeight: 560 }}>{reason.next}</p>}
    </>
  );
}

/** What a place says while there is nothing in it, and what to do about that. */
export function Empty({
  title,
  text,
  icon,
  children,
}: {
  title: string;
  text: string;
  icon?: IconName;
  children?: ReactNode;
}): ReactNode {
  return (
    <div className="empty">
      {icon === undefined ? <Mark size={52} /> : <Icon name={icon} size={44} />}
      <p className="empty-title">{title}</p>
      <p className="empty-text">{text}</p>
      {children}
    </div>
  );
}

/** Rows in waiting, as high as the rows they stand for. */
export function SkeletonRows({ rows, heightPx, label }: { rows: number; heightPx: number; label: string }): ReactNode {
  return (
    <div role="status" aria-label={label} className="screen-scroll">
      {Array.from({ length: rows }, (_, index) => (
        <div
          key={index}
          style={{ height: heightPx, display: 'flex', alignItems: 'center', gap: 24 }}
          aria-hidden="true"
        >
          <div className="skeleton" style={{ height: 12, width: `${24 + ((index * 7) % 14)}%` }} />
          <div className="skeleton" style={{ height: 12, width: `${18 + ((index * 5) % 12)}%` }} />
          <div className="skeleton" style={{ height: 12, width: '10%', marginLeft: 'auto' }} />
        </div>
      ))}
    </div>
  );
}

/** Two lines in one cell: what it is, and what belongs to it. */
export function TwoLines({ main, sub, title }: { main: ReactNode; sub?: ReactNode; title?: string }): ReactNode {
  return (
    <div className="cell-two" {...defined({ title })}>
      <span className="cell-main">{main}</span>
      {sub === undefined || sub === null || sub === '' ? null : <span className="cell-sub">{sub}</span>}
    </div>
  );
}
