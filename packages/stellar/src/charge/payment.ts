/**
 * Makes the credential of a payment: builds the transfer, has the network try it out, and signs it and nothing else.
 *
 * @module
 */
import { Errors, type Method } from '@polyrail/core'
import {
  Account,
  Address,
  authorizeEntry,
  nativeToScVal,
  Operation,
  TransactionBuilder,
  xdr,
  type Transaction,
} from '@stellar/stellar-sdk/base'
import { BID, NOBODY } from '../constants.js'
import type { Network } from '../network.js'
import { signBytes, type Signer } from '../signer.js'
import { readAccount } from './account.js'
import { tryOut, type Trial } from './evidence.js'
import { isOnly } from './effects.js'
import { endOf, lastLedger } from './expiry.js'
import type { charge as method } from './method.js'
import { modeOf, typeOf, type Challenge, type Terms } from './offer.js'
import { push } from './push.js'
import { sign } from './rebuild.js'
import { sourceOf } from './source.js'
import { bindingOf, hexOf, isSignedBy, type Transfer } from './transaction.js'
import type { Turns } from './turns.js'
import { whenAnswered } from './answered.js'

/** Who pays, and how. */
export type Wallet = {
  account: Signer
  network: Network
  terms: Terms
  /** Most stroops of a fee. */
  maxFee: bigint
  /** Payments of one account use its sequence numbers one after the other. */
  turns: Turns<Signer>
}

/** What is asked. */
export type Order = Pick<Method.toClient.Parameters<typeof method>, 'on' | 'signal'> & {
  challenge: Challenge
}

/**
 * Makes a credential.
 *
 * @throws PaymentError when the payment would fail or do more than pay; nothing was paid then.
 * @see Stellar charge draft, Fee Payment
 */
export async function prove(wallet: Wallet, order: Order): Promise<Method.Proof<typeof method>> {
  const { request } = order.challenge
  const source = sourceOf(wallet.terms.network, wallet.terms.payer)
  const type = typeOf(request, wallet.terms) ?? 'transaction'
  if (request.methodDetails.feePayer) {
    const transaction = await agree(wallet, order)
    return { payload: { type: 'transaction', transaction }, source, authorization: true }
  }
  const turn = await wallet.turns.take(order.signal)
  if (!turn) throw new Errors.PaymentError('settlement-unavailable')
  try {
    const tx = await signWhole(wallet, order)
    if (modeOf(type) === 'pull') {
      // The next one must not use the same sequence number: it waits until this one is in, or void.
      whenAnswered(order, turn.end)
      return {
        payload: { type: 'transaction', transaction: tx.toXdr() },
        source,
        authorization: true,
      }
    }
    // Whoever signs may still say no: nothing is paid before.
    const payload = await show(wallet, { hash: hexOf(tx.hash()), type, order })
    await push(tx, wallet.network, order.signal)
    turn.end()
    return { payload, source }
  } catch (cause) {
    turn.end()
    throw cause
  }
}

/** A hash, signed by its payer where the server takes that. */
async function show(
  { account }: Wallet,
  { hash, type, order }: { hash: string; type: string; order: Order },
): Promise<Method.PayloadOf<typeof method>> {
  if (type === 'hash') return { type, hash }
  const binding = bindingOf(order.challenge.id, hash)
  const signature = await signBytes(account, binding, order.signal)
  if (!isSignedBy(account.publicKey(), binding, signature))
    throw new Error(`stellar/charge: the key of ${account.publicKey()} did not sign as itself.`)
  return { type: 'signedHash', hash, sourceSignature: hexOf(signature) }
}

const transferOf = (
  { currency: token, recipient: to, amount }: Challenge['request'],
  from: string,
): Transfer => ({ token, from, to, amount: BigInt(amount) })

/** Signs the agreement to a transfer that the server sends and pays for. @see Stellar charge draft, Server-Sponsored Fees */
async function agree(wallet: Wallet, { challenge, signal }: Order): Promise<string> {
  const { network, account, terms } = wallet
  const transfer = transferOf(challenge.request, terms.payer)
  const now = Date.now() / 1000
  const end = endOf(challenge.expires, now)
  const build = builderFor(new Account(NOBODY, '0'), { passphrase: network.passphrase, end })
  const [{ call, trial }, ledger] = await Promise.all([
    plan(build, transfer, { network, signal }),
    network.readLedger({ signal }),
  ])
  const unsigned = entryFor(
    call,
    xdr.SorobanCredentials.sorobanCredentialsAddress(
      new xdr.SorobanAddressCredentials({
        address: new Address(transfer.from).toScAddress(),
        nonce: createNonce(),
        signatureExpirationLedger: 0,
        signature: xdr.ScVal.scvVoid(),
      }),
    ),
  )
  const signWith = async (_: unknown, payload: Uint8Array) => ({
    signature: await signBytes(account, payload, signal),
    publicKey: account.publicKey(),
  })
  const last = lastLedger(ledger, end - now)
  const entry = await authorizeEntry(unsigned, signWith, last, network.passphrase)
  return build(invoke(call, entry), trial).toXdr()
}

const createNonce = (): bigint =>
  BigInt.asIntN(64, crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n)

/** Signs a whole transaction, whose fee the payer pays. @see Stellar charge draft, Client-Paid Fees */
async function signWhole(wallet: Wallet, { challenge, signal }: Order): Promise<Transaction> {
  const { network, account, terms, maxFee } = wallet
  const transfer = transferOf(challenge.request, terms.payer)
  const payer = await readAccount(terms.payer, network, { signal })
  if (!payer) throw wouldFail('The account that pays is not on the network: it needs lumens first.')
  const end = endOf(challenge.expires, Date.now() / 1000)
  const source = new Account(terms.payer, String(payer.sequence))
  const build = builderFor(source, { passphrase: network.passphrase, end })
  const { call, trial } = await plan(build, transfer, { network, signal })
  // The signature around the transaction is the agreement.
  const entry = entryFor(call, xdr.SorobanCredentials.sorobanCredentialsSourceAccount())
  const tx = build(invoke(call, entry), trial)
  if (BigInt(tx.fee) > maxFee)
    throw wouldFail('The fee is above maxFee of this client; nothing was paid.')
  await sign(tx, account, signal)
  return tx
}

type Build = (operation: xdr.Operation, trial?: Trial) => Transaction

/** Builds transactions of one source. None of them uses up the sequence number of `source`: one at most is sent. */
const builderFor =
  (source: Account, { passphrase, end }: { passphrase: string; end: number }): Build =>
  (operation, trial) => {
    const fresh = new Account(source.accountId(), source.sequenceNumber())
    const builder = new TransactionBuilder(fresh, {
      fee: String(BID),
      networkPassphrase: passphrase,
      timebounds: { minTime: 0, maxTime: end },
    }).addOperation(operation)
    if (trial) builder.setSorobanData(trial.transactionData)
    return builder.build()
  }

/** Makes the call of a transfer, and has it tried out. */
async function plan(
  build: Build,
  transfer: Transfer,
  { network, signal }: { network: Network; signal: AbortSignal },
): Promise<{ call: xdr.InvokeContractArgs; trial: Trial }> {
  const { token, from, to, amount } = transfer
  const call = new xdr.InvokeContractArgs({
    contractAddress: new Address(token).toScAddress(),
    functionName: 'transfer',
    args: [
      new Address(from).toScVal(),
      new Address(to).toScVal(),
      nativeToScVal(amount, { type: 'i128' }),
    ],
  })
  const trial = await tryOut(build(invoke(call)).toXdr(), network, signal)
  checkTrial(trial, transfer)
  return { call, trial }
}

const invoke = (
  call: xdr.InvokeContractArgs,
  ...auth: xdr.SorobanAuthorizationEntry[]
): xdr.Operation =>
  Operation.invokeHostFunction({
    func: xdr.HostFunction.hostFunctionTypeInvokeContract(call),
    auth,
  })

/** An agreement to the one call, made here: what a node says should be signed is not looked at. */
const entryFor = (
  call: xdr.InvokeContractArgs,
  credentials: xdr.SorobanCredentials,
): xdr.SorobanAuthorizationEntry =>
  new xdr.SorobanAuthorizationEntry({
    credentials,
    rootInvocation: new xdr.SorobanAuthorizedInvocation({
      function: xdr.SorobanAuthorizedFunction.sorobanAuthorizedFunctionTypeContractFn(call),
      subInvocations: [],
    }),
  })

function checkTrial(trial: Trial, transfer: Transfer): void {
  if (!trial.isGood)
    throw wouldFail(
      'The payment would fail: the payer may hold too little, or the recipient cannot receive this currency; nothing was paid.',
    )
  if (!isOnly(trial.events, transfer))
    throw wouldFail('The token would change other balances than was agreed; nothing was paid.')
}

const wouldFail = (detail: string) => new Errors.PaymentError('verification-failed', { detail })
