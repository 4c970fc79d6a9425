/**
 * Keeps the lease of a payment whose application takes long.
 *
 * @module
 */
import { hold, type Lease } from './steps/claim.js'

const kept = new Map<Lease, Promise<void> | undefined>()
let timer: ReturnType<typeof setInterval> | undefined

/**
 * Renews a lease until the returned function is called, so that a slow answer is not made twice.
 * One timer serves all leases, and holds no process open.
 *
 * @returns Stops renewing; resolves when no renewal is under way.
 */
export function keepLease(lease: Lease): () => Promise<void> | undefined {
  kept.set(lease, undefined)
  timer ??= startTimer()
  return () => {
    const renewing = kept.get(lease)
    kept.delete(lease)
    return renewing
  }
}

const PERIOD = 1000

function startTimer(): ReturnType<typeof setInterval> {
  const ticking = setInterval(() => {
    if (kept.size === 0) {
      clearInterval(ticking)
      timer = undefined
    }
    for (const lease of kept.keys()) if (isDue(lease)) kept.set(lease, renew(lease))
  }, PERIOD)
  ;(ticking as { unref?: () => void }).unref?.()
  return ticking
}

const isDue = ({ record, kernel }: Lease): boolean =>
  record.until - Date.now() < kernel.deadlines.lease / 2

async function renew(lease: Lease): Promise<void> {
  try {
    await hold(lease, Date.now() + lease.kernel.deadlines.lease)
  } catch (cause) {
    lease.kernel.events.emit('error', () => ({ cause }))
  }
}
