/**
 * Runs somebody else's code for so long and no longer.
 *
 * @module
 */

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
 * Like `runWithDeadline`, for work whose signal is made elsewhere. An answer that is there at once
 * costs no timer.
 */
export async function race<value>(
  ms: number,
  work: () => value | Promise<value>,
  onLate: () => void,
): Promise<value> {
  const working = work()
  if (!isThenable(working) || (await isPrompt(working))) return working
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      onLate()
      reject(new DeadlineError(`No answer within ${ms} ms.`))
    }, ms)
  })
  try {
    return await Promise.race([working, late])
  } finally {
    clearTimeout(timer)
  }
}

export const isThenable = <value>(value: value | Promise<value>): value is Promise<value> =>
  typeof (value as Promise<value> | undefined)?.then === 'function'

/** A promise that nothing outside the process holds up is settled within this many microtasks. */
const PROMPT = 16

/** Whether a promise is settled without waiting for a timer, a socket or another thread. */
export async function isPrompt(promise: Promise<unknown>): Promise<boolean> {
  const state = { settled: false }
  const note = () => void (state.settled = true)
  promise.then(note, note)
  for (let turn = 0; turn < PROMPT && !state.settled; turn++) await undefined
  return state.settled
}
