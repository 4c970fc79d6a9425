/**
 * What the ledger says of a transaction, as XDR.
 *
 * @module
 */
import { Asset, hash, nativeToScVal, Address, xdr } from '@stellar/stellar-sdk'
import { eventOf } from './host.js'

/** Why a transaction is not valid. */
export type Invalid =
  | 'txBadAuth'
  | 'txBadAuthExtra'
  | 'txBadSeq'
  | 'txInsufficientBalance'
  | 'txInsufficientFee'
  | 'txMalformed'
  | 'txMissingOperation'
  | 'txNoAccount'
  | 'txNotSupported'
  | 'txSorobanInvalid'
  | 'txTooEarly'
  | 'txTooLate'

/** The same, and of a fee bump the hash of what is inside it, where the fault is there. */
export type Invalidity = { code: Invalid; inner?: string }

/** How a contract call in a ledger ended. */
export type Ended = { returned: xdr.ScVal; events: xdr.ContractEvent[] } | { trapped: string }

/** The result of a transaction that is not valid. */
export function invalidResult({ code, inner }: Invalidity): string {
  const { TransactionResultResult: Outer, InnerTransactionResultResult: Inner } = xdr
  if (inner === undefined) return resultOf(0n, Outer[code]())
  return resultOf(0n, Outer.txFeeBumpInnerFailed(pairOf(Buffer.from(inner, 'hex'), Inner[code]())))
}

/** What became of what is inside a fee bump. */
function pairOf(hash: Uint8Array, result: xdr.InnerTransactionResultResult) {
  const ext = xdr.InnerTransactionResultExt.v0()
  return new xdr.InnerTransactionResultPair({
    transactionHash: new xdr.Hash(hash),
    result: new xdr.InnerTransactionResult({ feeCharged: 0n, result, ext }),
  })
}

/** The result of a transaction that was in a ledger. */
export function appliedResult(
  ended: Ended,
  { fee, inner }: { fee: bigint; inner?: Uint8Array | undefined },
): string {
  const isGood = 'returned' in ended
  const { InvokeHostFunctionResult: Result, TransactionResultResult: Outer } = xdr
  const result = isGood
    ? Result.invokeHostFunctionSuccess(hash(ended.returned.toXdr()))
    : Result.invokeHostFunctionTrapped()
  const operations = [xdr.OperationResult.opInner(xdr.OperationResultTr.invokeHostFunction(result))]
  if (inner === undefined)
    return resultOf(fee, isGood ? Outer.txSuccess(operations) : Outer.txFailed(operations))
  const { InnerTransactionResultResult: Inner } = xdr
  const pair = pairOf(inner, isGood ? Inner.txSuccess(operations) : Inner.txFailed(operations))
  return resultOf(
    fee,
    isGood ? Outer.txFeeBumpInnerSuccess(pair) : Outer.txFeeBumpInnerFailed(pair),
  )
}

function resultOf(feeCharged: bigint, result: xdr.TransactionResultResult): string {
  const ext = xdr.TransactionResultExt.v0()
  return new xdr.TransactionResult({ feeCharged, result, ext }).toXdr('base64')
}

/** The fee, as an event of the lumens' contract. Source: CAP-67. */
export function feeEvent(
  passphrase: string,
  { payer, fee }: { payer: string; fee: bigint },
): xdr.TransactionEvent {
  const topics = [xdr.ScVal.scvSymbol('fee'), new Address(payer).toScVal()]
  const said = { topics, data: nativeToScVal(fee, { type: 'i128' }) }
  return new xdr.TransactionEvent({
    stage: xdr.TransactionEventStage.transactionEventStageBeforeAllTxs,
    event: eventOf('contract', Asset.native().contractId(passphrase), said),
  })
}

/** What a transaction did: its events and what its call returned. The changes of entries are left out. */
export function metaOf(ended: Ended, fee: xdr.TransactionEvent): string {
  const ext = xdr.ExtensionPoint.v0()
  const events = 'returned' in ended ? ended.events : []
  const meta = new xdr.TransactionMetaV4({
    ext,
    txChangesBefore: [],
    operations: [new xdr.OperationMetaV2({ ext, changes: [], events })],
    txChangesAfter: [],
    sorobanMeta: new xdr.SorobanTransactionMetaV2({
      ext: xdr.SorobanTransactionMetaExt.v0(),
      returnValue: 'returned' in ended ? ended.returned : null,
    }),
    events: [fee],
    diagnosticEvents: [],
  })
  return xdr.TransactionMeta.v4(meta).toXdr('base64')
}
