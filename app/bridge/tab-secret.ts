/** This tab's secret: in the page as it was let in, and from then on in the tab's own storage, which pages of other ports cannot read. */

const key = 'culvert-tab';
/** Nobody's: the console answers that the page must be opened anew. */
export const noTab = 'none';

/** The secret, or {@link noTab}. */
export function tabSecret(page: Pick<Window, 'document' | 'sessionStorage'>): string {
  const brought = page.document.querySelector<HTMLMetaElement>(`meta[name="${key}"]`)?.content;
  try {
    if (brought !== undefined) page.sessionStorage.setItem(key, brought);
    return brought ?? page.sessionStorage.getItem(key) ?? noTab;
  } catch {
    // Storage is turned off: it works until the page is loaded again.
    return brought ?? noTab;
  }
}
