/**
 * Sends on an answer that is too long or too slow to be kept, and says how it ended.
 *
 * @module
 */
import type { Flow } from './steps/answer.js'

/**
 * Makes the response of a flow, read only as its visitor takes it.
 *
 * @param patience - Milliseconds that a visitor may take nothing. Then the payment is closed as delivered though the body
 * goes on: who never takes the end of one could have another for the same money.
 * @param end - Called once: with what broke the source, or with nothing when it came to its end or the visitor left.
 */
export function passOn(
  { response, pull, cancel, closed }: Flow,
  patience: number,
  end: (broken?: { cause: unknown }) => Promise<unknown>,
): Response {
  let ending: Promise<unknown> | undefined
  let stall: ReturnType<typeof setTimeout> | undefined
  const finish = (broken?: { cause: unknown }): Promise<unknown> => {
    clearTimeout(stall)
    return (ending ??= end(broken))
  }
  // A visitor who is slow, and leaves before they get there, leaves an answer that broke.
  closed.catch((cause: unknown) => finish({ cause }))
  const wait = (): void => {
    if (ending) return
    stall = setTimeout(() => void finish(), patience)
    ;(stall as { unref?: () => void }).unref?.()
  }
  wait()
  const source: UnderlyingDefaultSource<Uint8Array> = {
    async pull(controller) {
      clearTimeout(stall)
      const part = await pull().catch(async (cause: unknown) => {
        await finish({ cause })
        throw cause
      })
      if (part.done) await finish()
      else wait()
      if (part.done) controller.close()
      else controller.enqueue(part.value)
    },
    async cancel(reason) {
      await Promise.all([finish(), cancel(reason)])
    },
  }
  return new Response(new ReadableStream(source, { highWaterMark: 0 }), {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  })
}
