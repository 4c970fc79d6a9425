/**
 * Stellar charges on a local network, for the conformance suite and for the tests of this package.
 *
 * @module
 */
import type { Fault, Rail } from '@polyrail/conformance'
import { Stellar } from '@polyrail/sandbox/stellar'
import type { charge, ChargeRequest } from '@polyrail/stellar'
import { stellar as paying } from '@polyrail/stellar/client'
import { stellar as paid } from '@polyrail/stellar/server'
import {
  Account,
  Address,
  authorizeEntry,
  BASE_FEE,
  Contract,
  decodeAddressToMuxedAccount,
  type Keypair,
  nativeToScVal,
  Operation,
  rpc,
  Transaction,
  TransactionBuilder,
  xdr,
} from '@stellar/stellar-sdk'

/** Starts a network with USDC, a payer and a shop. */
export async function start(options: Stellar.start.Options = {}) {
  const chain = await Stellar.start({ quiet: true, closeAfter: 5, ...options })
  const usdc = chain.asset()
  const payer = chain.account()
  const shop = chain.account()
  usdc.mint(payer.publicKey(), 1_000_000_0000000n)
  usdc.trust(shop.publicKey())
  const at = { rpcUrl: chain.rpcUrl, network: 'stellar:testnet' } as const
  const terms = { recipient: shop.publicKey(), currency: usdc.contract, ...at }
  return {
    chain,
    usdc,
    payer,
    shop,
    at,
    terms,
    wallet: { account: payer, currencies: [usdc.contract], ...at },
    server: new rpc.Server(chain.rpcUrl, { allowHttp: true }),
    /** How many payments the shop has got. */
    settled: () => usdc.received(shop.publicKey()).count,
    /** Somebody with money, and lumens for fees. */
    customer(amount = 100_0000000n, account: Stellar.AccountTerms = {}) {
      const key = chain.account(account)
      usdc.mint(key.publicKey(), amount)
      return key
    },
  }
}

export type Local = Awaited<ReturnType<typeof start>>

/** The source of a transaction whose sponsor is not known yet. */
export const nobody = `G${'A'.repeat(52)}WHF`

/** The operation of a transfer, or of something like it. */
export const call = (
  token: string,
  [from, to, amount]: readonly [string, string, bigint],
  name = 'transfer',
): xdr.Operation =>
  new Contract(token).call(
    name,
    new Address(from).toScVal(),
    new Address(to).toScVal(),
    nativeToScVal(amount, { type: 'i128' }),
  )

type Built = ConstructorParameters<typeof TransactionBuilder>[1]

/** A transaction of a payer's own with its resources, to be signed. */
export async function prepare(
  { chain, server }: Pick<Local, 'chain' | 'server'>,
  source: string,
  operation: xdr.Operation,
  more: Partial<Built> = {},
): Promise<Transaction> {
  const timebounds = { minTime: 0, maxTime: chain.now() + 60 }
  const options = { fee: BASE_FEE, networkPassphrase: chain.passphrase, timebounds, ...more }
  const builder = new TransactionBuilder(await server.getAccount(source), options)
  return server.prepareTransaction(builder.addOperation(operation).build(), false)
}

/** Signs. */
export const signed = (tx: Transaction, ...keys: Keypair[]): string => {
  tx.sign(...keys)
  return tx.toXdr()
}

/** What a payer agrees to, as it is handed to a sponsor; with some things changed. */
export async function agree(
  { chain, server }: Pick<Local, 'chain' | 'server'>,
  operation: xdr.Operation,
  {
    signer,
    life = 50,
    isUpgraded = false,
    source = nobody,
    change = (entries) => entries,
    passphrase = chain.passphrase,
  }: Agreement,
): Promise<string> {
  const options = {
    fee: BASE_FEE,
    networkPassphrase: chain.passphrase,
    timebounds: { minTime: 0, maxTime: chain.now() + 60 },
  }
  const build = (what: xdr.Operation) =>
    new TransactionBuilder(new Account(source, '0'), options).addOperation(what).build()
  const prepared = await server.prepareTransaction(build(operation), isUpgraded)
  const [invoke] = prepared.operations
  if (invoke?.type !== 'invokeHostFunction') throw new Error('not a call')
  const entries = await Promise.all(
    change([...(invoke.auth ?? [])]).map((entry) =>
      authorizeEntry(entry, signer, chain.ledger + life, passphrase),
    ),
  )
  return build(Operation.invokeHostFunction({ func: invoke.func, auth: entries })).toXdr()
}

type Agreement = {
  signer: Keypair
  /** Ledgers. */
  life?: number
  isUpgraded?: boolean
  source?: string
  change?: (entries: xdr.SorobanAuthorizationEntry[]) => xdr.SorobanAuthorizationEntry[]
  passphrase?: string
}

/** A transaction that one account sends, of what another has agreed to. */
export async function relay(
  local: Pick<Local, 'chain' | 'server'>,
  sender: Keypair,
  [operation, agreement]: [xdr.Operation, Agreement],
): Promise<Transaction> {
  const [invoke] = new Transaction(await agree(local, operation, agreement), local.chain.passphrase)
    .operations
  if (invoke?.type !== 'invokeHostFunction') throw new Error('not a call')
  const { func, auth = [] } = invoke
  const call = Operation.invokeHostFunction({ func, auth: [...auth] })
  const tx = await prepare(local, sender.publicKey(), call)
  tx.sign(sender)
  return tx
}

/** The same operation, made by an account that is named in it. */
export const madeBy = (address: string, { body }: xdr.Operation): xdr.Operation =>
  new xdr.Operation({ sourceAccount: decodeAddressToMuxedAccount(address), body })

/** Sends a transfer, and waits for it. */
export async function send(
  local: Pick<Local, 'chain' | 'server'>,
  key: Keypair,
  operation: xdr.Operation,
): Promise<string> {
  const tx = await prepare(local, key.publicKey(), operation)
  tx.sign(key)
  const { hash } = await local.server.sendTransaction(tx)
  await local.server.pollTransaction(hash, { attempts: 200, sleepStrategy: () => 10 })
  return hash
}

/** How a fixture is paid: the server sends, for its own fee or the payer's, or the client does. */
export type Kind = 'pull' | 'push' | 'sponsored'

/** The transaction of a push is in a ledger already: there is only its fate to be read. */
const FAULTS: Record<'pull' | 'push', Record<Fault, Stellar.StellarFault>> = {
  pull: {
    'before-settle': { method: 'sendTransaction', times: 1, fail: { status: 429 } },
    'after-settle': { method: 'sendTransaction', times: 1, fail: 'hang', executed: true },
    hang: { method: 'sendTransaction', times: 1, fail: 'hang' },
  },
  push: {
    'before-settle': { method: 'getTransaction', times: 3, fail: 'drop' },
    'after-settle': { method: 'getTransaction', times: 3, fail: 'drop' },
    hang: { method: 'getTransaction', times: 1, fail: 'hang' },
  },
}

/** The fixture of the conformance suite. */
export async function createRail(kind: Kind = 'pull') {
  const local = await start()
  const { chain, terms, wallet, settled } = local
  const mode = kind === 'push' ? 'push' : 'pull'
  const rail = {
    pull: { credentialTypes: ['transaction'] },
    push: { credentialTypes: ['signedHash'] },
    sponsored: { feePayer: { account: chain.account(), budget: { total: '100', payer: '100' } } },
  } as const
  return {
    server: paid.charge({ ...terms, ...rail[kind] }),
    client: paying.charge({ ...wallet, mode }),
    options: { amount: '0.01' },
    dearer: { amount: '0.02' },
    capabilities: {
      pushes: kind === 'push',
      issues: kind === 'push',
      bindsChallenge: kind === 'push',
      namesPayer: true,
      reconciles: true,
    },
    tamper: (_, { request }) => tampers[kind](request, local),
    fault: (failure) => void chain.fault(FAULTS[mode][failure]),
    settled,
    exempt:
      kind === 'push'
        ? {
            'binding/expired':
              'nobody begins to push with less than 15 seconds left, and the case has a challenge of 1',
          }
        : {},
    stop: () => chain.stop(),
  } satisfies Rail<typeof charge>
}

const tampers = {
  async pull(request: ChargeRequest, local: Local) {
    const { chain, payer, shop, usdc } = local
    const [from, to] = [payer.publicKey(), shop.publicKey()]
    const amount = BigInt(request.amount)
    const other = chain.token()
    other.mint(from, amount)
    const pay = call(usdc.contract, [from, to, amount])
    const bad = async (title: string, operation: xdr.Operation, more: Partial<Built> = {}) => ({
      title: `a transaction that ${title}`,
      payload: {
        type: 'transaction',
        transaction: signed(await prepare(local, from, operation, more), payer),
      },
    })
    const late = { timebounds: { minTime: 0, maxTime: chain.now() + 3600 } }
    const never = { timebounds: { minTime: 0, maxTime: 0 } }
    const stranger = await prepare(local, from, pay)
    return Promise.all([
      bad('pays less', call(usdc.contract, [from, to, amount - 1n])),
      bad('pays more', call(usdc.contract, [from, to, amount + 1n])),
      bad('pays someone else', call(usdc.contract, [from, from, amount])),
      bad('pays in another token', call(other.contract, [from, to, amount])),
      bad('outlives the challenge', pay, late),
      bad('never ends', pay, never),
      {
        title: 'a transaction that is signed by another account',
        payload: { type: 'transaction', transaction: signed(stranger, shop) },
      },
    ])
  },

  async sponsored(request: ChargeRequest, local: Local) {
    const { payer, shop, usdc } = local
    const [from, to] = [payer.publicKey(), shop.publicKey()]
    const amount = BigInt(request.amount)
    const bad = async (title: string, operation: xdr.Operation, more: object = {}) => ({
      title: `an agreement that ${title}`,
      payload: {
        type: 'transaction',
        transaction: await agree(local, operation, { signer: payer, ...more }),
      },
    })
    const pay = call(usdc.contract, [from, to, amount])
    return Promise.all([
      bad('pays less', call(usdc.contract, [from, to, amount - 1n])),
      bad('pays someone else', call(usdc.contract, [from, from, amount])),
      bad('outlives the challenge', pay, { life: 500 }),
      bad('is over', pay, { life: -1 }),
      bad('has a source', pay, { source: from, change: () => [] }),
      bad('is in the newer form', pay, { isUpgraded: true }),
      bad('is signed by another', pay, { signer: shop }),
      bad('is for another network', pay, { passphrase: 'Standalone Network ; February 2017' }),
      bad('is signed by nobody', pay, { change: () => [] }),
    ])
  },

  /** Transactions that are in a ledger, and pay something else than what is asked. */
  async push(request: ChargeRequest, local: Local) {
    const { chain, payer, shop, usdc } = local
    const [from, to] = [payer.publicKey(), shop.publicKey()]
    const amount = BigInt(request.amount)
    const other = chain.token()
    other.mint(from, amount)
    const sourceSignature = '00'.repeat(64)
    const bad = async (title: string, operation: xdr.Operation) => {
      const hash = await send(local, payer, operation)
      const payload = { type: 'signedHash', hash, sourceSignature }
      return { title: `a transaction ${title}`, payload }
    }
    // The shop gets nothing of USDC by any of them, so that what it did get can be counted.
    const elsewhere = await bad('to someone else', call(usdc.contract, [from, from, amount]))
    return [elsewhere, await bad('in another token', call(other.contract, [from, to, amount]))]
  },
}
