/**
 * A recipient that trusts no USDC is warned of when a route is made, and nobody waits for it.
 *
 * @module
 */
import { Stellar } from '@polyrail/sandbox/stellar'
import { stellar } from '@polyrail/stellar/server'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'

let network: Stellar.Network
let usdc: Stellar.Token
beforeAll(async () => {
  network = await Stellar.start({ quiet: true })
  // Circle's, on the test network.
  const issuer = 'GBBD47IF6LWK7P7MDEVSCWR7DPUWV3NY3DTQEVFL4NAT4AQH3ZLLFLA5'
  usdc = network.asset({ code: 'USDC', issuer })
})
afterAll(() => network.stop())

const warn = vi.spyOn(console, 'warn')
beforeEach(() => void warn.mockReset().mockImplementation(() => undefined))
afterEach(() => vi.clearAllMocks())

const route = (recipient: string, rpcUrl = network.rpcUrl) =>
  stellar.charge({ recipient, rpcUrl, network: 'stellar:testnet' }).request?.({ amount: '1' })

test('without a trustline, once', async () => {
  const recipient = network.account().publicKey()
  const rail = stellar.charge({ recipient, rpcUrl: network.rpcUrl, network: 'stellar:testnet' })
  for (const amount of ['1', '2']) rail.request?.({ amount })
  await vi.waitFor(() => expect(warn).toHaveBeenCalled())
  expect(warn.mock.calls).toEqual([[expect.stringContaining(`${recipient} has no trustline`)]])
})

test('not with one, nor where it cannot be asked', async () => {
  const recipient = network.account().publicKey()
  usdc.trust(recipient)
  expect(route(recipient)?.recipient).toBe(recipient)
  route(network.account().publicKey(), 'http://127.0.0.1:9')
  // Time for what the test above sees in milliseconds, and for the node that is not there to be asked thrice.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  expect(warn).not.toHaveBeenCalled()
})
