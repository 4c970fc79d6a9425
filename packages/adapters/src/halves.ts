/**
 * A payment in two halves, for frameworks that ask before the handler and show its answer after.
 *
 * @module
 */
import type { Mpp } from '@polyrail/core/server'

/** A payment whose application is about to run. Exactly one of the two ends it. */
export interface Turn {
  /** Records the application's response; resolves with what goes out. */
  close(response: Response): Promise<Response>
  /** Leaves the payment owed: the same credential runs the application again. */
  fail(cause: unknown): void
}

/**
 * Asks whether a request is paid for.
 *
 * @returns The turn of the application, or the response to send in its place.
 */
export function begin(handler: Mpp.Handler, request: Request): Promise<Turn | Response> {
  return new Promise((resolve, reject) => {
    const route = handler(
      () =>
        new Promise<Response>((answer, fail) => {
          const close = (response: Response) => {
            answer(response)
            return going
          }
          resolve({ close, fail })
        }),
    )
    const going = route(request)
    going.then(resolve, reject)
  })
}

/** What is known of a request between its hooks. */
export interface Visit {
  /** The body's bytes, where a parser has read them. */
  bytes?: Uint8Array | undefined
  turn?: Turn | undefined
  /** Headers that were set before the application's turn. */
  earlier?: Readonly<Record<string, unknown>> | undefined
}

/** Ends a visit's turn, if it is still open. */
export function giveBack(visit: Visit | undefined, cause: unknown): void {
  visit?.turn?.fail(cause)
  if (visit) visit.turn = undefined
}

/** Closes a visit whose answer has gone out past the framework: nothing of it is kept, and it is not due again. */
export async function wentOut(visit: Visit): Promise<void> {
  const { turn } = visit
  visit.turn = undefined
  const headers = { 'content-type': 'text/event-stream' }
  const answer = await turn?.close(new Response(new ReadableStream(), { headers }))
  await answer?.body?.cancel()
}
