/**
 * A shop of one paid page over a store.
 *
 * @module
 */
import { Challenge, Credential, Method, type Store } from '@polyrail/core'
import { Mpp } from '@polyrail/core/server'
import { z } from 'zod'

const points = Method.from({
  name: 'points',
  intent: 'charge',
  schema: {
    request: z.object({ amount: z.string(), currency: z.string() }),
    credential: { payload: z.object({ token: z.string() }) },
  },
})

/**
 * Buys a page with a new token.
 *
 * @throws Error with the status and the problem's code when there is no page.
 */
export async function buy(store: Store.Store): Promise<string> {
  const mpp = Mpp.create({
    methods: [
      Method.toServer(points, {
        replayKey: ({ credential }) => credential.payload.token,
        settle: ({ credential }) => ({ reference: credential.payload.token }),
      }),
    ],
    realm: 'api.example.com',
    secretKey: 'a secret of tests, forty bytes and longer',
    store,
  })
  mpp.on('error', () => undefined)
  const page = mpp.charge({ amount: '1', currency: 'pts' })(() => new Response('page'))
  const url = 'https://api.example.com/page'
  const [challenge] = Challenge.parse((await page(new Request(url))).headers)
  if (!challenge) throw new Error('no challenge')
  const payload = { token: crypto.randomUUID() }
  const authorization = Credential.serialize({ challenge, payload })
  const response = await page(new Request(url, { headers: { authorization } }))
  if (response.ok) return response.text()
  throw new Error(`${response.status} ${((await response.json()) as { code: string }).code}`)
}
