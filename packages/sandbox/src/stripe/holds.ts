/**
 * Calls that are held on purpose: begun, with their idempotency keys in use, and not yet carried out.
 *
 * @module
 */
import type { StripeCall } from './routes.js'

/** A hold in force. */
export type Hold = Disposable & {
  /** How many calls it holds now. */
  readonly waiting: number
  /** Resolves when it holds so many calls. Default: one. */
  arrived: (count?: number) => Promise<void>
  /** Lets them be carried out, in their order, and holds no more. */
  release: () => void
}

type Holding = {
  call: StripeCall | undefined
  waiting: (() => void)[]
  watchers: { count: number; resolve: () => void }[]
}

/** Opens the place where calls are held: `gate`, through which each goes, `hold`, and `clear`, which lets all go. */
export function openHolds() {
  const holds = new Set<Holding>()
  const end = (holding: Holding) => {
    holds.delete(holding)
    for (const go of holding.waiting.splice(0)) go()
  }
  return {
    async gate(call: StripeCall): Promise<void> {
      const holding = [...holds].find((one) => (one.call ?? call) === call)
      if (holding === undefined) return
      await new Promise<void>((resolve) => {
        holding.waiting.push(resolve)
        for (const { count, resolve: seen } of holding.watchers) {
          if (holding.waiting.length >= count) seen()
        }
      })
    },
    hold(call?: StripeCall): Hold {
      const holding: Holding = { call, waiting: [], watchers: [] }
      holds.add(holding)
      const release = () => end(holding)
      return {
        get waiting() {
          return holding.waiting.length
        },
        async arrived(count = 1) {
          if (holding.waiting.length >= count) return
          await new Promise<void>((resolve) => void holding.watchers.push({ count, resolve }))
        },
        release,
        [Symbol.dispose]: release,
      }
    },
    clear() {
      for (const holding of holds) end(holding)
    },
  }
}
