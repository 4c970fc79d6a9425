/**
 * The types of the paying factory, as users meet them.
 *
 * @module
 */
import { tempo } from '@polyrail/tempo/client'
import type { Client, JsonRpcAccount, LocalAccount, PrivateKeyAccount } from 'viem'
import type { Account } from 'viem/tempo'
import { test } from 'vitest'

declare const plain: PrivateKeyAccount
declare const custom: LocalAccount
declare const root: Account.RootAccount
declare const key: Account.AccessKeyAccount
declare const inWallet: JsonRpcAccount
declare const client: Client
declare const sign: NonNullable<LocalAccount['sign']>
const address = '0x8ba1f109551bD432803012645Ac136ddd64DBA72'

test('any account of viem pays, and whatever signs hashes', () => {
  for (const account of [plain, custom, root, key]) tempo.charge({ account })
  tempo({ account: { address, sign } })
  tempo({ account: inWallet, client })
  tempo({ account: { address, type: 'json-rpc' }, client })
  tempo({ client })
  // @ts-expect-error -- an address alone says not how it signs
  tempo({ account: address })
})

test('what is paid, to whom, and how', () => {
  tempo({ account: plain, mode: 'push', recipients: [address], maxSplits: 3 })
  tempo({ account: plain, swap: true })
  tempo({ account: plain, swap: { from: [address], slippage: 0.5 } })
  // @ts-expect-error -- the draft has two modes
  tempo({ account: plain, mode: 'hash' })
  // @ts-expect-error -- per cent is a number
  tempo({ account: plain, swap: { slippage: '1%' } })
})
