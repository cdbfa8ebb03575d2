/** Numbers, sizes, spans and instants in the words of a language. Sizes in powers of 1000, as network tools count. */

export interface Format {
  number(value: number): string;
  bytes(bytes: number): string;
  /** Bytes a second. */
  rate(bytesPerSecond: number): string;
  /** `3 s`, `4 min`, `2 h 10 min`, `5 d`. */
  span(spanMs: number): string;
  /** `14:03:22`. */
  time(iso: string): string;
  date(iso: string): string;
  dateTime(iso: string): string;
  /** Whole: day, year, time to the millisecond, zone. */
  instant(iso: string, utc: boolean): string;
  /** The same in short: the day in words where it was today or yesterday, seen from `nowMs`, and without the zone. */
  recently(iso: string, nowMs: number, utc: boolean): string;
  /** `GMT+1`, `UTC`. */
  zone(utc: boolean): string;
  /** `in 12 days`, `3 hours ago`. */
  relative(iso: string, nowMs: number): string;
  percent(share: number): string;
  /** `€3.20`; small sums to the hundredth of a cent. */
  money(amount: number, currency: string): string;
}

const sizes = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

const clockTime = {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hour12: false,
} as const;

/** A format by the clock of this place, and by UTC's; each made when it is first wanted, for making one takes milliseconds. */
function bothClocks(locale: string, options: Intl.DateTimeFormatOptions): (utc: boolean) => Intl.DateTimeFormat {
  let here: Intl.DateTimeFormat | undefined;
  let utcs: Intl.DateTimeFormat | undefined;
  return (utc) =>
    utc
      ? (utcs ??= new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' }))
      : (here ??= new Intl.DateTimeFormat(locale, options));
}

/** Figures, sizes and times as a language writes them. */
export function createFormat(locale: string): Format {
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const tenth = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
  const time = new Intl.DateTimeFormat(locale, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  });
  const date = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
  const dateTime = new Intl.DateTimeFormat(locale, {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  });
  const exact = bothClocks(locale, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    ...clockTime,
    timeZoneName: 'short',
  });
  const dayed = bothClocks(locale, { day: 'numeric', month: 'short', year: 'numeric', ...clockTime });
  const timed = bothClocks(locale, clockTime);
  // Numbers of years, months and days that sort and compare, whatever the language.
  const calendar = bothClocks('sv', { year: 'numeric', month: '2-digit', day: '2-digit' });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const units = { day: { en: 'd', de: 'T' }[locale] ?? 'd', hour: { de: 'Std.' }[locale] ?? 'h' };

  const bytes = (value: number): string => {
    let scaled = value;
    let unit = 0;
    while (scaled >= 999.5 && unit < sizes.length - 1) {
      scaled /= 1000;
      unit += 1;
    }
    return `${unit === 0 || scaled >= 100 ? whole.format(scaled) : tenth.format(scaled)} ${sizes[unit] ?? ''}`;
  };

  return {
    number: (value) => whole.format(value),
    bytes,
    rate: (value) => `${bytes(value)}/s`,
    span(spanMs) {
      const seconds = Math.max(0, Math.floor(spanMs / 1000));
      if (seconds < 60) return `${seconds} s`;
      const minutes = Math.floor(seconds / 60);
      if (minutes < 60) return `${minutes} min`;
      const hours = Math.floor(minutes / 60);
      if (hours < 48)
        return minutes % 60 === 0 ? `${hours} ${units.hour}` : `${hours} ${units.hour} ${minutes % 60} min`;
      return `${Math.floor(hours / 24)} ${units.day}`;
    },
    time: (iso) => time.format(new Date(iso)),
    date: (iso) => date.format(new Date(iso)),
    dateTime: (iso) => dateTime.format(new Date(iso)),
    instant: (iso, utc) => exact(utc).format(new Date(iso)),
    recently(iso, nowMs, utc) {
      const at = new Date(iso);
      const day = calendar(utc);
      const days = (Date.parse(day.format(new Date(nowMs))) - Date.parse(day.format(at))) / 86_400_000;
      if (days === 0) return timed(utc).format(at);
      return days === 1 ? `${relative.format(-1, 'day')}, ${timed(utc).format(at)}` : dayed(utc).format(at);
    },
    zone: (utc) =>
      exact(utc)
        .formatToParts(new Date())
        .find(({ type }) => type === 'timeZoneName')?.value ?? '',
    relative(iso, nowMs) {
      const seconds = (Date.parse(iso) - nowMs) / 1000;
      const size = Math.abs(seconds);
      if (size < 60) return relative.format(Math.round(seconds), 'second');
      if (size < 3600) return relative.format(Math.round(seconds / 60), 'minute');
      if (size < 86_400) return relative.format(Math.round(seconds / 3600), 'hour');
      return relative.format(Math.round(seconds / 86_400), 'day');
    },
    percent: (share) => percent.format(share),
    money: (amount, currency) =>
      new Intl.NumberFormat(locale, {
        style: 'currency',
        currency,
        maximumFractionDigits: Math.abs(amount) < 1 ? 4 : 2,
      }).format(amount),
  };
}
