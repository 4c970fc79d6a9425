/**
 * Tempo charges on a local chain, for the conformance suite and for the tests of this package.
 *
 * @module
 */
import type { Fault, Rail } from '@polyrail/conformance'
import { Tempo } from '@polyrail/sandbox/tempo'
import type { charge, ChargeRequest } from '@polyrail/tempo'
import { tempo as paying } from '@polyrail/tempo/client'
import { tempo as paid } from '@polyrail/tempo/server'
import { encodeFunctionData, parseEventLogs, type Hex } from 'viem'
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
  account: Pick<Tempo.LocalAccount, 'signTransaction'>,
): Promise<`0x${string}`> =>
  account.signTransaction({ ...unsigned(raw), ...change }, { serializer: Transaction.serialize })

/** The transaction of a push is on the chain already: there is only its receipt to be read. */
const FAULTS: Record<'pull' | 'push', Record<Fault, Tempo.Fault>> = {
  pull: {
    'before-settle': { method: 'eth_sendRawTransactionSync', times: 1, fail: 'drop' },
    'after-settle': {
      method: 'eth_sendRawTransactionSync',
      times: 1,
      fail: 'drop',
      executed: true,
    },
    hang: { method: 'eth_sendRawTransactionSync', times: 1, fail: 'hang' },
  },
  push: {
    'before-settle': { method: 'eth_getTransactionReceipt', times: 3, fail: 'drop' },
    'after-settle': { method: 'eth_getTransactionReceipt', times: 3, fail: 'drop' },
    hang: { method: 'eth_getTransactionReceipt', times: 1, fail: 'hang' },
  },
}

/** How a fixture is paid: the server broadcasts, for its own fee or the payer's, or the client does. */
export type Kind = 'pull' | 'push' | 'sponsored'

/** The fixture of the conformance suite. */
export async function createRail(kind: Kind = 'pull') {
  const { chain, payer, shop, at, settled } = await start()
  const sponsor = await chain.account()
  const mode = kind === 'push' ? 'push' : 'pull'
  const terms = {
    pull: {},
    push: { modes: ['push'] },
    sponsored: { feePayer: { account: sponsor, budget: { total: '100', payer: '100' } } },
  } as const
  return {
    server: paid.charge({ recipient: shop.address, ...at, ...terms[kind] }),
    client: paying.charge({ account: payer, ...at, mode }),
    options: { amount: '0.01' },
    dearer: { amount: '0.02' },
    capabilities: {
      pushes: kind === 'push',
      issues: kind !== 'sponsored',
      bindsChallenge: true,
      namesPayer: true,
      reconciles: true,
    },
    async tamper(payload, { request }) {
      return payload.type === 'transaction'
        ? tamperTransaction(payload.signature, request, { chain, payer, shop })
        : tamperHash(request, { chain, payer, shop })
    },
    fault: (kind) => void chain.fault(FAULTS[mode][kind]),
    settled,
    exempt:
      kind === 'push'
        ? {
            'binding/expired':
              'the chain takes no transaction that is valid for less than 3 seconds, and the case has a challenge of 1',
          }
        : {},
    stop: () => chain.stop(),
  } satisfies Rail<typeof charge>
}

type Cast = Pick<Awaited<ReturnType<typeof start>>, 'chain' | 'payer' | 'shop'>

async function tamperTransaction(
  raw: string,
  request: ChargeRequest,
  { chain, payer, shop }: Cast,
) {
  const { pathUSD, AlphaUSD } = chain.tokens
  const amount = BigInt(request.amount)
  const pay = call(pathUSD, 'transfer', [shop.address, amount])
  const bad = async (title: string, change: object, code = 'verification-failed', by = payer) => ({
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
    bad('pays in another token', { calls: [call(AlphaUSD, 'transfer', [shop.address, amount])] }),
    bad('only approves', { calls: [call(pathUSD, 'approve', [shop.address, amount])] }),
    bad('does more than pay', { calls: [pay, pay] }),
    bad('is for another chain', { chainId: 42431 }),
    bad('never expires', { validBefore: undefined }),
    bad('outlives the challenge', { validBefore: chain.now() + 3600 }),
    bad('has expired', { validBefore: chain.now() - 60 }, 'payment-expired'),
    bad('is signed by another account', {}, 'verification-failed', shop),
  ])
}

/** Transactions that are on the chain, and pay something else than what is asked. */
async function tamperHash(request: ChargeRequest, { chain, payer, shop }: Cast) {
  const amount = BigInt(request.amount)
  const { pathUSD, AlphaUSD } = chain.tokens
  const client = chain.client({ account: payer })
  const send = async (title: string, to: Hex, value: bigint, token: Hex = pathUSD) => {
    const feeToken = AlphaUSD
    const { receipt } = await client.token.transferSync({ amount: value, to, token, feeToken })
    return {
      title: `a transaction ${title}`,
      payload: { type: 'hash', hash: receipt.transactionHash },
    }
  }
  return [
    // The shop gets nothing by any of them, so that what it did get can be counted.
    await send('to someone else', payer.address, amount),
    await send('in another token', shop.address, amount, AlphaUSD),
  ]
}
