/**
 * A method of one's own between the deployed SDK and ours, over HTTP.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decode, open, present } from './page.js'
import { createBank, deployed, ours } from './points.js'

const directions = [
  { payer: deployed, paid: ours },
  { payer: ours, paid: deployed },
]

const post = { method: 'POST', body: '{"order":7}' }

describe.each(directions)('$payer.name pays $paid.name', ({ payer, paid }) => {
  test.each([
    { name: 'a GET', init: {} },
    { name: 'a POST', init: post },
  ])('for $name, once', async ({ init }) => {
    const bank = createBank()
    await using page = await open(paid.guard({ points: '10' }, bank))
    const wallet = payer.wallet(['points'], bank)

    const response = await wallet.fetch(page.url, init)
    expect({ status: response.status, body: await response.text() }).toEqual({
      status: 200,
      body: 'page 1',
    })
    const [authorization = ''] = page.presented
    const { token } = decode(authorization).payload
    expect(bank.taken).toEqual([{ token, method: 'points', amount: '10' }])
    expect(wallet.receipt(response)).toMatchObject({
      method: 'points',
      status: 'success',
      reference: `taken-${token}`,
    })

    expect((await present(page.url, authorization, init)).status).toBe(402)
    expect(page.served()).toBe(1)
    expect(bank.taken).toHaveLength(1)
  })

  test('by the one method of several that it knows', async () => {
    const bank = createBank()
    await using page = await open(paid.guard({ points: '10', miles: '3', stars: '1' }, bank))
    const wallet = payer.wallet(['miles'], bank)
    const response = await wallet.fetch(page.url)
    expect(await response.text()).toBe('page 1')
    expect(bank.taken).toEqual([expect.objectContaining({ method: 'miles', amount: '3' })])
    expect(wallet.receipt(response)).toMatchObject({ method: 'miles' })
  })

  test('by one method only when it knows all of them', async () => {
    const bank = createBank()
    await using page = await open(paid.guard({ points: '10', miles: '3' }, bank))
    const wallet = payer.wallet(['points', 'miles'], bank)
    expect(await (await wallet.fetch(page.url)).text()).toBe('page 1')
    expect(bank.taken).toEqual([expect.objectContaining({ method: 'points', amount: '10' })])
  })

  test('and asks only for what it can pay, which the server heeds', async () => {
    const bank = createBank()
    await using page = await open(paid.guard({ points: '10', miles: '3', stars: '1' }, bank))
    const wallet = payer.wallet(['miles', 'stars'], bank)
    await wallet.fetch(page.url)
    expect(wallet.offers).toEqual([2])
  })
})

test('the deployed client echoes the digest of the body, and our server holds it to that body', async () => {
  const bank = createBank()
  await using page = await open(ours.guard({ points: '10' }, bank))
  const wallet = deployed.wallet(['points'], bank)
  const authorization = await wallet.sign(await fetch(page.url, post), page.url)
  const hash = createHash('sha256').update(post.body).digest('base64')
  expect(decode(authorization).challenge.digest).toBe(`sha-256=:${hash}:`)

  const other = await present(page.url, authorization, { ...post, body: '{"order":8}' })
  expect(other.status).toBe(402)
  expect(bank.taken).toEqual([])
  expect((await present(page.url, authorization, post)).status).toBe(200)
  expect(bank.taken).toHaveLength(1)
})
