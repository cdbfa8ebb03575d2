/** What a form needs that sends something: whether it is on its way, and in words why it was not taken. */
import { useCallback, useState } from 'react';
import { useText } from '../text/text.ts';

/** The state of one form's sending. */
export interface Sending {
  readonly pending: boolean;
  /** Of the last attempt; gone while another is under way. */
  readonly error: string | undefined;
  /** Never rejects. */
  send(act: () => Promise<unknown>): Promise<void>;
}

/** Sending for one form. */
export function useSending(): Sending {
  const t = useText();
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<string>();
  const send = useCallback(
    async (act: () => Promise<unknown>): Promise<void> => {
      setPending(true);
      setError(undefined);
      try {
        await act();
      } catch (caught) {
        setError(t.error(caught));
      } finally {
        setPending(false);
      }
    },
    [t],
  );
  return { pending, error, send };
}
