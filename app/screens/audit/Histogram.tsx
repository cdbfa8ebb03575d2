/** When things were recorded, as bars over the span; a part of it is chosen by drawing over it. Fields beside it do the same by keyboard. */
import { useRef, useState, type PointerEvent, type ReactNode } from 'react';
import type { AuditHistogramView } from '../../../main/api/record-views.ts';
import { useText } from '../../text/text.ts';

const heightPx = 56;

export function Histogram({
  histogram,
  onChosen,
}: {
  histogram: AuditHistogramView;
  onChosen: (since: string, until: string) => void;
}): ReactNode {
  const t = useText();
  const host = useRef<SVGSVGElement>(null);
  const [brush, setBrush] = useState<readonly [from: number, to: number]>();
  const { buckets, since, until, total } = histogram;
  const most = Math.max(1, ...buckets.map(({ allow, deny, other }) => allow + deny + other));
  const shareAt = (event: PointerEvent): number => {
    const box = host.current?.getBoundingClientRect();
    return box === undefined ? 0 : Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  const at = (share: number): string =>
    new Date(Date.parse(since) + share * (Date.parse(until) - Date.parse(since))).toISOString();
  const finish = (): void => {
    if (brush === undefined) return;
    setBrush(undefined);
    const [from, to] = [Math.min(...brush), Math.max(...brush)];
    if (to - from > 0.004) onChosen(at(from), at(to));
  };
  return (
    <svg
      ref={host}
      className="histogram"
      viewBox={`0 0 ${buckets.length} ${heightPx}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={t('audit.histogram', {
        count: total,
        denied: buckets.reduce((sum, { deny }) => sum + deny, 0),
        since: t.format.instant(since, false),
        until: t.format.instant(until, false),
      })}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setBrush([shareAt(event), shareAt(event)]);
      }}
      onPointerMove={(event) => {
        if (brush !== undefined) setBrush([brush[0], shareAt(event)]);
      }}
      onPointerUp={finish}
      onPointerCancel={() => setBrush(undefined)}
    >
      {buckets.map(({ allow, deny, other }, index) => {
        // By the square root: an hour with one record is seen beside one with thousands.
        const all = allow + deny + other;
        const whole = Math.sqrt(all / most) * heightPx;
        const denied = all === 0 ? 0 : (deny / all) * whole;
        const rest = whole - denied;
        return (
          <g key={index}>
            <rect className="histogram-rest" x={index + 0.1} width={0.8} y={heightPx - rest} height={rest} />
            <rect className="histogram-deny" x={index + 0.1} width={0.8} y={heightPx - rest - denied} height={denied} />
          </g>
        );
      })}
      {brush === undefined ? null : (
        <rect
          className="histogram-brush"
          x={Math.min(...brush) * buckets.length}
          width={Math.abs(brush[1] - brush[0]) * buckets.length}
          y={0}
          height={heightPx}
        />
      )}
    </svg>
  );
}
