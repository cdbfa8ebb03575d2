/** A contract's terms in words; terms without words of their own are shown as they were written. */
import { Fragment, type ReactNode } from 'react';
import type { ContractView } from '../../../main/api/views.ts';
import { Facts } from '../../parts/Pieces.tsx';
import { textOr, useText, type Text } from '../../text/text.ts';
import { termLines } from './contract-words.ts';

export function ContractTerms({ contract }: { contract: ContractView }): ReactNode {
  const t = useText();
  return (
    <Facts
      items={[
        ...Object.entries(contract.terms)
          .filter(([name]) => name !== 'onViolation')
          .map(([name, value]) => [termName(name, t), <Lines lines={termLines(name, value, t)} />] as const),
        [t('contract.onViolation'), t(`contract.onViolation.${contract.onViolation}`)],
        [
          t('contract.origin'),
          contract.origin === 'controller' ? t('contract.controller') : <Path path={contract.origin} />,
        ],
      ]}
    />
  );
}

function termName(name: string, t: Text): string {
  return textOr(t, `contract.${name}`, name);
}

function Lines({ lines }: { lines: readonly string[] }): ReactNode {
  return lines.map((line, index) => <div key={index}>{line}</div>);
}

/** A path breaks after its slashes, not within its names. */
function Path({ path }: { path: string }): ReactNode {
  return path.split(/(?<=\/)/).map((part, index) => (
    <Fragment key={index}>
      {part}
      <wbr />
    </Fragment>
  ));
}
