/**
 * Waits for somebody else's code for so long, and no longer than the caller wants.
 *
 * @module
 */

/**
 * Settles as `work` does, or rejects with the signal's reason. `onLeave` runs when we stop waiting
 * while `work` goes on.
 */
export async function within<value>(
  work: value | PromiseLike<value>,
  signal: AbortSignal | undefined,
  onLeave?: () => void,
): Promise<value> {
  if (!signal) return work
  let onAbort!: () => void
  const leaving = new Promise<never>((_, reject) => {
    onAbort = () => {
      onLeave?.()
      reject(signal.reason as Error)
    }
  })
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work, leaving])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
