/**
 * Tempo charges on a local chain, for the conformance suite and for the tests of this package.
 *
 * @module
 */
import type { Fault, Rail } from '@polyrail/conformance'
import { Tempo } from '@polyrail/sandbox/tempo'
import type { charge } from '@polyrail/tempo'
import { tempo as paying } from '@polyrail/tempo/client'
import { tempo as paid } from '@polyrail/tempo/server'
import { encodeFunctionData, parseEventLogs } from 'viem'
import { Abis, Transaction } from 'viem/tempo'

type Fields = Transaction.TransactionSerializableTempo

/** Starts a chain with a payer and a shop. */
export async function start() {
  const chain = await Tempo.start({ quiet: true })
  const { rpcUrl, chainId } = chain
  const payer = await chain.account()
  const shop = await chain.account({ amount: 1n })
  const at = { rpcUrl, chainId }
  return {
    chain,
    payer,
    shop,
    at,
    server: paid.charge({ recipient: shop.address, ...at }),
    client: paying.charge({ account: payer, ...at }),
    /** How many transfers of pathUSD the shop has got, its funding aside. */
    async settled() {
      const address = chain.tokens.pathUSD
      const logs = await chain.client().getLogs({ address, fromBlock: 0n, toBlock: 'latest' })
      const transfers = parseEventLogs({ abi: Abis.tip20, eventName: 'Transfer', logs })
      return transfers.filter(({ args }) => args.to === shop.address).length - 1
    },
  }
}

/** Writes a TIP-20 call. */
export const call = (
  to: `0x${string}`,
  name: 'transfer' | 'approve',
  args: [`0x${string}`, bigint],
) => ({
  to,
  data: encodeFunctionData({ abi: Abis.tip20, functionName: name, args }),
})

/** A transaction's fields, to be signed. */
export function unsigned(raw: string): Fields {
  const fields = { ...Transaction.deserialize(raw as `0x76${string}`) }
  delete fields.signature
  delete fields.from
  return fields
}

/** Signs a transaction again, with some fields changed. */
export const resign = (
  raw: string,
  change: object,
  account: Tempo.LocalAccount,
): Promise<`0x${string}`> =>
  account.signTransaction({ ...unsigned(raw), ...change }, { serializer: Transaction.serialize })

const FAULTS: Record<Fault, Tempo.Fault> = {
  'before-settle': { method: 'eth_sendRawTransactionSync', times: 1, fail: 'drop' },
  'after-settle': { method: 'eth_sendRawTransactionSync', times: 1, fail: 'drop', executed: true },
  hang: { method: 'eth_sendRawTransactionSync', times: 1, fail: 'hang' },
}

/** The fixture of the conformance suite. */
export async function createRail() {
  const { chain, payer, shop, server, client, settled } = await start()
  const { pathUSD, AlphaUSD } = chain.tokens
  return {
    server,
    client,
    options: { amount: '0.01' },
    dearer: { amount: '0.02' },
    capabilities: {
      pushes: false,
      issues: false,
      bindsChallenge: true,
      namesPayer: true,
      reconciles: true,
    },
    async tamper(payload, { request }) {
      const raw = 'signature' in payload ? payload.signature : ''
      const amount = BigInt(request.amount)
      const pay = call(pathUSD, 'transfer', [shop.address, amount])
      const bad = async (
        title: string,
        change: object,
        code = 'verification-failed',
        by = payer,
      ) => ({
        title: `a transaction that ${title}`,
        payload: { type: 'transaction', signature: await resign(raw, change, by) },
        code,
      })
      return Promise.all([
        bad(
          'pays less',
          { calls: [call(pathUSD, 'transfer', [shop.address, amount - 1n])] },
          'payment-insufficient',
        ),
        bad('pays more', { calls: [call(pathUSD, 'transfer', [shop.address, amount + 1n])] }),
        bad('pays someone else', { calls: [call(pathUSD, 'transfer', [payer.address, amount])] }),
        bad('pays in another token', {
          calls: [call(AlphaUSD, 'transfer', [shop.address, amount])],
        }),
        bad('only approves', { calls: [call(pathUSD, 'approve', [shop.address, amount])] }),
        bad('does more than pay', { calls: [pay, pay] }),
        bad('is for another chain', { chainId: 42431 }),
        bad('never expires', { validBefore: undefined }),
        bad('outlives the challenge', { validBefore: chain.now() + 3600 }),
        bad('has expired', { validBefore: chain.now() - 60 }, 'payment-expired'),
        bad('is signed by another account', {}, 'verification-failed', shop),
        { title: 'a hash', payload: { type: 'hash', hash: `0x${'11'.repeat(32)}` } },
      ])
    },
    fault: (kind) => void chain.fault(FAULTS[kind]),
    settled,
    stop: () => chain.stop(),
  } satisfies Rail<typeof charge>
}
