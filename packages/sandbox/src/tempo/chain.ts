/**
 * The local chain as viem sees it.
 *
 * @module
 */
import { type Address, defineChain, maxUint256 } from 'viem'
import { Chain } from 'viem/tempo'
import { expiringNonceWindow, tokens } from './constants.js'

/** Below the limit, so that a slow machine still gets its transaction in. */
const lifetime = expiringNonceWindow - 5

/**
 * Defines the local chain for viem clients.
 *
 * viem prepares expiring nonces for a hardfork newer than anvil's newest (T4): with a random nonce and a life of 270 s,
 * where T4 takes nonce 0 and 30 s. The chain's hook puts that right; `validAfter`, long past, keeps otherwise
 * identical transactions apart instead.
 *
 * @param options - `id`, `rpcUrl`, and `now`, the chain's time in seconds.
 */
export function defineLocalChain({
  id,
  rpcUrl,
  now,
}: defineLocalChain.Options): defineLocalChain.LocalChain {
  const [prepare, options] = Chain.localnet.prepareTransactionRequest
  let salt = 0
  const prepareForT4: Prepare = async (request, context) => {
    const chosen = (request as Expiring).validBefore
    const prepared = await prepare(request, context)
    const expiring = prepared as Expiring | undefined
    if (expiring?.nonceKey !== maxUint256) return prepared
    expiring.nonce = 0
    if (chosen === undefined) {
      expiring.validBefore = now() + lifetime
      expiring.validAfter ??= ++salt
    }
    return prepared
  }
  return defineChain({
    ...Chain.localnet,
    id,
    name: 'Tempo (local)',
    hardfork: 't4',
    feeToken: tokens.AlphaUSD,
    rpcUrls: { default: { http: [rpcUrl] } },
    prepareTransactionRequest: [prepareForT4, options],
  })
}

export declare namespace defineLocalChain {
  type Options = { id: number; rpcUrl: string; now: () => number }
  type LocalChain = Omit<typeof Chain.localnet, 'hardfork' | 'id' | 'name' | 'rpcUrls'> & {
    feeToken: Address
    hardfork: 't4'
    id: number
    name: string
    rpcUrls: { default: { http: readonly [string] } }
  }
}

type Prepare = (typeof Chain.localnet.prepareTransactionRequest)[0]

type Expiring = {
  nonceKey?: unknown
  nonce?: number | undefined
  validBefore?: number | undefined
  validAfter?: number | undefined
}
