/** A contract's terms in words; terms without words of their own are shown as they were written. */
import type { ReactNode } from 'react';
import type { ContractView } from '../../../main/contract/views.ts';
import { Facts } from '../../parts/Pieces.tsx';
import { hasText, useText, type Text } from '../../text/text.ts';

export function ContractTerms({ contract }: { contract: ContractView }): ReactNode {
  const t = useText();
  return (
    <Facts
      items={[
        ...Object.entries(contract.terms)
          .filter(([name]) => name !== 'onViolation')
          .map(([name, value]) => [termName(name, t), termValue(name, value, t)] as const),
        [t('contract.onViolation'), t(`contract.onViolation.${contract.onViolation}`)],
        [t('contract.origin'), contract.origin === 'controller' ? t('contract.controller') : contract.origin],
      ]}
    />
  );
}

function termName(name: string, t: Text): string {
  const key = `contract.${name}`;
  return hasText(key) ? (t as (key: string) => string)(key) : name;
}

function termValue(name: string, value: unknown, t: Text): ReactNode {
  if (typeof value === 'number') {
    if (name.endsWith('Seconds')) return t.format.span(value * 1000);
    return name === 'maxBytes' ? t.format.bytes(value) : t.format.number(value);
  }
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(oneLine).join(', ');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).map(([part, inner]) => (
      <div key={part}>
        <span className="quiet">{part}</span> {oneLine(inner)}
      </div>
    ));
  }
  return String(value);
}

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return value.map(oneLine).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `${name} ${oneLine(inner)}`)
    .join(', ');
}
