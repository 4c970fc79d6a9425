import { runInNewContext } from 'node:vm'
import { Challenge } from '@polyrail/core'
import { Errors, Method, Mpp, Outcome, Store } from '@polyrail/core/server'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  buy,
  challengeOf,
  createTill,
  credential,
  gate,
  named,
  newToken,
  plain,
  present,
  price,
  problemOf,
  realm,
  refusal,
  secretKey,
  sleep,
  untyped,
} from './till.js'

const deadlines = { settle: 40, wait: 30, lease: 400 }
const unknown = [503, 'payment-indeterminate']
const fault = () =>
  Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:443'), { code: 'ECONNREFUSED' })

/** A rail in the one-hook form. */
function createOneHook(
  verify: NonNullable<
    Method.toServer.Options<ReturnType<typeof named>, typeof price, unknown>['verify']
  >,
  more = {},
) {
  const server = Method.toServer<ReturnType<typeof named>, typeof price, unknown>(named('points'), {
    verify,
    ...more,
  })
  return {
    mpp: Mpp.create({ methods: [server], realm, secretKey, deadlines, store: Store.memory() }),
  }
}

describe('validate', () => {
  test('that cannot reach its network: 503 with Retry-After, and the same credential pays later (threat 9)', async () => {
    const validate = vi.fn((): unknown => true).mockRejectedValueOnce(fault())
    const { mpp, settled } = createTill({ validate })
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route)
    expect(response.headers.get('retry-after')).toBe('2')
    expect(await refusal(response)).toEqual([503, 'settlement-unavailable'])
    expect((await route(present(authorization))).status).toBe(200)
    expect(settled).toHaveLength(1)
  })

  test.each([
    ['an abort', new DOMException('aborted', 'AbortError')],
    ['a timeout', new DOMException('late', 'TimeoutError')],
    ['a failed fetch', new TypeError('fetch failed')],
    [
      'a reset below other errors',
      new Error('could not ask', {
        cause: new Error('wrapped', { cause: { code: 'ECONNRESET' } }),
      }),
    ],
    [
      'a socket of undici',
      Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }),
    ],
  ])('%s is the network’s fault and not the payer’s', async (_, cause) => {
    const { mpp } = createTill({ validate: () => Promise.reject(cause) })
    expect((await refusal((await buy(plain(mpp.charge(price)))).response))[0]).toBe(503)
  })

  test('that hangs ends at the deadline, its signal aborted', async () => {
    const signals: AbortSignal[] = []
    const { mpp, settled } = createTill(
      { validate: ({ signal }) => (signals.push(signal), new Promise(() => undefined)) },
      { deadlines },
    )
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual([
      503,
      'settlement-unavailable',
    ])
    expect(signals[0]?.aborted).toBe(true)
    expect(settled).toEqual([])
  })

  test('hands what it found to replayKey, payer and settle', async () => {
    const seen: unknown[] = []
    const note = ({ validated }: { validated: unknown }) => (seen.push(validated), 'x')
    const { mpp } = createTill({
      validate: async () => ({ evidence: 1 }),
      replayKey: note,
      payer: note,
      settle: (presented) => (note(presented), { reference: 'r' }),
    })
    expect((await buy(plain(mpp.charge(price)))).response.status).toBe(200)
    expect(seen).toEqual([{ evidence: 1 }, { evidence: 1 }, { evidence: 1 }])
  })

  test.each(['replayKey', 'payer'] as const)(
    'a %s that throws refuses before any money moves',
    async (hook) => {
      const { mpp, settled } = createTill({
        [hook]: () => {
          throw new Error('no such field')
        },
      })
      expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual([
        402,
        'verification-failed',
      ])
      expect(settled).toEqual([])
    },
  )
})

describe('settle', () => {
  test('rejected: 402 with the problem; the proof is free for another challenge, the challenge is used up', async () => {
    const settle = vi
      .fn((): unknown => ({ reference: 'r' }))
      .mockReturnValueOnce(Outcome.rejected('payment-insufficient'))
    const { mpp } = createTill({ settle: untyped(settle) })
    const route = plain(mpp.charge(price))
    const token = newToken()
    const { response, authorization } = await buy(route, token)
    expect(await refusal(response)).toEqual([402, 'payment-insufficient'])
    expect(await refusal(route(present(authorization)))).toEqual([402, 'payment-insufficient'])
    expect(settle).toHaveBeenCalledTimes(1)
    expect((await buy(route, token)).response.status).toBe(200)
  })

  test('rejected: another proof cannot use the challenge either', async () => {
    const { mpp } = createTill({
      settle: ({ credential: { payload } }) =>
        payload.token === 'poor' ? Outcome.rejected('payment-insufficient') : { reference: 'r' },
    })
    const route = plain(mpp.charge(price))
    const challenge = await challengeOf(route)
    await route(present(credential(challenge, 'poor')))
    expect(await refusal(route(present(credential(challenge, 'rich'))))).toEqual([
      402,
      'invalid-challenge',
    ])
  })

  test('unsettled: 503, and the same credential may be tried again', async () => {
    const settle = vi
      .fn((): unknown => ({ reference: 'r' }))
      .mockReturnValueOnce(Outcome.unsettled({ retryAfter: 7, cause: 'our key' }))
    const { mpp } = createTill({ settle: untyped(settle) })
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route)
    expect(response.headers.get('retry-after')).toBe('7')
    expect(await refusal(response)).toEqual([503, 'settlement-unavailable'])
    expect((await route(present(authorization))).status).toBe(200)
    expect(settle).toHaveBeenCalledTimes(2)
  })

  test('unsettled: the proof is free for another challenge, and then pays no more with its own', async () => {
    const settle = vi
      .fn((): unknown => ({ reference: 'r' }))
      .mockReturnValueOnce(Outcome.unsettled())
    const { mpp } = createTill({ settle: untyped(settle) })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route, 'mine')
    expect((await buy(route, 'mine')).response.status).toBe(200)
    expect(await refusal(route(present(authorization)))).toEqual([402, 'verification-failed'])
    expect(settle).toHaveBeenCalledTimes(2)
  })

  test('unsettled, and expired or dearer since: there is nothing to recover', async () => {
    const { mpp, settled } = createTill({ settle: undefined, broadcast: () => Outcome.unsettled() })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    const dearer = plain(mpp.charge({ ...price, amount: '99' }))
    expect(await refusal(dearer(present(authorization)))).toEqual([402, 'invalid-challenge'])
    expect(settled).toEqual([])
  })

  test('a network that could not be asked in time is asked after the challenge has expired, for that credential alone', async () => {
    let isDown = true
    const validate = () => {
      if (isDown) throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
      return true
    }
    const { mpp, settled } = createTill({ validate: untyped(validate) })
    const route = plain(mpp.charge({ ...price, expires: 60 }))
    const challenge = await challengeOf(route)
    const [early, other] = [credential(challenge, 'early'), credential(challenge, 'other')]
    expect(await refusal(route(present(early)))).toEqual([503, 'settlement-unavailable'])
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    onTestFinished(() => void vi.useRealTimers())
    isDown = false
    expect(await refusal(route(present(other)))).toEqual([402, 'invalid-challenge'])
    const dearer = plain(mpp.charge({ ...price, amount: '99', expires: 60 }))
    expect(await refusal(dearer(present(early)))).toEqual([402, 'invalid-challenge'])
    expect((await route(present(early))).status).toBe(200)
    expect(await refusal(route(present(early)))).toEqual([402, 'invalid-challenge'])
    expect(settled).toEqual(['early'])
  })

  test('a claim that takes longer than its lease settles nothing, for another may by then (threat 2)', async () => {
    const memory = Store.memory()
    const store: Store.Store = {
      ...memory,
      async claim(entries) {
        const found = await memory.claim(entries)
        const [{ key, value }] = entries as [Store.Entry]
        // Meanwhile its lease ran out and another server took the payment over.
        await memory.set(key, { ...(value as object), owner: 'another' }, { ttl: 60 })
        await sleep(70)
        return found
      },
    }
    const { mpp, settled } = createTill(
      {},
      { store, deadlines: { settle: 40, wait: 20, lease: 60 } },
    )
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual([
      409,
      'payment-in-progress',
    ])
    expect(settled).toEqual([])
  })

  test('a throw: nobody knows. 503 with Retry-After and no challenge, never a second settlement [core-044] (threat 9)', async () => {
    const settle = vi.fn(() => Promise.reject(new Error('after the transfer?')))
    const { mpp } = createTill({ settle: untyped(settle) })
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await problemOf(response)).toMatchObject({
      status: 503,
      code: 'payment-indeterminate',
      challengeId: expect.any(String) as string,
    })
    for (let again = 0; again < 3; again++)
      expect(await refusal(route(present(authorization)))).toEqual(unknown)
    expect(settle).toHaveBeenCalledTimes(1)
  })

  test('a throw before its first await is no different', async () => {
    const { mpp } = createTill({
      settle: () => {
        throw new Error('sync')
      },
    })
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual(unknown)
  })

  test('an unknown outcome keeps the proof from any other challenge (threat 3)', async () => {
    const { mpp } = createTill({ settle: () => Outcome.indeterminate() })
    const route = plain(mpp.charge(price))
    const token = newToken()
    await buy(route, token)
    expect(await refusal((await buy(route, token)).response)).toEqual([402, 'verification-failed'])
  })

  test('a PaymentError is a definite refusal; with 503 it is not', async () => {
    const settle = vi.fn(() => Promise.reject(new Errors.PaymentError('payment-expired')))
    const { mpp } = createTill({ settle: untyped(settle) })
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual([
      402,
      'payment-expired',
    ])
    settle.mockRejectedValueOnce(new Errors.PaymentError('settlement-unavailable'))
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual(unknown)
  })

  test('another library’s error with a problem of its own is no refusal of ours, and none of its text goes out', async () => {
    const cause = Object.assign(new Error('upstream'), {
      problem: {
        type: 'about:blank',
        title: 'Gateway',
        status: 502,
        detail: 'secret upstream text',
      },
    })
    const { mpp } = createTill({ settle: () => Promise.reject(cause) })
    const { response } = await buy(plain(mpp.charge(price)))
    expect(await response.clone().text()).not.toContain('upstream')
    expect(await refusal(response)).toEqual(unknown)
  })

  test.each([
    ['nothing', undefined],
    ['no reference', { receipt: {} }],
    ['an empty reference', { reference: '' }],
    ['a number for a reference', { reference: 5 }],
    ['a status of its own', { status: 'done' }],
  ])('an answer of %s is not known to be a settlement', async (_, answer) => {
    const { mpp } = createTill({ settle: () => untyped(answer) })
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual(unknown)
  })

  test('a promise of another make is held to the deadline too', async () => {
    const foreign = runInNewContext('new Promise(() => undefined)') as Promise<{
      reference: string
    }>
    expect(foreign).not.toBeInstanceOf(Promise)
    const { mpp } = createTill({ settle: () => foreign }, { deadlines })
    const answer = await Promise.race([buy(plain(mpp.charge(price))), sleep(1000)])
    expect(answer && (await refusal(answer.response))).toEqual(unknown)
  })

  test('past its deadline: 503, its signal aborted, and the late settlement counts all the same (threat 9)', async () => {
    const late = gate<{ reference: string }>()
    const signals: AbortSignal[] = []
    const settle = vi.fn(
      ({ signal }: { signal: AbortSignal }) => (signals.push(signal), late.passed),
    )
    const { mpp } = createTill({ settle: untyped(settle) }, { deadlines })
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route)
    expect(await refusal(response)).toEqual(unknown)
    expect(signals[0]?.aborted).toBe(true)
    late.open({ reference: 'late but true' })
    await sleep(5)
    expect((await route(present(authorization))).status).toBe(200)
    expect(settle).toHaveBeenCalledTimes(1)
  })

  test('a visit during a late settlement does not lose it (threat 9)', async () => {
    const late = gate<{ reference: string }>()
    const settle = vi.fn(() => late.passed)
    const { mpp } = createTill({ settle }, { deadlines })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    for (let visit = 0; visit < 3; visit++)
      expect(await refusal(route(present(authorization)))).toEqual(unknown)
    late.open({ reference: 'late but true' })
    await sleep(5)
    expect((await route(present(authorization))).status).toBe(200)
    expect(settle).toHaveBeenCalledTimes(1)
  })

  test('a visit to another server during a late settlement does not lose it (threat 9)', async () => {
    const store = Store.memory()
    const late = gate<{ reference: string }>()
    const slow = createTill({ settle: () => late.passed }, { deadlines, store })
    const other = createTill({}, { deadlines, store })
    const { authorization } = await buy(plain(slow.mpp.charge(price)))
    expect(await refusal(plain(other.mpp.charge(price))(present(authorization)))).toEqual(unknown)
    late.open({ reference: 'late but true' })
    await sleep(5)
    expect((await plain(other.mpp.charge(price))(present(authorization))).status).toBe(200)
    expect(other.settled).toEqual([])
  })

  test('a late settlement outweighs what another server concluded meanwhile (threat 9)', async () => {
    const store = Store.memory()
    for (const wrong of [
      Outcome.rejected('payment-expired'),
      Outcome.unsettled(),
      Outcome.indeterminate(),
    ]) {
      const late = gate<{ reference: string }>()
      const slow = createTill({ settle: () => late.passed }, { deadlines, store })
      const other = createTill({ reconcile: () => wrong }, { deadlines, store })
      const { authorization } = await buy(plain(slow.mpp.charge(price)))
      await plain(other.mpp.charge(price))(present(authorization))
      late.open({ reference: 'late but true' })
      await sleep(5)
      expect((await plain(other.mpp.charge(price))(present(authorization))).status).toBe(200)
      expect(other.settled).toEqual([])
    }
  })

  test('a late rejection counts too', async () => {
    const late = gate<Outcome.Outcome>()
    const { mpp } = createTill({ settle: () => late.passed }, { deadlines })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    late.open(Outcome.rejected('payment-expired'))
    await sleep(5)
    expect(await refusal(route(present(authorization)))).toEqual([402, 'payment-expired'])
  })

  test('a settle that gives up when its signal says so ends no process, however slow the store is', async () => {
    const rejections: unknown[] = []
    const note = (cause: unknown) => rejections.push(cause)
    process.on('unhandledRejection', note)
    const memory = Store.memory()
    const update: Store.Store['update'] = async (key, change, options) => {
      await sleep(30)
      return memory.update(key, change, options)
    }
    const settle = ({ signal }: { signal: AbortSignal }) =>
      new Promise<{ reference: string }>((_, giveUp) => {
        signal.addEventListener('abort', () => giveUp(signal.reason))
      })
    const { mpp } = createTill({ settle }, { deadlines, store: { ...memory, update } })
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual(unknown)
    await sleep(20)
    process.off('unhandledRejection', note)
    expect(rejections).toEqual([])
  })

  test('an attempt that settle hands over when its signal says so is kept for reconcile', async () => {
    const settle = ({ signal }: { signal: AbortSignal }) =>
      new Promise<Outcome.Outcome>((answer) => {
        signal.addEventListener('abort', () =>
          answer(Outcome.indeterminate({ attempt: { hash: '0xabc' } })),
        )
      })
    const reconcile = vi.fn((_presented: object) => Outcome.settled({ reference: 'found' }))
    const { mpp } = createTill({ settle, reconcile }, { deadlines })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    await sleep(10)
    expect((await route(present(authorization))).status).toBe(200)
    expect(reconcile.mock.calls[0]?.[0]).toMatchObject({ attempt: { hash: '0xabc' } })
  })

  test('a late throw changes nothing and harms nobody', async () => {
    const { mpp } = createTill(
      { settle: async () => (await sleep(120), Promise.reject(new Error('late'))) },
      { deadlines },
    )
    const errors = vi.fn()
    mpp.on('error', errors)
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    await sleep(120)
    expect(errors).toHaveBeenCalledTimes(1)
    expect(await refusal(route(present(authorization)))).toEqual(unknown)
  })
})

describe('reconcile', () => {
  test.each([
    ['settled', Outcome.settled({ reference: 'found' }), 200, undefined],
    ['a bare reference', { reference: 'found' } as Outcome.Outcome, 200, undefined],
    ['rejected', Outcome.rejected('payment-expired'), 402, 'payment-expired'],
    ['indeterminate', Outcome.indeterminate({ retryAfter: 9 }), 503, 'payment-indeterminate'],
    ['unsettled', Outcome.unsettled({ retryAfter: 9 }), 503, 'settlement-unavailable'],
    ['nonsense', undefined as unknown as Outcome.Outcome, 503, 'payment-indeterminate'],
  ])('%s, asked with the attempt that was kept (threat 9)', async (_, found, status, code) => {
    const settle = vi.fn(() => Outcome.indeterminate({ attempt: { hash: '0xabc', nonce: 5n } }))
    const reconcile = vi.fn((_presented: object) => found)
    const { mpp } = createTill({ settle, reconcile })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    const response = await route(present(authorization))
    expect(response.status).toBe(status)
    if (code) expect((await problemOf(response)).code).toBe(code)
    expect(reconcile).toHaveBeenCalledOnce()
    expect(reconcile.mock.calls[0]?.[0]).toMatchObject({
      attempt: { hash: '0xabc', nonce: 5n },
      credential: { payload: { token: expect.any(String) as string } },
    })
    expect(settle).toHaveBeenCalledOnce()
  })

  test('unsettled frees challenge and proof for the same credential, which then settles', async () => {
    const settle = vi
      .fn((): unknown => ({ reference: 'r' }))
      .mockReturnValueOnce(Outcome.indeterminate())
    const { mpp } = createTill({ settle: untyped(settle), reconcile: () => Outcome.unsettled() })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    expect((await route(present(authorization))).status).toBe(503)
    expect((await route(present(authorization))).status).toBe(200)
    expect(settle).toHaveBeenCalledTimes(2)
  })

  test.each([
    ['throws', () => Promise.reject(new Error('explorer is down'))],
    ['hangs', () => new Promise<Outcome.Outcome>(() => undefined)],
  ])('that %s leaves the payment unknown, with its attempt, to be asked again', async (_, fail) => {
    const attempts: unknown[] = []
    const reconcile = vi.fn(
      ({ attempt }: { attempt: unknown }): Outcome.Outcome | Promise<Outcome.Outcome> => (
        attempts.push(attempt),
        Outcome.settled({ reference: 'found' })
      ),
    )
    reconcile.mockImplementationOnce(({ attempt }) => (attempts.push(attempt), fail()))
    const { mpp } = createTill(
      { settle: () => Outcome.indeterminate({ attempt: 'a1' }), reconcile },
      { deadlines },
    )
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    expect(await refusal(route(present(authorization)))).toEqual(unknown)
    expect((await route(present(authorization))).status).toBe(200)
    expect(attempts).toEqual(['a1', 'a1'])
  })

  test('is asked although the first settlement hangs for ever', async () => {
    const { mpp } = createTill(
      {
        settle: () => new Promise(() => undefined),
        reconcile: () => Outcome.settled({ reference: 'found' }),
      },
      { deadlines },
    )
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    expect((await route(present(authorization))).status).toBe(200)
  })

  test('that takes a running settlement for none does not start a second one', async () => {
    const late = gate<{ reference: string }>()
    const settle = vi.fn(() => late.passed)
    const { mpp } = createTill({ settle, reconcile: () => Outcome.unsettled() }, { deadlines })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    for (let visit = 0; visit < 4; visit++)
      expect((await route(present(authorization))).status).toBe(503)
    late.open({ reference: 'late but true' })
    await sleep(5)
    expect((await route(present(authorization))).status).toBe(200)
    expect(settle).toHaveBeenCalledTimes(1)
  })

  test('is asked for by the same credential alone', async () => {
    const reconcile = vi.fn(() => Outcome.settled({ reference: 'found' }))
    const { mpp } = createTill({ settle: () => Outcome.indeterminate(), reconcile })
    const route = plain(mpp.charge(price))
    const challenge = await challengeOf(route)
    await route(present(credential(challenge, 'one')))
    expect(await refusal(route(present(credential(challenge, 'two'))))).toEqual([
      402,
      'invalid-challenge',
    ])
    expect(reconcile).not.toHaveBeenCalled()
  })

  test('of many visits at once, one at a time is asked', async () => {
    let asking = 0
    let most = 0
    const reconcile = async () => {
      most = Math.max(most, ++asking)
      await sleep(5)
      asking--
      return Outcome.indeterminate()
    }
    const { mpp } = createTill({ settle: () => Outcome.indeterminate(), reconcile })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    await Promise.all(Array.from({ length: 20 }, () => route(present(authorization))))
    expect(most).toBe(1)
  })
})

describe('the one-hook form', () => {
  test('a throw is a refusal', async () => {
    const { mpp } = createOneHook(() => Promise.reject(new Error('no such token')))
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual([
      402,
      'verification-failed',
    ])
  })

  test('a fault of the network is not: the same credential asks it again', async () => {
    const verify = vi.fn(async () => ({ reference: 'r' })).mockRejectedValueOnce(fault())
    const { mpp } = createOneHook(verify)
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route)
    expect(await refusal(response)).toEqual(unknown)
    expect((await route(present(authorization))).status).toBe(200)
    expect(verify).toHaveBeenCalledTimes(2)
    const ids = (verify.mock.calls as unknown as [{ challenge: Challenge.Challenge }][]).map(
      ([{ challenge }]) => challenge.id,
    )
    expect(ids[0]).toBe(ids[1])
  })

  test('asked again, a plain throw proves nothing, and a refusal made on purpose does (threat 9)', async () => {
    const verify = vi
      .fn<() => Promise<{ reference: string }>>()
      .mockRejectedValueOnce(fault())
      .mockRejectedValueOnce(new Error('token already spent'))
      .mockRejectedValueOnce(new Errors.PaymentError('verification-failed'))
    const { mpp } = createOneHook(verify)
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route)
    expect(await refusal(response)).toEqual(unknown)
    expect(await refusal(route(present(authorization)))).toEqual(unknown)
    expect(await refusal(route(present(authorization)))).toEqual([402, 'verification-failed'])
  })

  test('a settlement known after its visitor was sent away is told to the operator', async () => {
    const late = gate<{ reference: string }>()
    const { mpp } = createOneHook(() => late.passed)
    const told = vi.fn()
    mpp.on('late', told)
    const { response } = await buy(plain(mpp.charge(price)))
    expect(await refusal(response)).toEqual(unknown)
    expect(told).not.toHaveBeenCalled()
    late.open({ reference: 'r' })
    await vi.waitFor(() => expect(told).toHaveBeenCalledOnce())
    expect(told.mock.calls[0]?.[0]).toMatchObject({ receipt: { reference: 'r' } })
  })

  test('it is not asked again while its first answer is still to come', async () => {
    const late = gate<{ reference: string }>()
    const verify = vi.fn(() => late.passed)
    const { mpp } = createOneHook(verify)
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    for (let visit = 0; visit < 3; visit++)
      expect(await refusal(route(present(authorization)))).toEqual(unknown)
    late.open({ reference: 'r' })
    await sleep(5)
    expect((await route(present(authorization))).status).toBe(200)
    expect(verify).toHaveBeenCalledTimes(1)
  })

  test('with reconcile, that is asked and verify is not', async () => {
    const verify = vi.fn(() => Promise.reject(fault()))
    const { mpp } = createOneHook(verify, {
      reconcile: () => Outcome.settled({ reference: 'found' }),
    })
    const route = plain(mpp.charge(price))
    const { authorization } = await buy(route)
    expect((await route(present(authorization))).status).toBe(200)
    expect(verify).toHaveBeenCalledTimes(1)
  })

  test('claims its challenge before it asks: many copies, one call', async () => {
    const verify = vi.fn(async () => (await sleep(10), { reference: 'r' }))
    const { mpp } = createOneHook(verify)
    const route = plain(mpp.charge(price))
    const authorization = credential(await challengeOf(route))
    await Promise.all(Array.from({ length: 50 }, () => route(present(authorization))))
    expect(verify).toHaveBeenCalledTimes(1)
  })

  test('runs as the guides of this field write it, under its other names', async () => {
    const server = Method.toServer(named('points'), {
      transformRequest: (request, options: { amount: string }) => ({
        ...request,
        amount: options.amount,
        currency: 'pts',
      }),
      validate: () => true,
      broadcast: async ({ challenge }) => ({ reference: `${challenge.request.amount} taken` }),
      replayKey: ({ credential: { payload } }) => payload.token,
      onRespond: (receipt, response) => response.headers.set('x-taken', receipt.reference),
    })
    const mpp = Mpp.create({ methods: [server], realm, secretKey })
    const { response } = await buy(plain(mpp.charge({ amount: '3' })))
    expect([response.status, response.headers.get('x-taken')]).toEqual([200, '3 taken'])
  })
})
