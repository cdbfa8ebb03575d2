/** Files and text dropped anywhere on the page, read as text. Without it the browser would leave the page for the file. */
import { useEffect, useState } from 'react';

/** What was dropped; without a name it was text. */
export interface Dropped {
  readonly text: string;
  readonly fileName?: string;
}

/** @returns true while something is dragged over the page. A file over `maxBytes` is given with empty text. */
export function useFileDrop(onDropped: (dropped: Dropped) => void, maxBytes: number): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const onDrag = (event: DragEvent): void => {
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent): void => {
      event.preventDefault();
      setOver(false);
      void readDropped(event.dataTransfer, maxBytes).then((dropped) => {
        if (dropped !== undefined && !signal.aborted) onDropped(dropped);
      });
    };
    document.addEventListener('dragenter', onDrag, { signal });
    document.addEventListener('dragover', onDrag, { signal });
    document.addEventListener('dragleave', onLeave, { signal });
    document.addEventListener('drop', onDrop, { signal });
    return () => abort.abort();
  }, [onDropped, maxBytes]);
  return over;
}

async function readDropped(transfer: DataTransfer | null, maxBytes: number): Promise<Dropped | undefined> {
  const file = transfer?.files[0];
  if (file !== undefined) return { text: file.size > maxBytes ? '' : await file.text(), fileName: file.name };
  const text = transfer?.getData('text/plain') ?? '';
  return text === '' ? undefined : { text };
}
