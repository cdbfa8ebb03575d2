/** What was ordered of all devices, and what each made of it; an order can be taken back. */
import type { ReactNode } from 'react';
import type { FleetOrderView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Section, Tag } from '../../parts/Pieces.tsx';
import { useAction, useNow } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

export function Orders({
  orders,
  onChanged,
}: {
  orders: readonly FleetOrderView[];
  onChanged: () => Promise<void>;
}): ReactNode {
  const t = useText();
  const act = useAction();
  const nowMs = useNow();
  const newest = [...orders].sort((a, b) => b.at.localeCompare(a.at));
  const isStanding = (order: FleetOrderView): boolean =>
    order.action === 'quarantine' && newest.find(({ subject }) => subject === order.subject) === order;
  return (
    <Section title={t('fleet.orders')}>
      {orders.length === 0 ? <p className="quiet">{t('fleet.noOrders')}</p> : null}
      <ul className="line-list" aria-label={t('fleet.orders')}>
        {newest.map((order) => {
          const done = order.devices.filter(({ state }) => state === 'acknowledged');
          const slowest = Math.max(0, ...done.map(({ afterMs }) => afterMs ?? 0));
          return (
            <li key={order.id} className="call">
              <Tag tone={order.action === 'quarantine' ? 'bad' : 'ok'}>{t(`fleet.action.${order.action}`)}</Tag>
              <div className="wrap-any">
                <div>{order.subject}</div>
                <div className="quiet small">
                  {t('fleet.acknowledged', {
                    done: done.length,
                    all: order.devices.length,
                    ms: t.format.number(slowest),
                  })}
                  {` · ${t.format.relative(order.at, nowMs)}`}
                </div>
              </div>
              {isStanding(order) ? (
                <Button
                  size="small"
                  aria-label={t('quarantine.releaseOf', { name: order.subject })}
                  onPress={() =>
                    void act(
                      (client) => client.fleet.order({ action: 'release', subject: order.subject }),
                      t('quarantine.released', { name: order.subject }),
                    ).then(onChanged)
                  }
                >
                  {t('quarantine.release')}
                </Button>
              ) : null}
            </li>
          );
        })}
      </ul>
    </Section>
  );
}
