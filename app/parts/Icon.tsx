/** The line icons of the window, drawn on one 20-unit grid. Decorative: the control beside them carries the name. */
import type { ReactNode } from 'react';

const paths = {
  sessions: 'M2.5 7.5c2.5-3 5-3 7.5 0s5 3 7.5 0M2.5 12.5c2.5-3 5-3 7.5 0s5 3 7.5 0',
  services:
    'M3 5.5a2 2 0 0 1 2-2h10a2 2 0 0 1 2 2v1.5a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2zM3 13a2 2 0 0 1 2-2h10a2 2 0 0 1 2 2v1.5a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2zM6 6.2h.01M6 13.8h.01',
  identities: 'M10 10a3.2 3.2 0 1 0 0-6.4A3.2 3.2 0 0 0 10 10zM3.8 16.5c.6-2.8 3-4.3 6.2-4.3s5.6 1.5 6.2 4.3',
  map: 'M4.5 6.500a1.8 1.8 0 1 0 0-3.600 1.8 1.8 0 0 0 0 3.600zM4.5 17.100a1.8 1.8 0 1 0 0-3.600 1.8 1.8 0 0 0 0 3.600zM15.5 11.800a1.8 1.8 0 1 0 0-3.600 1.8 1.8 0 0 0 0 3.600zM6.3 4.700c4 0 3.500 5.300 7.400 5.300M6.3 15.300c4 0 3.500-5.300 7.400-5.300',
  models: 'M10 3l1.700 4.300L16 9l-4.300 1.700L10 15l-1.700-4.300L4 9l4.300-1.700zM15.500 13.500v3M14 15h3',
  record:
    'M10 16.500a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM10 12.300a2.300 2.300 0 1 0 0-4.600 2.300 2.300 0 0 0 0 4.600z',
  fleet: 'M3.500 4h5v4h-5zM11.500 4h5v4h-5zM3.500 12h5v4h-5zM11.500 12h5v4h-5z',
  policy: 'M10 2.800l6 2.200v4.400c0 3.7-2.4 6.5-6 7.8-3.6-1.3-6-4.1-6-7.800V5zM7.4 9.900l1.9 1.9 3.4-3.6',
  agents:
    'M5 7.500h10a1.5 1.5 0 0 1 1.5 1.500v5.500A1.5 1.5 0 0 1 15 16H5a1.5 1.5 0 0 1-1.5-1.500V9A1.5 1.5 0 0 1 5 7.500zM10 7.500V4M8.5 3.500h3M7.5 11.200v1.200M12.5 11.200v1.2',
  audit: 'M5 3h7l3.5 3.500V17H5zM12 3v3.500h3.500M7.5 10h5M7.5 13h5',
  diagnostics: 'M2.5 10.500h3.200l2-5.5 3.6 10 2.2-6 1 1.500h3',
  settings:
    'M4 6h7M14.5 6H16M4 10h1.500M9 10h7M4 14h6M13.5 14H16M12.8 7.600a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.200zM7.2 11.600a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.200zM11.8 15.600a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.200z',
  search: 'M9 14a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM12.7 12.700L16.5 16.5',
  close: 'M5.5 5.500l9 9M14.5 5.500l-9 9',
  check: 'M4.5 10.500l3.7 3.7 7.3-8',
  cross: 'M6 6l8 8M14 6l-8 8',
  minus: 'M5.5 10h9',
  question: 'M7.6 7.600a2.5 2.5 0 1 1 3.6 2.300c-.8.4-1.2.9-1.2 1.800M10 14.600h.01',
  down: 'M5.5 8l4.5 4.500L14.5 8',
  right: 'M8 5.500l4.5 4.500L8 14.5',
  up: 'M5.5 12L10 7.500l4.5 4.5',
  pause: 'M7.2 5v10M12.8 5v10',
  play: 'M6.8 4.800v10.400l8.6-5.200z',
  plus: 'M10 4.500v11M4.5 10h11',
  more: 'M5 10h.01M10 10h.01M15 10h.01',
  lock: 'M6.5 9V6.800a3.5 3.5 0 0 1 7 0V9M5 9h10v7.500H5z',
  key: 'M12.5 10.500a3.7 3.7 0 1 0-3.5-2.500L3.5 13.500v3h3v-2h2v-2h1.500l.8-.8c.5.2 1.1.3 1.7.300zM13.2 6.800h.01',
  warning: 'M10 3.500L17.5 16.500h-15zM10 8.500v3.500M10 14.300h.01',
  info: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 9.500v4M10 6.700h.01',
  download: 'M10 3.500v9M6.2 9l3.8 3.700L13.8 9M4 16.500h12',
  upload: 'M10 12.500v-9M6.2 7L10 3.3 13.8 7M4 16.500h12',
  copy: 'M7 7h8.500v9.500H7zM4.5 13V3.500H13',
  link: 'M8.5 11.500l3-3M9 6.500l1.5-1.500a3.2 3.2 0 0 1 4.5 4.500L13.5 11M11 13.500L9.5 15A3.2 3.2 0 0 1 5 10.500L6.5 9',
  refresh: 'M16 10a6 6 0 1 1-1.8-4.300L16 7.500M16 3.500v4h-4',
  clock: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4.200l2.7 1.8',
  shield: 'M10 2.800l6 2.200v4.400c0 3.7-2.4 6.5-6 7.8-3.6-1.3-6-4.1-6-7.800V5z',
  tool: 'M12.2 7.800a3.6 3.6 0 0 0 4.6-3.400l-2.2 1.4-1.7-1 .1-2.100a3.6 3.6 0 0 0-4.4 4.900L3.5 12.700a1.9 1.9 0 0 0 2.8 2.700z',
  file: 'M5 3h7l3.5 3.500V17H5zM12 3v3.500h3.5',
  sun: 'M10 13.200a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.400zM10 2.800v1.400M10 15.800v1.400M2.8 10h1.400M15.8 10h1.400M4.9 4.900l1 1M14.1 14.100l1 1M4.9 15.100l1-1M14.1 5.900l1-1',
  moon: 'M16.3 11.700A6.7 6.7 0 0 1 8.3 3.700a6.7 6.7 0 1 0 8 8z',
  spinner: 'M10 3.500a6.5 6.5 0 1 1-6.5 6.5',
  arrow: 'M4 10h11.500M11 5.500l4.5 4.5-4.5 4.5',
} as const;

/** The icons there are. */
export type IconName = keyof typeof paths;

/** One icon, square, in the colour of the text around it. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }): ReactNode {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === 'more' ? 2.4 : 1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** The mark: a road carried over a stream. */
export function Mark({ size = 26 }: { size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true" focusable="false">
      <path d="M3 7.500h26" stroke="currentColor" strokeWidth="2.6" strokeLinecap="round" />
      <path
        d="M5.5 25V18.500a10.5 10.5 0 0 1 21 0V25"
        stroke="currentColor"
        strokeWidth="2.6"
        strokeLinecap="round"
        fill="none"
      />
      <path
        d="M10.5 21.500c1.8-2 3.7-2 5.5 0s3.7 2 5.5 0M10.5 26.500c1.8-2 3.7-2 5.5 0s3.7 2 5.5 0"
        stroke="currentColor"
        strokeWidth="2.2"
        strokeLinecap="round"
        opacity="0.8"
      />
    </svg>
  );
}
