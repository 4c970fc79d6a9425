/**
 * Trying a contract call out: what it would do, touch and cost, and who would have to agree.
 *
 * @module
 */
import { xdr } from '@stellar/stellar-sdk'
import { enforce, record } from './authorization.js'
import { type Footprint, run } from './host.js'
import { type Ledger, read, resourceFee } from './ledger.js'
import { fork } from './state.js'
import { callOf } from './transaction.js'
import { Trap } from './trap.js'

/** Simulates what `simulateTransaction` was asked. Nothing is changed. */
export function simulate(parameters: Record<string, unknown>, ledger: Ledger): object {
  const latest = { latestLedger: ledger.sequence }
  const envelope = read(parameters.transaction, ledger)
  if (envelope === undefined) return { ...latest, error: 'Could not unmarshal transaction' }
  const { inner, source } = envelope
  const call = callOf(inner)
  if (call?.func.type !== 'hostFunctionTypeInvokeContract')
    return { ...latest, error: 'Transaction is not one call of a contract' }
  const { passphrase, contracts, sequence } = ledger
  const setting = { passphrase, source: call.source ?? source, contracts }
  const { auth = [] } = call
  const { authMode } = parameters
  const isEnforced = authMode === 'enforce' || (authMode == null && auth.length > 0)
  try {
    const authorizer = isEnforced
      ? enforce(auth, setting)
      : record(setting, {
          isUpgraded: parameters.useUpgradedAuth === true,
          takesNested: authMode === 'record_allow_nonroot',
        })
    const state = fork(ledger.state)
    const invocation = call.func.invokeContract
    const ran = run(invocation, { state, ledger: sequence + 1, contracts, authorizer })
    const entries = isEnforced ? auth : authorizer.recorded()
    return {
      ...latest,
      transactionData: resourcesFor(ran.footprint),
      minResourceFee: String(resourceFee),
      events: ran.diagnostics.map(diagnostic),
      results: [
        { auth: entries.map((entry) => entry.toXdr('base64')), xdr: ran.returned.toXdr('base64') },
      ],
    }
  } catch (cause) {
    if (cause instanceof Trap) return { ...latest, error: cause.message, events: [] }
    throw cause
  }
}

const diagnostic = (event: xdr.ContractEvent): string =>
  new xdr.DiagnosticEvent({ inSuccessfulContractCall: true, event }).toXdr('base64')

function resourcesFor({ read, write }: Footprint): string {
  const footprint = new xdr.LedgerFootprint({
    readOnly: [...read.values()],
    readWrite: [...write.values()],
  })
  return new xdr.SorobanTransactionData({
    ext: xdr.SorobanTransactionDataExt.v0(),
    resources: new xdr.SorobanResources({
      footprint,
      instructions: 1_000_000,
      diskReadBytes: 400,
      writeBytes: 400,
    }),
    resourceFee,
  }).toXdr('base64')
}
