/**
 * How long to wait, for work that may or may not know how to stop.
 *
 * @module
 */

/**
 * Waits for work, but no longer than the signal allows.
 *
 * @throws The signal's reason.
 */
export async function within<result>(
  work: Promise<result>,
  signal: AbortSignal | undefined,
): Promise<result> {
  if (!signal) return work
  let leave = () => {}
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason)
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', leave)
    // Who lost the race may still fail, and nobody listens.
    work.catch(() => {})
    aborted.catch(() => {})
  }
}

/** Waits a while, or until the signal. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  try {
    await within(elapsed, signal)
  } finally {
    clearTimeout(timer)
  }
}

/** A signal after some seconds, or at the caller's. */
export function deadline(seconds: number, signal?: AbortSignal): Deadline {
  const late = AbortSignal.timeout(seconds * 1000)
  return { late, signal: signal ? AbortSignal.any([signal, late]) : late }
}

export type Deadline = {
  /** Ours. */
  late: AbortSignal
  /** Ours or the caller's, whichever comes first. */
  signal: AbortSignal
}
