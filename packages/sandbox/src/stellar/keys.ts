/**
 * The ledger's keys: under which name an entry is read and written.
 *
 * @module
 */
import { Address, type Asset, Keypair, xdr } from '@stellar/stellar-sdk'

type Durability = 'persistent' | 'temporary'

/** An account's entry. */
export function accountKey(address: string): xdr.LedgerKey {
  return xdr.LedgerKey.account(new xdr.LedgerKeyAccount({ accountId: idOf(address) }))
}

/** A trustline's entry. */
export function trustlineKey(address: string, asset: Asset): xdr.LedgerKey {
  const key = { accountId: idOf(address), asset: asset.toTrustLineXdrObject() }
  return xdr.LedgerKey.trustline(new xdr.LedgerKeyTrustLine(key))
}

/** Where a contract keeps what an address holds. */
export function balanceKey(contract: string, owner: string): xdr.LedgerKey {
  return dataKey(contract, scVec([xdr.ScVal.scvSymbol('Balance'), new Address(owner).toScVal()]))
}

/** Where a contract keeps what one address may spend for another. */
export function allowanceKey(contract: string, owner: string, spender: string): xdr.LedgerKey {
  const [from, by] = [owner, spender].map((address) => new Address(address).toScVal())
  const key = scVec([xdr.ScVal.scvSymbol('Allowance'), ...(from && by ? [from, by] : [])])
  return dataKey(contract, key, 'temporary')
}

/** A contract's instance. */
export function instanceKey(contract: string): xdr.LedgerKey {
  return dataKey(contract, xdr.ScVal.scvLedgerKeyContractInstance())
}

/** A nonce that an address has used. */
export function nonceKey(address: string, nonce: bigint): xdr.LedgerKey {
  return dataKey(address, xdr.ScVal.scvLedgerKeyNonce(new xdr.ScNonceKey({ nonce })), 'temporary')
}

function dataKey(contract: string, key: xdr.ScVal, durability: Durability = 'persistent') {
  return xdr.LedgerKey.contractData(
    new xdr.LedgerKeyContractData({
      contract: new Address(contract).toScAddress(),
      key,
      durability: xdr.ContractDataDurability[durability],
    }),
  )
}

const idOf = (address: string) => Keypair.fromPublicKey(address).xdrAccountId()

const scVec = (values: xdr.ScVal[]) => xdr.ScVal.scvVec(values)
