/**
 * Keeps the lease of a payment whose application takes long.
 *
 * @module
 */
import { hold, type Lease } from './steps/claim.js'
import { isShared } from './timers.js'

const kept = new Map<Lease, Promise<void> | undefined>()
let timer: ReturnType<typeof setInterval> | undefined

/**
 * Renews a lease until the returned function is called, so that a slow answer is not made twice.
 * One timer serves all leases, where it can, and holds no process open.
 *
 * @returns Stops renewing; resolves when no renewal is under way.
 */
export function keepLease(lease: Lease): () => Promise<void> | undefined {
  kept.set(lease, undefined)
  const own = isShared ? undefined : setInterval(lookAt, periodOf(lease), lease)
  if (isShared) watch(lease)
  return () => {
    clearInterval(own)
    const renewing = kept.get(lease)
    kept.delete(lease)
    return renewing
  }
}

/** Milliseconds between looks, at most. */
const LONGEST = 1000
let period = Infinity

/** Four times in its life. */
const periodOf = ({ kernel }: Lease): number => Math.min(LONGEST, kernel.deadlines.lease / 4)

/** Looks at all leases often enough for the shortest. */
function watch(lease: Lease): void {
  const needed = periodOf(lease)
  if (needed >= period) return
  clearInterval(timer)
  period = needed
  timer = setInterval(look, period)
  ;(timer as { unref?: () => void }).unref?.()
}

function look(): void {
  if (kept.size === 0) {
    clearInterval(timer)
    period = Infinity
  }
  for (const lease of kept.keys()) lookAt(lease)
}

function lookAt(lease: Lease): void {
  if (kept.has(lease) && !kept.get(lease) && isDue(lease)) kept.set(lease, renew(lease))
}

const isDue = ({ record, kernel }: Lease): boolean =>
  record.until - Date.now() <= kernel.deadlines.lease / 2

async function renew(lease: Lease): Promise<void> {
  try {
    await hold(lease, Date.now() + lease.kernel.deadlines.lease)
  } catch (cause) {
    lease.kernel.events.emit('error', () => ({ cause }))
  }
  if (kept.has(lease)) kept.set(lease, undefined)
}
