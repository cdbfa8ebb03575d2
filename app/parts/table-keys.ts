/** Where a key leads in a list of rows; undefined where the key means nothing here. */
export function rowAfterKey(key: string, at: number, rows: number, page: number): number | undefined {
  if (rows === 0) return undefined;
  const clamp = (index: number): number => Math.max(0, Math.min(rows - 1, index));
  switch (key) {
    case 'ArrowDown':
      return clamp(at + 1);
    case 'ArrowUp':
      return clamp(at - 1);
    case 'PageDown':
      return clamp(at + page);
    case 'PageUp':
      return clamp(at - page);
    case 'Home':
      return 0;
    case 'End':
      return rows - 1;
    default:
      return undefined;
  }
}
