/**
 * Taking turns: what one account does, it does one after the other.
 *
 * @module
 */

/** A turn that somebody has. Ending it twice is ending it once. */
export type Turn<holder> = { holder: holder; end: () => void }

/** Several holders, each of whom serves one at a time. */
export type Turns<holder> = {
  /**
   * Waits for a turn, with whoever has the fewest waiting.
   *
   * @returns `undefined` when `signal` ended the waiting.
   */
  take: (signal: AbortSignal) => Promise<Turn<holder> | undefined>
}

/** Opens a queue before each holder. */
export function createTurns<holder>(holders: readonly holder[]): Turns<holder> {
  const lines = holders.map((holder) => ({ holder, waiting: 0, last: Promise.resolve() }))
  return {
    async take(signal) {
      const line = lines.toSorted((one, other) => one.waiting - other.waiting)[0]
      if (!line || signal.aborted) return undefined
      line.waiting++
      const before = line.last
      let release = () => {}
      line.last = new Promise<void>((resolve) => (release = resolve))
      let isOver = false
      const end = () => {
        if (!isOver) line.waiting--
        isOver = true
        release()
      }
      const isTaken = await Promise.race([before.then(() => true), aborted(signal)])
      if (isTaken) return { holder: line.holder, end }
      // Whoever comes later waits for those who came before all the same.
      void before.then(end)
      return undefined
    },
  }
}

const aborted = (signal: AbortSignal): Promise<false> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(false), { once: true }))
