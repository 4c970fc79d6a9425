/**
 * Gives up on a database in time, in words that may be shown.
 *
 * @module
 */

/** Milliseconds for reading, which may go through years of lines and keeps no visitor waiting. */
export const READING = 600_000

/**
 * Runs one step of a database.
 *
 * @throws Error that names the ledger and at most the database's own code; what the database says is its cause.
 */
export async function within<value>(
  { name, timeout }: { name: string; timeout: number },
  act: () => Promise<value>,
): Promise<value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeout} ms`)), timeout)
  })
  try {
    return await Promise.race([act(), late])
  } catch (cause) {
    const { code } = (cause ?? {}) as { code?: unknown }
    const told = typeof code === 'string' && /^[A-Z\d_]{3,40}$/.test(code) ? ` (${code})` : ''
    throw new Error(`Ledger "${name}" could not do a step${told}: is it up and reachable?`, {
      cause,
    })
  } finally {
    clearTimeout(timer)
  }
}
