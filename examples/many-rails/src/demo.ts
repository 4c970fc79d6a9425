/**
 * The story: local networks, a shop with one page and five ways to pay for it, and five customers.
 *
 * @module
 */
import { card, httpEnabler as vaultOver } from '@polyrail/card/client'
import { httpEnabler as acquirerOver } from '@polyrail/card/server'
import { Challenge, Credential, Receipt } from '@polyrail/core'
import { Mpp } from '@polyrail/core/client'
import { lightning } from '@polyrail/lightning/client'
import { LocalCards } from '@polyrail/sandbox/card'
import { Lightning } from '@polyrail/sandbox/lightning'
import { Stellar } from '@polyrail/sandbox/stellar'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import { Tempo } from '@polyrail/sandbox/tempo'
import { stellar } from '@polyrail/stellar/client'
import { stripe } from '@polyrail/stripe/client'
import { tempo } from '@polyrail/tempo/client'
import { randomBytes } from 'node:crypto'
import { Stripe } from 'stripe'
import { spend, type Bank } from './points.js'
import { dollars, listen, part, row, sats, showTransaction, title } from './print.js'
import { open } from './shop.js'
import { openTokens } from './tokens.js'

title('Setting up')
const chain = await Tempo.start({ quiet: true })
const { rpcUrl, chainId } = chain
const payer = await chain.account({ amount: 1_000_000n })
const nodes = await Lightning.start({ quiet: true })
const bureau = await LocalStripe.start({ quiet: true })
const { networkId } = bureau
const cards = await LocalCards.start({ quiet: true })
const ledger = await Stellar.start({ quiet: true })
const usdc = ledger.asset()
const holder = ledger.account()
const till = ledger.account().publicKey()
usdc.mint(holder.publicKey(), 1_0000000n)
usdc.trust(till)
const at = { rpcUrl: ledger.rpcUrl, network: 'stellar:testnet' } as const
const chest = { recipient: till, currency: usdc.contract, ...at }
const recipient = (await chain.account({ amount: 5_000_000n })).address
const member = { member: 'ada', secret: randomBytes(32).toString('base64') }
const bank: Bank = new Map([['ada', { secret: member.secret, points: 25, paid: new Set() }]])
const account = { client: new Stripe(bureau.secretKey, bureau.options), networkId }
const psp = { enabler: acquirerOver(cards.acquirer), key: cards.key, merchantName: 'One Page' }
const node = nodes.payee
const shop = await open({ recipient, rpcUrl, chainId, node, account, psp, chest, bank })
const agent = new Stripe(bureau.agent.secretKey, bureau.options)
const tokens = await openTokens({ stripe: agent, paymentMethod: 'pm_card_visa', most: 100n })
row('chain', `Tempo, chain id ${chainId}, ${rpcUrl}`)
row('nodes', `Lightning on regtest, ${nodes.payer.id} → ${nodes.payee.id}`)
row('stripe', `${bureau.url}, profile ${networkId}`)
row('cards', `${cards.url}, key ${cards.key.kid}`)
row('ledger', `Stellar, ${ledger.passphrase}, ${ledger.rpcUrl}`)
row('payer', payer.address)
row('shop', `${recipient}, selling ${shop.url}`)

try {
  title('Asking without paying')
  const unpaid = await fetch(shop.url)
  row('answer', `${unpaid.status} ${unpaid.statusText}, ${unpaid.headers.get('content-type')}`)
  for (const { method, intent, id, expires, description, request } of Challenge.parse(
    unpaid.headers,
  ))
    part(`challenge: ${method}/${intent}`, { id, expires, description, request })

  title('Paying with Tempo: mpp.fetch(url)')
  const before = await balances()
  const wire = listen()
  const wallet = Mpp.create({
    methods: [tempo({ account: payer, rpcUrl, chainId })],
    policy: { max: '0.05' },
    fetch: wire.fetch,
  })
  const paid = await wallet.fetch(shop.url)
  const credential = Credential.deserialize(wire.authorization())
  part('credential', { source: credential?.source, payload: credential?.payload })
  row('answer', `${paid.status} ${paid.statusText}, ${await paid.text()}`)
  const receipt = Receipt.fromResponse(paid)
  if (!receipt) throw new Error('The page was not paid for.')
  part('receipt', receipt)

  title('What the chain says')
  await showTransaction(chain, receipt.reference)
  const after = await balances()
  row('payer', `${dollars(before.payer)} → ${dollars(after.payer)} pathUSD (the price and the fee)`)
  row('shop', `${dollars(before.shop)} → ${dollars(after.shop)} pathUSD`)

  title('The same page over Lightning')
  const [had, earned] = [nodes.payer.balance, nodes.payee.balance]
  const node = Mpp.create({
    methods: [lightning({ wallet: nodes.payer, network: 'regtest' })],
    policy: { max: '20' },
  })
  const bought = await node.fetch(shop.url)
  part('receipt', Receipt.fromResponse(bought) ?? {})
  row('answer', `${bought.status} ${bought.statusText}, ${await bought.text()}`)
  row('payer', `${sats(had)} → ${sats(nodes.payer.balance)}`)
  row('shop', `${sats(earned)} → ${sats(nodes.payee.balance)}`)

  title('The same page over Stripe')
  const purse = Mpp.create({
    methods: [
      stripe({
        async createToken({ challenge, signal }) {
          const body = Challenge.serialize(challenge)
          const answer = await fetch(tokens.url, { method: 'POST', body, signal })
          return answer.text()
        },
      }),
    ],
    policy: { max: { 'stripe:usd': '1.00' } },
  })
  const charged = await purse.fetch(shop.url)
  part('receipt', Receipt.fromResponse(charged) ?? {})
  row('answer', `${charged.status} ${charged.statusText}, ${await charged.text()}`)
  row(
    'token',
    `${bureau.tokens.at(-1)?.maxAmount} cents allowed, ${bureau.tokens.at(-1)?.captured} taken`,
  )
  row('shop', `${bureau.captured['usd']?.sum} cents captured`)

  title('The same page by card, with an encrypted network token')
  const overheard = listen()
  const wearer = Mpp.create({
    methods: [card({ enabler: vaultOver(cards.vault), cardId: 'card_visa' })],
    policy: { max: { 'card:usd': '1.00' } },
    fetch: overheard.fetch,
  })
  const tapped = await wearer.fetch(shop.url)
  part('credential', { payload: Credential.deserialize(overheard.authorization())?.payload })
  part('receipt', Receipt.fromResponse(tapped) ?? {})
  row('answer', `${tapped.status} ${tapped.statusText}, ${await tapped.text()}`)
  row(
    'acquirer',
    `${cards.captured['usd']?.sum} cents captured of ${cards.charges.at(-1)?.network}`,
  )

  title('The same page on Stellar')
  const saver = Mpp.create({
    methods: [stellar({ account: holder, currencies: [usdc.contract], ...at })],
    policy: { max: '0.05' },
  })
  const sold = await saver.fetch(shop.url)
  part('receipt', Receipt.fromResponse(sold) ?? {})
  row('answer', `${sold.status} ${sold.statusText}, ${await sold.text()}`)
  row('payer', `10000000 → ${usdc.balance(holder.publicKey())} units of USDC`)
  row('shop', `0 → ${usdc.balance(till)} units of USDC`)

  title('The same page for points')
  const points = Mpp.create({ methods: [spend(member)], policy: { max: '10' } })
  const again = await points.fetch(shop.url)
  part('receipt', Receipt.fromResponse(again) ?? {})
  row('answer', `${again.status} ${again.statusText}, ${await again.text()}`)
  row('ada', `25 → ${bank.get('ada')?.points} points`)
} finally {
  await shop.close()
  await tokens.close()
  await Promise.all([chain.stop(), nodes.stop(), bureau.stop(), cards.stop(), ledger.stop()])
}

async function balances() {
  return { payer: await chain.balance(payer.address), shop: await chain.balance(recipient) }
}
