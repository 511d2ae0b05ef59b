/** Lists that fetch their next page as you go on. */

interface Page<Entry> {
  readonly data: readonly Entry[];
  readonly next_cursor: string | null;
}

/** All entries, page after page. */
export async function* paged<Entry>(
  fetchPage: (page: { cursor?: string }) => Promise<Page<Entry>>,
): AsyncGenerator<Entry, void> {
  let cursor: string | null = null;
  do {
    const page: Page<Entry> = await fetchPage(cursor === null ? {} : { cursor });
    yield* page.data;
    cursor = page.next_cursor;
  } while (cursor !== null);
}
