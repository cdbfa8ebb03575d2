/** What models cost here: the settings' lines, then what Culvert ships. */
import { shippedPrices } from '../../guard/http/price-list.ts';
import { priceBook, type PriceBook } from '../../guard/http/prices.ts';
import { defined } from '../../base/defined.ts';
import type { LlmConfig } from '../runtime/config.ts';

/** The table for every guard of this engine. */
export function pricesFor(settings: LlmConfig | undefined): PriceBook {
  const own = (settings?.prices ?? []).map(({ currency = 'USD', ...line }) => ({ currency, ...defined(line) }));
  return priceBook([...own, ...shippedPrices]);
}
