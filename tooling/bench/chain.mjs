/**
 * A local Tempo chain in a process of its own, so that only what a subject does itself is measured; started by `till.mjs`.
 *
 * @module
 */
import { Tempo } from '@polyrail/sandbox/tempo'

const chain = await Tempo.start({ quiet: true })
const recipient = await chain.account({ amount: 1n })
process.once('disconnect', async () => {
  await chain.stop()
  process.exit()
})
process.send?.({ rpcUrl: chain.rpcUrl, chainId: chain.chainId, recipient: recipient.address })
process.on('message', async (/** @type {`0x${string}`} */ address) => {
  await chain.fund(address)
  process.send?.('funded')
})
