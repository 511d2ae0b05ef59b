/** What pages may do, as decisions on values. Pure. */

const OUTSIDE: ReadonlySet<string> = new Set(["http:", "https:", "mailto:"]);
/** What a chat needs: copying what it shows, and a word when it is done. */
const PERMISSIONS: ReadonlySet<string> = new Set(["clipboard-sanitized-write", "notifications"]);

/** The pages that may use this app: exact origins, and of files exact addresses. */
export class Pages {
  private readonly origins: ReadonlySet<string>;
  private readonly files: ReadonlySet<string>;

  /** `addresses`: such as `codex://app`, `http://localhost:5173`, `file:///opt/foux/index.html`. */
  constructor(addresses: readonly string[]) {
    this.files = new Set(addresses.filter(isFile).map(withoutFragment));
    this.origins = new Set(addresses.filter((each) => !isFile(each)).map(originOf));
  }

  /** Whether the page at this address is one of them. */
  has(address: string): boolean {
    if (isFile(address)) return this.files.has(withoutFragment(address));
    return this.origins.has(originOf(address));
  }
}

function isFile(address: string): boolean {
  return address.startsWith("file:");
}

function withoutFragment(address: string): string {
  return address.replace(/[?#].*$/s, "");
}

/** `URL.origin` is `null` for schemes that it does not know; the page itself knows better. */
function originOf(address: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(address)?.[0].toLowerCase() ?? "";
}

/** Whether a link may be handed to the system: never a file, a program or a scheme of other apps. */
export function mayOpenOutside(address: string): boolean {
  try {
    return OUTSIDE.has(new URL(address).protocol);
  } catch {
    return false;
  }
}

/** Whether a page may have a permission. */
export function mayHave(permission: string, address: string, pages: Pages, more: readonly string[]): boolean {
  return pages.has(address) && (PERMISSIONS.has(permission) || more.includes(permission));
}

/** A frame that sent a message, as far as it matters who it is. */
export interface Sender {
  readonly url: string;
  readonly parent: unknown;
}

/** Whether a message comes from one of the app's pages itself, and from no frame within. */
export function isTrusted(sender: Sender | null | undefined, pages: Pages): boolean {
  return sender != null && sender.parent == null && pages.has(sender.url);
}
