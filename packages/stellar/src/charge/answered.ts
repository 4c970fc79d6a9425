/**
 * Waits for the end of a payment that the server sends.
 *
 * @module
 */
import type { Method } from '@polyrail/core'
import type { charge as method } from './method.js'
import type { Challenge } from './offer.js'

/** Milliseconds after which nobody waits any more: the network itself sorts out what comes too early. */
const PATIENCE = 30_000

/** Calls `end` when the client has heard what became of a challenge, once. */
export function whenAnswered(
  {
    challenge,
    on,
  }: Pick<Method.toClient.Parameters<typeof method>, 'on'> & { challenge: Challenge },
  end: () => void,
): void {
  // Who presents the credential by themselves makes one payment at a time, or handles what comes of it.
  if (!on) return end()
  const finish = () => {
    clearTimeout(timer)
    for (const stop of stops) stop()
    end()
  }
  const timer = setTimeout(finish, PATIENCE)
  const stops = (['paid', 'rejected', 'pending'] as const).map((name) =>
    on(name, (account) => {
      if (account.challenge?.id === challenge.id) finish()
    }),
  )
}
