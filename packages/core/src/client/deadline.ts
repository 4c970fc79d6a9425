/**
 * Waits for somebody else's code for so long, and no longer than the caller wants.
 *
 * @module
 */

/**
 * Settles as `work` does, or rejects with the signal's reason, or after `ms` with nothing.
 * `onLeave` runs when we stop waiting while `work` goes on.
 */
export async function within<value>(
  work: value | PromiseLike<value>,
  options: within.Options,
): Promise<value> {
  const { signal, ms, onLeave } = options
  if (!signal && ms === undefined) return work
  let timer: ReturnType<typeof setTimeout> | undefined
  let onAbort: () => void
  try {
    return await new Promise<value>((resolve, reject) => {
      onAbort = () => {
        onLeave?.(signal?.reason)
        reject(signal?.reason as Error)
      }
      Promise.resolve(work).then(resolve, reject)
      if (ms !== undefined) timer = setTimeout(onAbort, ms)
      if (signal?.aborted) onAbort()
      signal?.addEventListener('abort', onAbort)
    })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort!)
  }
}

export declare namespace within {
  type Options = {
    signal?: AbortSignal | undefined
    ms?: number | undefined
    onLeave?: (reason: unknown) => void
  }
}
