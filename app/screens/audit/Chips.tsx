/** What the list is narrowed to, one chip each to take away; and what of the records shown it could be narrowed to. */
import type { ReactNode } from 'react';
import { Button as AriaButton, Menu, MenuItem, MenuTrigger, Popover } from 'react-aria-components';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { Icon } from '../../parts/Icon.tsx';
import { useText, type Text } from '../../text/text.ts';
import { useRoute, type RouteQuery } from '../route.ts';
import { auditKind } from './audit-words.ts';
import { chipFields, type ChipField } from './audit-filter.ts';

const mostOffered = 8;

export function Chips({ query, records }: { query: RouteQuery; records: readonly AuditRecordView[] }): ReactNode {
  const t = useText();
  const { narrow } = useRoute();
  const offers = chipFields.flatMap((field) =>
    query[field] === undefined ? commonest(records, field).map((value) => ({ field, value })) : [],
  );
  return (
    <div className="chips" role="group" aria-label={t('audit.chips')}>
      {chipFields.map((field) => {
        const value = query[field];
        if (value === undefined) return null;
        return (
          <AriaButton
            key={field}
            className="chip"
            aria-label={t('audit.chipRemove', { what: chipText(field, value, t) })}
            onPress={() => narrow({ [field]: undefined })}
          >
            <span className="quiet">{t(`audit.field.${field}`)}</span> {chipValue(field, value, t)}
            <Icon name="close" size={12} />
          </AriaButton>
        );
      })}
      {offers.length === 0 ? null : (
        <MenuTrigger>
          <AriaButton className="chip" data-plain="">
            <Icon name="plus" size={12} />
            {t('audit.chipAdd')}
          </AriaButton>
          <Popover className="popover" offset={4}>
            <Menu
              aria-label={t('audit.chipAdd')}
              items={offers.map((offer) => ({ ...offer, id: offer.field + offer.value }))}
            >
              {({ field, value }) => (
                <MenuItem
                  className="option"
                  textValue={chipText(field, value, t)}
                  onAction={() => narrow({ [field]: value })}
                >
                  <span className="quiet">{t(`audit.field.${field}`)}</span> {chipValue(field, value, t)}
                </MenuItem>
              )}
            </Menu>
          </Popover>
        </MenuTrigger>
      )}
    </div>
  );
}

function chipText(field: ChipField, value: string, t: Text): string {
  return `${t(`audit.field.${field}`)} ${chipValue(field, value, t)}`;
}

function chipValue(field: ChipField, value: string, t: Text): string {
  return field === 'kind' ? auditKind({ seq: 0, at: '', kind: value }, t) : value;
}

/** The values that most records have, most first. */
function commonest(records: readonly AuditRecordView[], field: ChipField): readonly string[] {
  const counts = new Map<string, number>();
  for (const record of records) {
    const value = record[field];
    if (typeof value === 'string' && value !== '') counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, mostOffered)
    .map(([value]) => value);
}
