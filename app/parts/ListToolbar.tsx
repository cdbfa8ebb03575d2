/** The line over a list: which rows, in which groups, found by which words. The same on every screen that has one. */
import type { ReactNode } from 'react';
import { Choice, Search } from './Fields.tsx';
import { Segments, type Segment } from './Segments.tsx';

/** What can be chosen above a list, and what is chosen. */
export interface ListToolbarProps<Shown extends string, Grouping extends string> {
  readonly shownLabel: string;
  readonly shown: Shown;
  readonly segments: readonly Segment<Shown>[];
  readonly onShown: (shown: Shown) => void;
  /** Absent where rows are not grouped. */
  readonly groups?: {
    readonly label: string;
    readonly value: Grouping;
    readonly options: readonly { readonly value: Grouping; readonly text: string }[];
    readonly onChange: (grouping: Grouping) => void;
  };
  readonly searchLabel: string;
  readonly search: string;
  readonly onSearch: (text: string) => void;
}

/** The line itself. */
export function ListToolbar<Shown extends string, Grouping extends string>(
  props: ListToolbarProps<Shown, Grouping>,
): ReactNode {
  const { groups } = props;
  return (
    <div className="toolbar">
      <Segments label={props.shownLabel} value={props.shown} onChange={props.onShown} segments={props.segments} />
      <div className="toolbar-end">
        {groups === undefined ? null : (
          <Choice
            label={groups.label}
            hideLabel
            value={groups.value}
            onChange={groups.onChange}
            options={groups.options}
          />
        )}
        <Search label={props.searchLabel} value={props.search} onChange={props.onSearch} />
      </div>
    </div>
  );
}
