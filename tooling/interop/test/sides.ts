/**
 * Both SDKs, set up alike for Tempo: each guards a page, and each has a wallet.
 *
 * @module
 */
import { Receipt as OurReceipt } from '@polyrail/core'
import { Mpp as OurWallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { tempo as ourPaying } from '@polyrail/tempo/client'
import { tempo as ourPaid } from '@polyrail/tempo/server'
import { Receipt } from 'mppx'
import { Mppx as Wallet, tempo as paying } from 'mppx/client'
import { Mppx, Store, tempo as paid } from 'mppx/server'
import { createClient, http } from 'viem'
import type { Scene } from './ledger.js'
import type { Mode } from './modes.js'
import { realm, secretKey, type Guard } from './page.js'

export type Side = {
  name: string
  /** @param terms - What the SDK's routes may say besides, such as an `externalId`. */
  guard(mode: Mode, scene: Scene, terms?: Record<string, unknown>): Guard
  /** @param options - What the SDK's method may be told besides, such as a `clientId`. */
  wallet(mode: Mode, scene: Scene, options?: Record<string, unknown>): Purse
}

export type Purse = {
  fetch(url: string): Promise<Response>
  /** Makes a credential for a 402, and does not present it. */
  sign(response: Response, url: string): Promise<string>
  receipt(response: Response): { reference: string } | undefined
}

const splitsOf = ({ splits }: Mode, { people }: Scene) =>
  splits && {
    splits: splits.map(({ to, ...split }) => ({ ...split, recipient: people[to].address })),
  }

export const ours: Side = {
  name: 'ours',
  guard(mode, scene, terms) {
    const { people } = scene
    const { rpcUrl, chainId } = scene.chain
    const sponsored = mode.fee === 'sponsor' && { feePayer: { account: people.sponsor } }
    const recipient = people.shop.address
    const method = ourPaid.charge({ recipient, rpcUrl, chainId, ...sponsored })
    const mpp = Mpp.create({ methods: [method], realm, secretKey })
    return Mpp.toNodeListener(
      mpp.charge({ amount: mode.amount, ...splitsOf(mode, scene), ...terms }),
    )
  },
  wallet({ push }, { chain, people }, options) {
    const { rpcUrl, chainId } = chain
    const mode = push && { mode: 'push' }
    const account = people.payer
    const method = ourPaying.charge({ account, rpcUrl, chainId, ...mode, ...options })
    const mpp = OurWallet.create({ methods: [method], policy: { max: '1' } })
    return {
      fetch: (url) => mpp.fetch(url),
      sign: (response, url) => mpp.createCredential(response, { url }),
      receipt: OurReceipt.fromResponse,
    }
  },
}

export const deployed: Side = {
  name: 'the deployed SDK',
  guard(mode, scene, terms) {
    const { chain, people } = scene
    const method = paid.charge({
      recipient: people.shop.address,
      currency: chain.tokens.pathUSD,
      getClient: () => chain.client(),
      // Without one it serves a proof again and again.
      store: Store.memory(),
      ...(mode.fee === 'sponsor' && { feePayer: people.sponsor }),
    })
    const mpp = Mppx.create({ methods: [method], realm, secretKey })
    const { chainId } = chain
    return Mppx.toNodeListener(
      mpp.charge({ amount: mode.amount, chainId, ...splitsOf(mode, scene), ...terms }),
    )
  },
  wallet({ push }, { chain, people }, options) {
    // Public chains name no fee token, and so deployed clients leave it empty.
    const chainAsPublic = { ...chain.chain, feeToken: undefined }
    const method = paying.charge({
      account: people.payer,
      getClient: () => createClient({ chain: chainAsPublic, transport: http(chain.rpcUrl) }),
      ...(push && { mode: 'push' }),
      ...options,
    })
    const mpp = Wallet.create({ methods: [method], polyfill: false })
    return {
      fetch: (url) => mpp.fetch(url),
      sign: (response) => mpp.createCredential(response),
      receipt: Receipt.fromResponse,
    }
  },
}
