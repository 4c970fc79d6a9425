/**
 * Removes expired rows from PostgreSQL, a batch at a time and beside the requests.
 *
 * @module
 */
import type { postgres } from './postgres.js'
import type { Statements } from './postgres-schema.js'

const BATCH = 1000
/** A batch is followed by a rest of so many times its own length, so that claims have the disk most of the time. */
const REST = 4

/**
 * Sweeps every so often, on a timer that holds no process open. Several servers may sweep at once: each skips the rows
 * that another has in hand.
 *
 * @param every - Milliseconds; 0 never sweeps by itself.
 */
export function createSweeper(
  pool: postgres.Pool,
  statements: Statements,
  every: number,
): { sweep(): Promise<number>; stop(): void } {
  let isStopped = false
  let sweeping: Promise<number> | undefined

  async function run(): Promise<number> {
    let sum = 0
    while (!isStopped) {
      const started = performance.now()
      const [found] = (await pool.query(statements.sweep, [])).rows
      const swept = Number(found?.['swept'])
      sum += swept
      if (swept < BATCH) break
      await new Promise((next) => setTimeout(next, (performance.now() - started) * REST))
    }
    return sum
  }

  const sweep = (): Promise<number> => (sweeping ??= run().finally(() => (sweeping = undefined)))
  // What fails now is swept the next time.
  const timer = every > 0 ? setInterval(() => void sweep().catch(() => 0), every) : undefined
  timer?.unref()
  return {
    sweep,
    stop() {
      isStopped = true
      clearInterval(timer)
    },
  }
}
