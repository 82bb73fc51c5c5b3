// The two things that stand before the board: the request for a token and the list of keys.
import { useEffect, useRef } from "preact/hooks";
import { go } from "../route.ts";
import { useWall } from "../wall.ts";
import { Status } from "./tile.tsx";

export function Token() {
  const { session, lang } = useWall();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const token = new FormData(event.currentTarget as HTMLFormElement).get("token");
    if (typeof token === "string" && token.trim() !== "") session.enter(token.trim());
  };
  return (
    <main class="token">
      <form onSubmit={submit}>
        <h1>{lang.t("token.title")}</h1>
        {session.token === "wrong" && <Status severity={2}>{lang.t("token.wrong")}</Status>}
        <label>
          <span>{lang.t("token.label")}</span>
          <input name="token" type="password" autocomplete="current-password" autofocus required />
        </label>
        <p class="note">{lang.t("token.text")}</p>
        <button type="submit">{lang.t("token.send")}</button>
      </form>
    </main>
  );
}

const KEYS = [
  ["1 2 3 4 5", "help.views"],
  ["/", "help.filter"],
  ["↑ ↓", "help.rows"],
  ["g", "help.group"],
  ["w", "help.window"],
  ["l", "help.language"],
  ["t", "help.theme"],
  ["k", "help.kiosk"],
  ["?", "help.help"],
  ["Esc", "help.close"],
] as const;

export function Help({ onClose }: { onClose: () => void }) {
  const { lang, route } = useWall();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help" onClose={onClose}>
      <h2 id="help">{lang.t("help.title")}</h2>
      <dl>
        {KEYS.map(([keys, text]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{lang.t(text)}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input type="checkbox" checked={route.keys} onChange={(event) => go({ keys: event.currentTarget.checked }, "replace")} />
        <span>{lang.t("help.on")}</span>
      </label>
      <button type="button" onClick={() => dialog.current!.close()}>
        {lang.t("help.done")}
      </button>
    </dialog>
  );
}
