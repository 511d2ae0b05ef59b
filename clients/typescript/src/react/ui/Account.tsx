/** Who is signed in, and the whole way to get there. */

import { type FormEvent, type ReactNode, useState } from "react";

import type { LoginInfo } from "../../types.js";
import { useAccount, type UseAccount } from "../index.js";
import { Problem, useAction } from "./action.js";

/** Opens an address for the person: in a page a new tab, in an app whatever it does. */
export type OpenAddress = (address: string) => void;

interface SignInProps {
  readonly openAddress: OpenAddress;
  readonly note?: ReactNode;
}

/** What is to be done before a message can get through; nothing where nothing is. */
export function SignIn({ openAddress, note }: SignInProps) {
  const { account, login, error, again, signIn, finish, cancel } = useAccount();
  const begin = useAction(async (how: Parameters<UseAccount["signIn"]>[0]) => {
    const { info } = await signIn(how);
    if (info.url && how.method === "browser") openAddress(info.url);
  });
  if (error) return <Problem error={error} onAgain={again} />;
  if (account === null || account.authenticated || !account.requires_login) return null;
  return (
    <section className="codex-signin" aria-label="Sign in">
      <h3>Sign in to use Codex</h3>
      {account.detail && <p>{account.detail}</p>}
      {account.hint && <p className="codex-hint">{account.hint}</p>}
      {login ? (
        <Pending login={login} finish={finish} cancel={cancel} />
      ) : (
        <>
          <div className="codex-decisions">
            <button type="button" className="codex-primary" disabled={begin.busy} onClick={() => void begin.run({ method: "browser" })}>
              Sign in with ChatGPT
            </button>
            <button type="button" disabled={begin.busy} onClick={() => void begin.run({ method: "device_code" })}>
              With a code, from any device
            </button>
          </div>
          <ApiKey disabled={begin.busy} onKey={(key) => begin.run({ method: "api_key", api_key: key })} />
          {note && <p className="codex-hint">{note}</p>}
        </>
      )}
      <Problem error={begin.error} />
    </section>
  );
}

function ApiKey({ disabled, onKey }: { readonly disabled: boolean; readonly onKey: (key: string) => Promise<boolean> }) {
  const [key, setKey] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await onKey(key)) setKey("");
  };
  return (
    <details>
      <summary>With an API key</summary>
      <form className="codex-inline" onSubmit={(event) => void submit(event)}>
        <input type="password" autoComplete="off" aria-label="API key" value={key} onChange={({ target }) => setKey(target.value)} />
        <button disabled={disabled || !key.trim()}>Use this key</button>
      </form>
    </details>
  );
}

interface PendingProps extends Pick<UseAccount, "finish" | "cancel"> {
  readonly login: LoginInfo;
}

function Pending({ login, finish, cancel }: PendingProps) {
  const end = useAction(cancel);
  return (
    <>
      {login.note && <p>{login.note}</p>}
      {login.user_code && <p>Your code: <strong className="codex-code">{login.user_code}</strong></p>}
      {login.url && <p><a href={login.url} target="_blank" rel="noreferrer noopener">Open the page to sign in</a></p>}
      <p role="status">Waiting for you to sign in there …</p>
      {login.method === "browser" && <Finish finish={finish} />}
      <button type="button" disabled={end.busy} onClick={() => void end.run()}>Cancel</button>
      <Problem error={end.error} />
    </>
  );
}

function Finish({ finish }: Pick<UseAccount, "finish">) {
  const [address, setAddress] = useState("");
  const { run, busy, error } = useAction(finish);
  return (
    <details>
      <summary>The browser is on another machine</summary>
      <p className="codex-hint">Its last page will not load. Copy the address of that page, and paste it here.</p>
      <form
        className="codex-inline"
        onSubmit={(event) => {
          event.preventDefault();
          void run(address);
        }}
      >
        <input aria-label="Address that the browser ended at" value={address} onChange={({ target }) => setAddress(target.value)} />
        <button disabled={busy || !address.trim()}>Finish</button>
      </form>
      <Problem error={error} />
    </details>
  );
}

/** Who is signed in, for the foot of the list. */
export function Account() {
  const { account, signOut } = useAccount();
  const out = useAction(signOut);
  if (account === null) return null;
  if (!account.authenticated) {
    return <p className="codex-account">{account.requires_login ? "Not signed in" : "No login needed"}</p>;
  }
  const name = account.email ?? (account.auth_mode === "apikey" ? "API key" : account.auth_mode);
  return (
    <details className="codex-account">
      <summary>{name}{account.plan_type ? ` (${account.plan_type})` : ""}</summary>
      <button type="button" disabled={out.busy} onClick={() => void out.run()}>Sign out</button>
      <p className="codex-hint">Codex on the server's machine is signed out, too: it is one login.</p>
      <Problem error={out.error} />
    </details>
  );
}
