/** The desk's standing questions, over all devices: who reaches what, how quickly access was gone, what is dark. */
import { useEffect, useState, type ReactNode } from 'react';
import type { EngineClient } from '../../../main/api/schema.ts';
import type { FleetContainmentView, FleetDarkView, FleetReachView } from '../../../main/api/record-views.ts';
import { Section, Tag } from '../../parts/Pieces.tsx';
import { Segments } from '../../parts/Segments.tsx';
import { useAction, useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

const questions = ['reach', 'containment', 'dark'] as const;

/** Records of what was ordered come after the word that it was done, and others at any time. */
const askAgainMs = 10_000;

interface Answers {
  readonly reach: readonly FleetReachView[];
  readonly containment: readonly FleetContainmentView[];
  readonly dark: readonly FleetDarkView[];
}

/** @param orders changes whenever a device carried out an order: the answers may be others then. */
export function Questions({ device, orders }: { device: string | undefined; orders: string }): ReactNode {
  const t = useText();
  const act = useAction();
  const { engine } = useStores();
  const [asked, setAsked] = useState<(typeof questions)[number]>('reach');
  const [answers, setAnswers] = useState<Partial<Answers>>({});
  useEffect(() => setAnswers({}), [device]);
  useEffect(() => {
    let over = false;
    const question = async ({ fleet }: EngineClient): Promise<Partial<Answers>> => {
      const one = device === undefined ? {} : { device };
      if (asked === 'reach') return { reach: await fleet.reach(one) };
      if (asked === 'containment') return { containment: await fleet.containment(one) };
      return { dark: (await fleet.dark()).filter((row) => device === undefined || row.device === device) };
    };
    const take = (answer: Partial<Answers> | undefined): void => {
      if (!over && answer !== undefined) setAnswers((before) => ({ ...before, ...answer }));
    };
    void act(question).then(take);
    // What was seen stays where the engine does not answer: the link banner tells of that.
    const again = setInterval(() => void question(engine.client).then(take, () => undefined), askAgainMs);
    return () => {
      over = true;
      clearInterval(again);
    };
  }, [act, engine, asked, device, orders]);
  const answer = answers[asked];
  return (
    <Section title={t('fleet.questions')}>
      <div>
        <Segments
          label={t('fleet.questions')}
          value={asked}
          onChange={setAsked}
          segments={questions.map((value) => ({ value, text: t(`fleet.question.${value}`) }))}
        />
      </div>
      {answer === undefined ? <div className="skeleton" style={{ height: 80 }} /> : null}
      {answer?.length === 0 ? <p className="quiet">{t('audit.noMatch')}</p> : null}
      <ul className="line-list" aria-label={t(`fleet.question.${asked}`)}>
        {asked === 'reach'
          ? answers.reach?.map((row) => <Reach key={`${row.device}/${row.identity}`} row={row} />)
          : null}
        {asked === 'containment'
          ? answers.containment?.map((row) => <Contained key={`${row.device}/${row.at}/${row.subject}`} row={row} />)
          : null}
        {asked === 'dark' ? answers.dark?.map((row) => <Dark key={row.device} row={row} />) : null}
      </ul>
    </Section>
  );
}

function Reach({ row }: { row: FleetReachView }): ReactNode {
  const t = useText();
  return (
    <li className="stack">
      <div>
        <strong>{row.device}</strong> <span className="quiet">{row.identity}</span>{' '}
        <span className="quiet">{t('fleet.reachFacts', { could: row.dial.length, unused: row.unused.length })}</span>
      </div>
      <div className="tags">
        {row.dial.map((service) => (
          <Tag key={service} {...(row.unused.includes(service) ? {} : { tone: 'water' as const })}>
            {service}
          </Tag>
        ))}
      </div>
      <LeftOut kinds={row.leftOut} />
    </li>
  );
}

function Contained({ row }: { row: FleetContainmentView }): ReactNode {
  const t = useText();
  return (
    <li className="call">
      <Tag tone="bad">{t(`fleet.taken.${row.what}`)}</Tag>
      <div className="wrap-any">
        <strong>{row.device}</strong> {row.subject}{' '}
        <span className="quiet">
          {row.sessions === 0 && t('fleet.nothingOpen')}
          {row.lastAfterMs !== undefined &&
            t('fleet.goneAfter', { sessions: row.sessions - row.stillOpen, ms: t.format.number(row.lastAfterMs) })}{' '}
          {row.stillOpen > 0 && t('fleet.stillOpen', { sessions: row.stillOpen })}
        </span>
        <LeftOut kinds={row.leftOut} />
      </div>
      <span className="quiet small">{t.format.dateTime(row.at)}</span>
    </li>
  );
}

function Dark({ row }: { row: FleetDarkView }): ReactNode {
  const t = useText();
  return (
    <li className="call">
      <Tag tone={row.open.length === 0 ? 'ok' : 'bad'}>
        {t(row.open.length === 0 ? 'fleet.isDark' : 'fleet.isOpen')}
      </Tag>
      <div className="wrap-any">
        <strong>{row.device}</strong>{' '}
        <span className="quiet">
          {t('fleet.darkFacts', { hosts: row.hosts.length, listens: row.listens.join(', ') || '–' })}
        </span>
        <LeftOut kinds={row.leftOut} />
      </div>
      <span className="mono small">{row.open.join(', ')}</span>
    </li>
  );
}

/** What the answer does not rest on, where there were too many records. */
function LeftOut({ kinds }: { kinds: readonly string[] | undefined }): ReactNode {
  const t = useText();
  return kinds === undefined ? null : (
    <div className="quiet small">{t('fleet.leftOut', { kinds: kinds.join(', ') })}</div>
  );
}
