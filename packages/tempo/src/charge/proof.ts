/**
 * Proofs of zero-amount charges: what a payer signs in place of a transaction.
 *
 * @module
 */
import type { Address } from '../constants.js'
import type { Attributed } from './attribution.js'

/** Who signs, and on which chain. */
export type Signer = { account: Address; chainId: number }

/** What is signed, as EIP-712 typed data. */
export type Proof = {
  domain: { name: string; version: string; chainId: number }
  types: { Proof: readonly { name: string; type: string }[] }
  primaryType: 'Proof'
  message: Record<string, unknown>
}

/**
 * The typed data that may be signed: as the draft has it first, as deployed software has it second. The latter names the
 * account and the realm too, so that a key of several accounts proves one of them.
 *
 * @see Tempo charge draft, EIP-712 Domain and Types
 */
export function proofsOf(
  { id, realm }: Attributed,
  { account, chainId }: Signer,
): readonly [Proof, Proof] {
  return [
    {
      domain: { name: 'MPP', version: '1', chainId },
      types: { Proof: [{ name: 'challengeId', type: 'string' }] },
      primaryType: 'Proof',
      message: { challengeId: id },
    },
    {
      domain: { name: 'MPP', version: '3', chainId },
      types: {
        Proof: [
          { name: 'account', type: 'address' },
          { name: 'challengeId', type: 'string' },
          { name: 'realm', type: 'string' },
        ],
      },
      primaryType: 'Proof',
      message: { account, challengeId: id, realm },
    },
  ]
}

/**
 * Reads a payer out of a `did:pkh:eip155` DID.
 *
 * @returns `undefined` for any other DID.
 * @see Tempo charge draft, Proof Payload
 */
export function parseSource(source: string): Signer | undefined {
  const match = /^did:pkh:eip155:(0|[1-9]\d{0,15}):(0x[\da-f]{40})$/i.exec(source)
  return match ? { chainId: Number(match[1]), account: match[2] as Address } : undefined
}

/** Writes a payer as a DID. */
export const sourceOf = ({ account, chainId }: Signer): string =>
  `did:pkh:eip155:${chainId}:${account}`
