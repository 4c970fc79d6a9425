/**
 * What a payer and a sponsor do on a Stellar network, by the real SDK.
 *
 * @module
 */
import type { Stellar } from '@polyrail/sandbox/stellar'
import {
  Account,
  Address,
  authorizeEntry,
  BASE_FEE,
  Contract,
  type FeeBumpTransaction,
  type Keypair,
  nativeToScVal,
  Operation,
  rpc,
  StrKey,
  type Transaction,
  TransactionBuilder,
  xdr,
} from '@stellar/stellar-sdk'

/** The source of a transaction whose sponsor is not known yet. */
export const nobody = StrKey.encodeEd25519PublicKey(new Uint8Array(32))

export const connect = (network: Stellar.Network) =>
  new rpc.Server(network.rpcUrl, { allowHttp: true })

/** The operation of a SEP-41 transfer. */
export const transfer = (token: string, from: string, to: string, amount: bigint) =>
  new Contract(token).call(
    'transfer',
    new Address(from).toScVal(),
    new Address(to).toScVal(),
    nativeToScVal(amount, { type: 'i128' }),
  )

/** A minute, by the network's time. */
export const until = (network: Stellar.Network) => ({ minTime: 0, maxTime: network.now() + 60 })

type Order = { token: Stellar.Token; from: string; to: string; amount: bigint }

/** A transfer with its resources, to be signed by the account that it is from. */
export async function prepare(
  network: Stellar.Network,
  { token, from, to, amount }: Order,
  more: Partial<ConstructorParameters<typeof TransactionBuilder>[1]> = {},
) {
  const server = connect(network)
  const source = await server.getAccount(from)
  const options = {
    fee: BASE_FEE,
    networkPassphrase: network.passphrase,
    timebounds: until(network),
  }
  const built = new TransactionBuilder(source, { ...options, ...more })
    .addOperation(transfer(token.contract, from, to, amount))
    .build()
  return server.prepareTransaction(built)
}

/** Sends, and waits for the ledger. */
export async function send(network: Stellar.Network, tx: Transaction | FeeBumpTransaction) {
  const server = connect(network)
  const sent = await server.sendTransaction(tx)
  if (sent.status !== 'PENDING')
    return { status: sent.status, code: sent.errorResult?.result.type, hash: sent.hash }
  for (;;) {
    const found = await server.getTransaction(sent.hash)
    if (found.status !== 'NOT_FOUND')
      return { status: found.status, code: found.resultXdr.result.type, hash: sent.hash, found }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Pays with a transaction of one's own. */
export async function pay(network: Stellar.Network, payer: Keypair, order: Omit<Order, 'from'>) {
  const tx = await prepare(network, { ...order, from: payer.publicKey() })
  tx.sign(payer)
  return send(network, tx)
}

type Agreed = {
  signer?: Keypair | undefined
  /** Ledgers from now. */
  life?: number
  isUpgraded?: boolean
}

/** What a payer signs for a sponsor: the call and the entries that agree to it. */
export async function agree(
  network: Stellar.Network,
  operation: xdr.Operation,
  { signer, life = 12, isUpgraded = false }: Agreed = {},
) {
  const server = connect(network)
  const built = new TransactionBuilder(new Account(nobody, '0'), {
    fee: BASE_FEE,
    networkPassphrase: network.passphrase,
    timebounds: until(network),
  })
    .addOperation(operation)
    .build()
  const { operations } = await server.prepareTransaction(built, isUpgraded)
  const [call] = operations
  if (call?.type !== 'invokeHostFunction') throw new Error('not a call')
  const end = network.ledger + life
  const auth = await Promise.all(
    (call.auth ?? []).map((entry) =>
      signer ? authorizeEntry(entry, signer, end, network.passphrase) : entry,
    ),
  )
  return { func: call.func, auth }
}

/** Sends what a payer agreed to, as its sponsor. */
export async function sponsor(
  network: Stellar.Network,
  account: Keypair,
  { func, auth }: Awaited<ReturnType<typeof agree>>,
  wrap: (tx: Transaction) => Transaction | FeeBumpTransaction = (tx) => tx,
) {
  const server = connect(network)
  const source = await server.getAccount(account.publicKey())
  const built = new TransactionBuilder(source, {
    fee: BASE_FEE,
    networkPassphrase: network.passphrase,
    timebounds: until(network),
  })
    .addOperation(Operation.invokeHostFunction({ func, auth }))
    .build()
  const simulated = await server.simulateTransaction(built)
  if (!rpc.Api.isSimulationSuccess(simulated)) return { status: 'REFUSED', code: simulated.error }
  const tx = rpc.assembleTransaction(built, simulated).build()
  tx.sign(account)
  return send(network, wrap(tx))
}
