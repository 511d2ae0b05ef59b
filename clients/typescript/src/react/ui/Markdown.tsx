/** Markdown that may still be arriving: half a fence or half a link is drawn as what it will be. */

import { type ComponentProps, memo, type ReactNode } from "react";
import { Streamdown } from "streamdown";

import { highlight } from "./highlight.js";

const plugins = { code: highlight };

/** What a model writes is hostile until shown otherwise: only these can be followed. */
const FOLLOWED = /^(?:https?:|mailto:)/i;

/** A link goes to a page of its own, which learns nothing of this one. */
function Link({ href, children }: ComponentProps<"a">) {
  if (!href || !FOLLOWED.test(href)) return <span>{children}</span>;
  return <a href={href} title={href} target="_blank" rel="noreferrer noopener">{children}</a>;
}

/** A picture from elsewhere would tell its server that this was read: it is a link until asked for. */
function Picture({ src, alt }: ComponentProps<"img">) {
  const address = typeof src === "string" ? src : "";
  if (address.startsWith("data:image/")) return <img src={address} alt={alt ?? ""} />;
  return <Link href={address}>{alt || address}</Link>;
}

/** All headings are of one level, below that of the message: a text begins with whichever it likes. */
const heading = (level: number) =>
  function Heading({ children }: { readonly children?: ReactNode }) {
    return <h4 className={`codex-h${level}`}>{children}</h4>;
  };

const components = {
  a: Link,
  img: Picture,
  h1: heading(1),
  h2: heading(2),
  h3: heading(3),
  h4: heading(4),
  h5: heading(5),
  h6: heading(6),
};

interface MarkdownProps {
  readonly text: string;
  /** Whether more of it may come. */
  readonly open?: boolean;
}

export const Markdown = memo(function Markdown({ text, open = false }: MarkdownProps) {
  return (
    <Streamdown
      className="codex-prose"
      components={components}
      plugins={plugins}
      mode={open ? "streaming" : "static"}
      controls={{ code: { copy: true, download: false }, table: false }}
      lineNumbers={false}
      linkSafety={{ enabled: false }}
      isAnimating={open}
    >
      {text}
    </Streamdown>
  );
});
