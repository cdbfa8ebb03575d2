/** A few exclusive choices in one strip. */
import { ToggleButton, ToggleButtonGroup } from 'react-aria-components';
import type { ReactNode } from 'react';
import { useText } from '../text/text.ts';

/** One choice, with how many rows it would show. */
export interface Segment<V extends string> {
  readonly value: V;
  readonly text: string;
  readonly count?: number;
}

/** The strip; arrow keys walk it. */
export function Segments<V extends string>({
  label,
  value,
  segments,
  onChange,
}: {
  label: string;
  value: V;
  segments: readonly Segment<V>[];
  onChange: (value: V) => void;
}): ReactNode {
  const { format } = useText();
  return (
    <ToggleButtonGroup
      className="segments"
      aria-label={label}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[value]}
      onSelectionChange={(keys) => {
        const [first] = keys;
        if (first !== undefined) onChange(first as V);
      }}
    >
      {segments.map((segment) => (
        <ToggleButton key={segment.value} id={segment.value} className="segment">
          {segment.text}
          {segment.count === undefined ? null : <span className="segment-count">{format.number(segment.count)}</span>}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
