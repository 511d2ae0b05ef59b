/**
 * What the types of events say: compiled, never run. A line below `@ts-expect-error` must be wrong.
 */
import {
  reduce,
  type CodexItem,
  type Event,
  type EventOf,
  type EventType,
  type OtherEvent,
  type State,
} from "codex-http-client";

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
const is = <_ extends true>(): void => undefined;

export function narrowed(event: Event): string {
  const place: [string | undefined, string | null, string] = [event.position, event.conversation_id, event.at];
  // @ts-expect-error a field that no event has
  void event.unheard;
  if (event.type === "turn/completed") {
    is<Same<typeof event.status, "completed" | "interrupted" | "failed">>();
    // @ts-expect-error a turn's end has no item
    void event.data.item;
    return event.data.turn.id + event.turn_id.length;
  }
  switch (event.type) {
    case "item/agentMessage/delta":
      return event.text + event.item_id;
    case "item/started":
    case "item/completed":
      return said(event.data.item);
    case "item/discarded":
      is<Same<typeof event.data.itemId, string>>();
      return event.data.reason === "steered" ? said(event.data.item) : "";
    case "approval/requested":
      return event.data.decisions.map(({ id }) => id).join();
    case "queue/changed":
      return event.data.put.map(({ message }) => message.submit_id).join();
    case "conversation/updated":
      return event.data.title ?? "";
    case "feed/reset":
      return String(event.data.head);
    // @ts-expect-error no event has this type
    case "turn/finished":
      return "";
    default:
      return event.type + place.join();
  }
}

function said(item: CodexItem): string {
  if (item.type === "commandExecution") return item.command + (item.aggregatedOutput ?? "");
  return item.type === "agentMessage" ? item.text : item.id;
}

/** A newer type is compared as a word; nothing is known of what it carries. */
export function newer(event: Event): unknown {
  if (String(event.type) === "turn/paused") return event.data["until" as keyof typeof event.data];
  return undefined;
}

export function each(state: State, events: readonly Event[]): State {
  return events.reduce(reduce, state);
}

is<Same<EventOf<"turn/started">["data"]["turn"]["status"], CodexTurnStatus>>();
type CodexTurnStatus = "completed" | "interrupted" | "failed" | "inProgress";
const kinds: Partial<Record<EventType, boolean>> = { "thread/archived": true, error: true };
void kinds;
const other = { type: "turn/paused", conversation_id: null, at: "", core: "", data: {} } as unknown as OtherEvent;
void reduce({} as State, other);
