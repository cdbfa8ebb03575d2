/**
 * Browsers that were let in: a cookie each, of one user, and a secret for each tab. The cookie alone opens nothing, for a browser sends the cookies
 * of 127.0.0.1 to whatever listens on any of its ports; the tab's secret is known to pages of this very origin only.
 */
import type { Clock } from '../base/clock.ts';
import { freshSecret, hashOf, Secrets } from './one-time-tokens.ts';
import type { UserId } from '../base/user-id.ts';

/** Whose a connection is: a user's, or the engine's own where the console is reached as a dark service. */
export type Visitor = { readonly kind: 'user'; readonly uid: UserId | undefined } | { readonly kind: 'dark' };

interface Browser {
  readonly visitor: Visitor;
  /** Hashes, oldest first. */
  readonly tabs: string[];
}

const tokenLifetimeMs = 10 * 60_000;
const browserLifetimeMs = 12 * 3_600_000;
const maxTokens = 64;
const maxBrowsers = 64;
/** Of one browser; the oldest is forgotten. */
const maxTabs = 16;

/** The browsers let in now, bounded, forgotten when they have not been seen for a while. */
export class Browsers {
  /** The users an address was made for; undefined: whoever brings it. */
  readonly #tokens: Secrets<{ readonly uids: readonly UserId[] | undefined }>;
  readonly #browsers: Secrets<Browser>;

  constructor(clock: Clock) {
    this.#tokens = new Secrets({ clock, lifetimeMs: tokenLifetimeMs, max: maxTokens });
    this.#browsers = new Secrets({ clock, lifetimeMs: browserLifetimeMs, max: maxBrowsers });
  }

  /** A token that lets one browser in once; on this host only one of these users. */
  invite(uids: readonly UserId[] | undefined): string {
    return this.#tokens.issue({ uids });
  }

  /** Let in who brings a token: the cookie to set and the new tab's secret. Undefined for a token that is not good, or not for this user. */
  enter(
    token: string,
    visitor: Visitor,
    cookie: string | undefined,
  ): { readonly cookie: string; readonly tab: string } | undefined {
    const invited = this.#tokens.redeem(token);
    if (invited === undefined || !isFor(invited.uids, visitor)) return undefined;
    const tab = freshSecret();
    const known = cookie === undefined ? undefined : this.#browsers.recognise(cookie);
    if (cookie !== undefined && known !== undefined && isSame(known.visitor, visitor)) {
      known.tabs.push(hashOf(tab));
      if (known.tabs.length > maxTabs) known.tabs.shift();
      return { cookie, tab };
    }
    return { cookie: this.#browsers.issue({ visitor, tabs: [hashOf(tab)] }), tab };
  }

  /** Its cookie is good: it may have the page's files, which hold nothing of the engine's. */
  isKnown(cookie: string | undefined): boolean {
    return cookie !== undefined && this.#browsers.recognise(cookie) !== undefined;
  }

  /** It may talk to the engine: the cookie, a tab of it, and the same visitor as let in. */
  mayTalk(cookie: string | undefined, tab: string | undefined, visitor: Visitor): boolean {
    const browser = cookie === undefined ? undefined : this.#browsers.recognise(cookie);
    return (
      browser !== undefined &&
      tab !== undefined &&
      browser.tabs.includes(hashOf(tab)) &&
      isSame(browser.visitor, visitor)
    );
  }
}

function isFor(uids: readonly UserId[] | undefined, visitor: Visitor): boolean {
  return uids === undefined || visitor.kind === 'dark' || visitor.uid === undefined || uids.includes(visitor.uid);
}

function isSame(one: Visitor, other: Visitor): boolean {
  return one.kind === 'user' ? other.kind === 'user' && one.uid === other.uid : other.kind === 'dark';
}
