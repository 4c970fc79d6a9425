/**
 * Warns of a recipient that may not be able to receive.
 *
 * @module
 */
import type { Network } from '../network.js'
import type { Request } from './method.js'

/**
 * Looks once at each recipient that is asked for: one that never held the currency makes its first payment dear, and may
 * be barred from it by the currency's issuer. Nobody waits for it.
 */
export function watchRecipient(network: Network): (request: Request) => void {
  const seen = new Set<string>()
  return ({ recipient, currency }) => {
    const key = `${recipient} ${currency}`
    if (seen.has(key)) return
    seen.add(key)
    look(network, { recipient, currency }).catch(() => seen.delete(key))
  }
}

async function look(
  network: Network,
  { recipient, currency }: Pick<Request, 'recipient' | 'currency'>,
): Promise<void> {
  const balance = await network.readBalance({ token: currency, owner: recipient })
  if (balance === 0n)
    console.warn(
      `tempo/charge: the recipient ${recipient} holds nothing of ${currency}, and may never have: its first payment costs about 300,000 gas, and fails if it cannot receive this currency. Send it a cent before you go live.`,
    )
}
