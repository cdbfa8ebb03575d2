/** The stream: what flows to the services above the line, what flows back below it, over the last two minutes. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef, type ReactNode } from 'react';
import { defined } from '../../main/base/defined.ts';

/** Bytes a second at each of `times` (Unix seconds); all three of one length. */
export interface FlowSeries {
  readonly times: readonly number[];
  readonly sent: readonly number[];
  readonly received: readonly number[];
}

/** A colour token of the document as the canvas needs it. */
function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(widthPx: number, heightPx: number): uPlot.Options {
  const half = 1000;
  // a peak that touches the edge looks cut off
  const headroom = 1.08;
  const spline = uPlot.paths.spline?.();
  const curve = defined({ paths: spline });
  const area = (name: string): { stroke: () => string; fill: () => string } => ({
    stroke: () => token(name),
    fill: () => `color-mix(in srgb, ${token(name)} 16%, transparent)`,
  });
  return {
    width: widthPx,
    height: heightPx,
    padding: [2, 0, 2, 0],
    cursor: { show: false },
    legend: { show: false },
    scales: {
      x: { time: true },
      // symmetrical about the line, and never so fine that silence looks like noise
      y: { range: (_plot, min, max) => [-Math.max(half, -min, max) * headroom, Math.max(half, -min, max) * headroom] },
    },
    axes: [{ show: false }, { show: false }],
    series: [
      {},
      { ...area('--flow-up'), width: 1.4, points: { show: false }, ...curve },
      { ...area('--flow-down'), width: 1.4, points: { show: false }, ...curve },
    ],
    hooks: {
      draw: [
        (plot) => {
          const { ctx, bbox } = plot;
          const y = Math.round(plot.valToPos(0, 'y', true)) + 0.5;
          ctx.save();
          ctx.strokeStyle = token('--line-strong');
          ctx.lineWidth = 1;
          ctx.beginPath();
          ctx.moveTo(bbox.left, y);
          ctx.lineTo(bbox.left + bbox.width, y);
          ctx.stroke();
          ctx.restore();
        },
      ],
    },
  };
}

function mirrored(series: FlowSeries): uPlot.AlignedData {
  return [[...series.times], [...series.sent], series.received.map((value) => -value)];
}

/** @param themeKey changes whenever colours do, so that the canvas is painted again. */
export function FlowRibbon({
  series,
  label,
  themeKey,
}: {
  series: FlowSeries;
  label: string;
  themeKey: string;
}): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(series);
  latest.current = series;

  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const made = new uPlot(options(element.clientWidth, element.clientHeight), mirrored(latest.current), element);
    plot.current = made;
    const resized = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, []);
  useEffect(() => plot.current?.setData(mirrored(series)), [series]);
  useEffect(() => plot.current?.redraw(), [themeKey]);

  return <div ref={host} className="ribbon-canvas" role="img" aria-label={label} />;
}
