/**
 * The story: a customer and a shop whose keys are in other processes, and a page that the customer asks for once more
 * than its signer allows.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { Mpp } from '@polyrail/core/client'
import { Tempo } from '@polyrail/sandbox/tempo'
import { tempo } from '@polyrail/tempo/client'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { formatUnits, getAddress, type Hex } from 'viem'
import { open } from './shop.js'
import { createAccount, type Signer } from './wallet.js'

const chain = await Tempo.start({ quiet: true })
const { rpcUrl, chainId } = chain
const customer = await startSigner({ limit: 2 })
const sponsor = await startSigner({ limit: 100 })
const recipient = '0x8ba1f109551bD432803012645Ac136ddd64DBA72'
for (const address of [customer.address, sponsor.address, recipient] as const)
  await chain.fund(address, { amount: 1_000_000n, tokens: [chain.tokens.pathUSD] })

const shop = await open({ recipient, feePayer: createAccount(sponsor), rpcUrl, chainId })
const mpp = Mpp.create({
  methods: [tempo({ account: createAccount(customer), rpcUrl, chainId })],
  policy: { max: '0.05' },
})

console.log('Setting up')
row('customer', `${customer.address}, whose key is in process ${customer.pid}`)
row('fee payer', `${sponsor.address}, whose key is in process ${sponsor.pid}`)
row('no key', `is in process ${process.pid}, where the client and the shop are`)
row('balances', await balances())

try {
  for (const visit of ['first', 'second', 'third']) {
    console.log(`\nThe ${visit} visit`)
    const response = await mpp.fetch(shop.url)
    row('answer', `${response.status} ${response.statusText}`)
    const receipt = Receipt.fromResponse(response)
    if (receipt) {
      row('page', await response.text())
      await showPayment(receipt.reference as Hex)
    }
    for (const { code, cause } of mpp.explain(response)?.refusals ?? [])
      row('not paid', `${code}: ${cause}`)
    row('balances', await balances())
  }
} finally {
  await shop.close()
  await customer.stop()
  await sponsor.stop()
  await chain.stop()
}

/** Asks the chain, not the shop, about a payment. */
async function showPayment(hash: Hex): Promise<void> {
  const { status, from, feePayer } = await chain.client().getTransactionReceipt({ hash })
  row('payment', `${hash}, ${status}`)
  row('from', getAddress(from))
  row('fee from', feePayer ? getAddress(feePayer) : 'nobody')
}

async function balances(): Promise<string> {
  const dollars = async (owner: Hex) => `$${formatUnits(await chain.balance(owner), 6)}`
  const held = await dollars(customer.address)
  const earned = await dollars(recipient)
  const left = await dollars(sponsor.address)
  return `customer ${held}, shop ${earned}, fee payer ${left}`
}

function row(name: string, text: string): void {
  console.log(`   ${name.padEnd(10)} ${text}`)
}

/** Starts a signer. It makes a key, and says its address and where it can be asked to sign. */
async function startSigner({ limit }: { limit: number }) {
  const file = fileURLToPath(new URL('signer.js', import.meta.url))
  const child = spawn(process.execPath, [file, String(limit)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const gone = once(child, 'exit')
  const stop = () => {
    child.stdin.end()
    return gone
  }
  for await (const line of createInterface(child.stdout))
    return { ...(JSON.parse(line) as Signer), pid: child.pid, stop }
  throw new Error('The signer did not start.')
}
