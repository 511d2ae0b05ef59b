/** The frames of a Server-Sent Events answer. */

import { createParser } from "eventsource-parser";

import { ProtocolError } from "./errors.js";

const FRAME_MOST = 128 * 1024 * 1024; // characters: the server's largest event is far below

/** What a stream says: an event's data, or only that it lives. */
export type Frame = { readonly data: string } | "alive";

/** Reads frames; `retry` is how long the server wishes one to wait before coming back. */
export class FrameReader {
  retry = 0; // milliseconds
  private frames: Frame[] = [];
  private readonly decoder = new TextDecoder();
  private readonly parser = createParser({
    onEvent: ({ data }) => this.frames.push({ data }),
    onComment: () => this.frames.push("alive"),
    onRetry: (milliseconds) => {
      this.retry = milliseconds;
    },
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") throw new ProtocolError(error.message);
    },
    maxBufferSize: FRAME_MOST,
  });

  /** The frames of a body as they come; `heard` is called for each piece. */
  async *read(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<Frame, void> {
    const reader = body.getReader();
    try {
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        heard();
        yield* this.fed(piece.value);
      }
    } finally {
      // What is cancelled twice, or has failed already, is of no interest.
      await reader.cancel().catch(() => undefined);
    }
  }

  private fed(piece: Uint8Array): Frame[] {
    this.parser.feed(this.decoder.decode(piece, { stream: true }));
    const found = this.frames;
    this.frames = [];
    return found;
  }
}
