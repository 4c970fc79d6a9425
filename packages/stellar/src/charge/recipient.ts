/**
 * Warns of a recipient that cannot receive.
 *
 * @module
 */
import { keyOf } from '../address.js'
import { USDC, USDC_ISSUERS } from '../constants.js'
import type { Network } from '../network.js'

type Paid = { recipient: string; currency: string }

/**
 * Looks once whether each recipient trusts USDC: without a trustline every payment fails at its payer's trial, and the server hears of
 * none. Which asset another contract stands for would take the SDK to find out. Nobody waits for it.
 */
export function watchRecipient(network: Network): (paid: Paid) => void {
  const seen = new Set<string>()
  return ({ recipient, currency }) => {
    const holder = currency === USDC[network.id] ? keyOf(recipient) : undefined
    if (!holder || recipient.startsWith('C') || seen.has(recipient)) return
    seen.add(recipient)
    look(network, recipient, holder).catch(() => seen.delete(recipient))
  }
}

async function look(network: Network, recipient: string, holder: Uint8Array): Promise<void> {
  const issuer = keyOf(USDC_ISSUERS[network.id])
  if (!issuer) return
  const line = await network.readEntry(trustlineKey(holder, { code: 'USDC', issuer }))
  if (line === undefined)
    console.warn(
      `stellar/charge: the recipient ${recipient} has no trustline for USDC, so nobody can pay it. Open one before you go live.`,
    )
}

/** XDR of `LedgerKey`, by hand: the SDK is not loaded to make an offer. */
function trustlineKey(
  holder: Uint8Array,
  { code, issuer }: { code: string; issuer: Uint8Array },
): string {
  const [trustline, ed25519, alphanum4] = [1, 0, 1].map((tag) => [0, 0, 0, tag])
  const name = new TextEncoder().encode(code)
  const bytes = [trustline, ed25519, holder, alphanum4, name, ed25519, issuer]
  return btoa(String.fromCharCode(...bytes.flatMap((part) => [...(part ?? [])])))
}
