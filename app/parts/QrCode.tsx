/** A QR code drawn as one SVG path, made in the page: what it holds never leaves it. */
import encodeQR from 'qr';
import { useMemo, type ReactNode } from 'react';

export function QrCode({ value, label, sizePx = 184 }: { value: string; label: string; sizePx?: number }): ReactNode {
  const { path, side } = useMemo(() => {
    const rows = encodeQR(value, 'raw', { ecc: 'medium', border: 3 });
    const squares = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : '')));
    return { path: squares.join(''), side: rows.length };
  }, [value]);
  return (
    <svg role="img" aria-label={label} width={sizePx} height={sizePx} viewBox={`0 0 ${side} ${side}`} className="qr">
      <rect width={side} height={side} fill="#fff" />
      <path d={path} fill="#111" shapeRendering="crispEdges" />
    </svg>
  );
}
