/** A page outside the graph: health, caught mail, provider callbacks. */
export interface Route {
  /** The path it answers, and everything below it: `/mail` also answers `/mail/7.eml`. */
  readonly path: string
  answer(request: RouteRequest): Promise<Page>
}

export interface RouteRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface Page {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}
