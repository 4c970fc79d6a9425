/**
 * Ledger entries as `getLedgerEntries` answers them: accounts, trustlines and what contracts keep of balances.
 *
 * @module
 */
import { Address, Asset, nativeToScVal, scValToNative, StrKey, xdr } from '@stellar/stellar-sdk'
import { ownHoldings } from './holdings.js'
import type { Ledger } from './ledger.js'
import { entriesOf } from './state.js'

/** The entry behind a key, in base64; `undefined` where there is none, or none of a kind that is modelled. */
export function entryOf(key: xdr.LedgerKey, ledger: Ledger): string | undefined {
  switch (key.type) {
    case 'account':
      return accountEntry(key.account, ledger)?.toXdr('base64')
    case 'trustline':
      return trustlineEntry(key.trustLine, ledger)?.toXdr('base64')
    case 'contractData':
      return dataEntry(key.contractData, ledger)?.toXdr('base64')
    default:
      return undefined
  }
}

const addressOf = (id: xdr.AccountId): string => StrKey.encodeEd25519PublicKey(id.ed25519.toBytes())

function accountEntry({ accountId }: xdr.LedgerKeyAccount, { state }: Ledger) {
  const address = addressOf(accountId)
  const account = state.accounts.get(address)
  if (account === undefined) return undefined
  const own = account.signers.get(address) ?? 0
  const signers = [...account.signers].filter(([key]) => key !== address)
  return xdr.LedgerEntryData.account(
    new xdr.AccountEntry({
      accountId,
      balance: account.balance,
      seqNum: account.sequence,
      numSubEntries: entriesOf(state, address),
      inflationDest: null,
      flags: 0,
      homeDomain: '',
      thresholds: new xdr.Thresholds(
        Uint8Array.of(own, account.threshold, account.threshold, account.threshold),
      ),
      signers: signers.map(([key, weight]) => {
        const ed25519 = StrKey.decodeEd25519PublicKey(key)
        return new xdr.Signer({ key: xdr.SignerKey.signerKeyTypeEd25519(ed25519), weight })
      }),
      ext: xdr.AccountEntryExt.v0(),
    }),
  )
}

function trustlineEntry({ accountId, asset }: xdr.LedgerKeyTrustLine, { state }: Ledger) {
  if (asset.type !== 'assetTypeCreditAlphanum4' && asset.type !== 'assetTypeCreditAlphanum12')
    return undefined
  const code = Buffer.from(asset.value.assetCode.toBytes()).toString('ascii').replace(/\0+$/, '')
  const name = new Asset(code, addressOf(asset.value.issuer)).toString()
  const line = state.trustlines.get(`${addressOf(accountId)} ${name}`)
  if (line === undefined) return undefined
  return xdr.LedgerEntryData.trustline(
    new xdr.TrustLineEntry({
      accountId,
      asset,
      balance: line.balance,
      limit: line.limit,
      flags: line.isAuthorized ? 1 : 0,
      ext: xdr.TrustLineEntryExt.v0(),
    }),
  )
}

function dataEntry(key: xdr.LedgerKeyContractData, { state }: Ledger) {
  if (key.key.type !== 'scvVec') return undefined
  const [name, owner]: unknown[] = scValToNative(key.key)
  const contract = Address.fromScAddress(key.contract).toString()
  if (name !== 'Balance' || typeof owner !== 'string') return undefined
  if (!state.balances.has(`${contract} ${owner}`)) return undefined
  const amount = ownHoldings(contract).read({ state, touch: () => {} }, owner)
  return xdr.LedgerEntryData.contractData(
    new xdr.ContractDataEntry({
      ext: xdr.ExtensionPoint.v0(),
      contract: key.contract,
      key: key.key,
      durability: key.durability,
      val: nativeToScVal(
        { amount, authorized: true, clawback: false },
        {
          type: {
            amount: ['symbol', 'i128'],
            authorized: ['symbol', null],
            clawback: ['symbol', null],
          },
        },
      ),
    }),
  )
}
