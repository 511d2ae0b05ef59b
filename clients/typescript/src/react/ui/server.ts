/** What the chat wants to know of the server beside conversations: read once, or on demand. */

import { useEffect, useState } from "react";

import type { CodexClient } from "../../client.js";
import { useCodex } from "../index.js";
import { list, str, type Json } from "./words.js";

/** What is read, or null until it is there. Where it can't be had the chat goes without it. */
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

export interface Model {
  readonly id: string;
  readonly name: string;
  readonly standard: boolean;
  readonly efforts: readonly string[];
}

function modelOf(model: Json): Model {
  const efforts = list(model["supportedReasoningEfforts"]);
  return {
    id: str(model["model"]) ?? str(model["id"]) ?? "",
    name: str(model["displayName"]) ?? str(model["id"]) ?? "",
    standard: model["isDefault"] === true,
    efforts: efforts.flatMap((effort) => str(effort["reasoningEffort"]) ?? []),
  };
}

/** The models that the core offers. */
export function useModels(): readonly Model[] | null {
  return useRead(async ({ api }) => {
    const { data } = await api.listModels();
    return data.filter(({ hidden }) => hidden !== true).map(modelOf);
  }, "models");
}

/** What this caller may do; null until it is known. */
export function useScopes(): readonly string[] | null {
  return useRead(async ({ api }) => (await api.getSession()).scopes, "scopes");
}
