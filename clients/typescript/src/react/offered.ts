/** What the server offers beside conversations, read once when it is first looked at. */

import { useEffect, useState } from "react";

import type { CodexClient } from "../client.js";
import { useCodex } from "./provider.js";

/** What is read; null until it is there, and where it can't be had. */
function useRead<Data>(read: (client: CodexClient) => Promise<Data>, key: string): Data | null {
  const client = useCodex();
  const [data, setData] = useState<Data | null>(null);
  useEffect(() => {
    let here = true;
    read(client).then((found) => here && setData(found), () => undefined);
    return () => {
      here = false;
    };
    // `read` belongs to the key.
  }, [client, key]);
  return data;
}

/** A model that the core offers. */
export interface Model {
  /** What `model` of a conversation takes. */
  readonly id: string;
  readonly name: string;
  /** Whether the core takes it where none is named. */
  readonly standard: boolean;
  /** What `reasoning_effort` takes with it. */
  readonly efforts: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

function modelOf(model: Json): Model {
  const efforts = model["supportedReasoningEfforts"];
  return {
    id: text(model["model"]) ?? text(model["id"]) ?? "",
    name: text(model["displayName"]) ?? text(model["id"]) ?? "",
    standard: model["isDefault"] === true,
    efforts: Array.isArray(efforts) ? (efforts as Json[]).flatMap((each) => text(each["reasoningEffort"]) ?? []) : [],
  };
}

/** The models that the core offers, without hidden ones; null until it is known, and where it can't be. */
export function useModels(): readonly Model[] | null {
  return useRead(async ({ api }) => {
    const { data } = await api.listModels();
    return data.filter(({ hidden }) => hidden !== true).map(modelOf);
  }, "models");
}

/** What this caller may do (`read`, `drive`, `elevate` …); null until it is known, and where it can't be. */
export function useScopes(): readonly string[] | null {
  return useRead(async ({ api }) => (await api.getSession()).scopes, "scopes");
}
