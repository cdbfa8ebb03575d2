/** The map: which program reaches which service, as whom and by which router; what was refused in red. */
import { useMemo, useState, type ReactNode } from 'react';
import { SkeletonRows, Empty } from '../../parts/Pieces.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useEngine } from '../../store/hooks.tsx';
import {
  selectAgents,
  selectIdentities,
  selectQuarantine,
  selectRouters,
  selectServices,
  selectSessions,
} from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { useRecords } from '../shared/use-records.ts';
import { MapPicture } from './MapPicture.tsx';
import { buildMap } from './map-model.ts';
import { bookOf } from './service-book.ts';

const shownRefusals = 200;

export function MapScreen(): ReactNode {
  const t = useText();
  const sessions = useEngine(selectSessions);
  const services = useEngine(selectServices);
  const identities = useEngine(selectIdentities);
  const routers = useEngine(selectRouters);
  const agents = useEngine(selectAgents);
  const quarantine = useEngine(selectQuarantine);
  const refusals = useRecords({ kind: 'verdict', decision: 'deny', limit: shownRefusals });
  const [over, setOver] = useState<string>();
  const book = useMemo(() => (services === undefined ? undefined : bookOf(services)), [services]);
  // Bytes flow all the time; the picture is drawn anew only when another session comes, goes or ends.
  const shape = useMemo(
    () => sessions?.map(({ id, state, router }) => `${id}${state}${router ?? ''}`).join(),
    [sessions],
  );
  const model = useMemo(
    () =>
      sessions === undefined || book === undefined
        ? undefined
        : buildMap({
            sessions,
            services: book,
            identities: identities ?? [],
            routers: routers ?? [],
            agents: agents ?? [],
            quarantine: quarantine ?? [],
            refusals: refusals ?? [],
          }),
    [shape, book, identities, routers, agents, quarantine, refusals],
  );
  const node = model?.nodes.find(({ id }) => id === over);
  return (
    <>
      <ScreenHead
        title={t('map.title')}
        lead={
          node === undefined
            ? t('map.lead')
            : node.reach !== undefined
              ? t('map.reach', { name: node.label, ...node.reach })
              : t('map.facts', { name: node.label, open: node.open, refused: node.refused })
        }
      />
      <div className="screen-body">
        {model === undefined ? (
          <SkeletonRows rows={8} heightPx={48} label={t('common.loading')} />
        ) : model.nodes.length === 0 ? (
          <Empty title={t('map.emptyTitle')} text={t('sessions.emptyText')} icon="map" />
        ) : (
          <div className="screen-scroll" tabIndex={0} role="region" aria-label={t('map.title')}>
            <MapPicture model={model} over={over} onOver={setOver} />
          </div>
        )}
      </div>
    </>
  );
}
