/**
 * Runs somebody else's code for so long and no longer.
 *
 * @module
 */

import { isShared } from './timers.js'

/** Thrown by `runWithDeadline` when time is up; told apart by its name. */
class DeadlineError extends Error {
  override name = 'DeadlineError'
}

/**
 * Runs `work`, giving it a signal that is aborted at the deadline.
 *
 * @param ms - Milliseconds until giving up.
 * @throws DeadlineError when time is up, whether or not `work` heeds its signal.
 */
export async function runWithDeadline<value>(
  ms: number,
  work: (signal: AbortSignal) => value | Promise<value>,
): Promise<value> {
  const controller = new AbortController()
  return race(
    ms,
    () => work(controller.signal),
    () => controller.abort(),
  )
}

/**
 * Like `runWithDeadline`, for work whose signal is made elsewhere. One timer serves every deadline, so
 * that what answers in time costs none.
 */
export function race<value>(
  ms: number,
  work: () => value | Promise<value>,
  onLate?: () => void,
): Promise<value> {
  return new Promise((resolve, reject) => {
    const working = work()
    if (!isThenable(working)) return resolve(working)
    const watch: Watch = {
      until: Date.now() + ms,
      late() {
        onLate?.()
        reject(new DeadlineError(`No answer within ${ms} ms.`))
      },
    }
    watched.add(watch)
    const own = isShared ? undefined : setTimeout(expire, ms, watch)
    if (isShared) timer ??= setInterval(look, TICK)
    const end = () => {
      watched.delete(watch)
      if (own !== undefined) clearTimeout(own)
    }
    working.then(
      (value) => void (end(), resolve(value)),
      (cause: unknown) => void (end(), reject(cause)),
    )
  })
}

type Watch = { until: number; late(): void }

const watched = new Set<Watch>()
/** Milliseconds between looks: how late a deadline may be. */
const TICK = 25
let timer: ReturnType<typeof setInterval> | undefined

function look(): void {
  if (watched.size === 0) {
    clearInterval(timer)
    timer = undefined
  }
  const now = Date.now()
  for (const watch of watched) if (watch.until <= now) expire(watch)
}

function expire(watch: Watch): void {
  if (watched.delete(watch)) watch.late()
}

export const isThenable = <value>(value: value | Promise<value>): value is Promise<value> =>
  typeof (value as Promise<value> | undefined)?.then === 'function'
