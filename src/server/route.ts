/** A page outside the graph: health, caught mail, what links in mails lead to, provider callbacks. */
export interface Route {
  /** The path it answers, and everything below it: `/mail` also answers `/mail/7.eml`. */
  readonly path: string
  /** Any other is answered with 405. Absent: the route sees every one. */
  readonly methods?: readonly string[]
  answer(request: RouteRequest): Promise<Page>
}

export interface RouteRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Every value of each header that came, by its name in lower case. */
  readonly headerValues: Readonly<Record<string, readonly string[] | undefined>>
  /**
   * The bytes of the body, to be asked for once; one that is never asked for is not read.
   *
   * @throws Refusal PAYLOAD_TOO_LARGE once it is longer than `limit` bytes
   */
  body(limit: number): Promise<Uint8Array>
}

export interface Page {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}
