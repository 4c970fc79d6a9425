/**
 * A shop that takes Tempo charges, in this process or in one that is to be killed.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { Mpp } from '@polyrail/core/server'
import { numberToHex, serializeSignature } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import { Secp256k1 } from 'viem/tempo'

const realm = 'shop.example'
export const origin = `https://${realm}`

/**
 * A fee payer that never signs alike twice, so that what it signed must be remembered.
 *
 * @param {import('viem').Hex} privateKey
 */
export const createSponsor = (privateKey) => ({
  budget: { total: '500', payer: '500' },
  account: {
    address: privateKeyToAddress(privateKey),
    /** @param {{ hash: import('viem').Hex }} signing */
    async sign({ hash: payload }) {
      const { r, s, yParity } = Secp256k1.sign({ payload, privateKey, extraEntropy: true })
      const [one, other] = [r, s].map((part) => numberToHex(part, { size: 32 }))
      return serializeSignature({ r: one ?? '0x', s: other ?? '0x', yParity })
    },
  },
})

/**
 * Opens a shop: `/page` is paid by push or by pull, `/pull` by pull alone, and the fees of `/sponsored` are the server's.
 * A challenge lasts for five minutes, or for seconds with `?brief`.
 *
 * @param {object} options
 * @param {ReturnType<typeof import('@polyrail/tempo/server').tempo.charge>} options.method - With a fee payer.
 * @param {import('@polyrail/core').Store.Store} options.store
 * @param {number} options.settle - Deadline of a settlement in milliseconds.
 */
export function openShop({ method, store, settle }) {
  const mpp = Mpp.create({
    methods: [method],
    realm,
    secretKey: 'a secret of this test, which is long enough',
    store,
    deadlines: { settle, wait: settle, lease: settle * 2 },
  })
  const page = () => Response.json({ page: randomUUID() })
  /** @param {Parameters<typeof mpp.charge>[0]} route */
  const lasting = (route) => ({
    long: mpp.charge(route)(page),
    brief: mpp.charge({ ...route, expires: 6 })(page),
  })
  const amount = '0.01'
  const routes = {
    '/page': lasting({ amount, feePayer: false }),
    '/pull': lasting({ amount, feePayer: false, modes: ['pull'] }),
    '/sponsored': lasting({ amount }),
  }
  /**
   * @param {string} path
   * @param {string} [authorization]
   */
  return async (path, authorization) => {
    const { pathname, searchParams } = new URL(path, origin)
    const { long, brief } = routes[/** @type {keyof typeof routes} */ (pathname)]
    const headers = authorization === undefined ? {} : { authorization }
    const request = new Request(origin + pathname, { headers })
    return searchParams.has('brief') ? brief(request) : long(request)
  }
}
