import { Method, Mpp, Store } from '@polyrail/core/server'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { challengeOf, createRail, named, plain, price, realm, secretKey, untyped } from './till.js'

const { server } = createRail()
const create = (config: Partial<Parameters<typeof Mpp.create>[0]> = {}) =>
  Mpp.create({ methods: [server], realm, secretKey, ...config })

const names = [
  'MPP_REALM',
  'MPP_SECRET_KEY',
  'NODE_ENV',
  'HOSTNAME',
  'VERCEL_PROJECT_PRODUCTION_URL',
  'RENDER_EXTERNAL_HOSTNAME',
  'RAILWAY_PUBLIC_DOMAIN',
  'WEBSITE_HOSTNAME',
  'FLY_APP_NAME',
]
beforeEach(() => {
  for (const name of names) vi.stubEnv(name, undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('realm', () => {
  const withoutRealm = () => Mpp.create({ methods: [server], secretKey })

  test.each([
    ['MPP_REALM', 'pay.example.com', 'pay.example.com'],
    ['VERCEL_PROJECT_PRODUCTION_URL', 'shop.vercel.app', 'shop.vercel.app'],
    ['RENDER_EXTERNAL_HOSTNAME', 'shop.onrender.com', 'shop.onrender.com'],
    ['RAILWAY_PUBLIC_DOMAIN', 'shop.up.railway.app', 'shop.up.railway.app'],
    ['WEBSITE_HOSTNAME', 'shop.azurewebsites.net', 'shop.azurewebsites.net'],
    ['FLY_APP_NAME', 'shop', 'shop.fly.dev'],
  ])('comes from %s when none is given [core-011]', (name, value, expected) => {
    vi.stubEnv(name, value)
    expect(withoutRealm().realm).toBe(expected)
    expect(create().realm).toBe(realm)
  })

  test('MPP_REALM is stronger than the platform’s name', () => {
    vi.stubEnv('FLY_APP_NAME', 'shop')
    vi.stubEnv('MPP_REALM', 'pay.example.com')
    expect(withoutRealm().realm).toBe('pay.example.com')
  })

  test('is missed where nobody names one, and HOSTNAME names none', () => {
    vi.stubEnv('HOSTNAME', 'api-7d4b9c6f5d-x2x8q')
    expect(withoutRealm).toThrow(/realm.*MPP_REALM/s)
    vi.stubEnv('HOSTNAME', 'api.example.com')
    expect(withoutRealm).toThrow(/realm.*MPP_REALM/s)
  })

  test.each([
    'api-7d4b9c6f5d-x2x8q',
    'web-deployment-5c689d88bb-abcde',
    '3f2a1b9c8d7e',
    'ip-10-0-1-23.ec2.internal',
    'ip-172-31-5-6',
  ])('%s is a container’s name and refused with the remedy', (name) => {
    expect(() => create({ realm: name })).toThrow(/changes with every restart.*MPP_REALM/s)
    vi.stubEnv('MPP_REALM', name)
    expect(withoutRealm).toThrow(/changes with every restart/)
  })

  test.each([
    'api.example.com',
    'my-api-server.example.com',
    'deadbeef.example.com',
    'localhost',
    'Shop "One"',
  ])('%s is good, and reads back', async (name) => {
    const mpp = create({ realm: name })
    expect(
      (await challengeOf(plain((mpp.charge as (options: object) => Mpp.Handler)(price)))).realm,
    ).toBe(name)
  })

  test.each(['a|b', 'zürich.example', 'a\nb', 'emoji 🎉', ''])(
    '%j is refused [core-052]',
    (name) => {
      expect(() => create({ realm: name })).toThrow(TypeError)
    },
  )
})

describe('secretKey', () => {
  const withoutSecret = () => Mpp.create({ methods: [server], realm })

  test('comes from MPP_SECRET_KEY when none is given', async () => {
    vi.stubEnv('MPP_SECRET_KEY', secretKey)
    const one = withoutSecret()
    vi.stubEnv('MPP_SECRET_KEY', undefined)
    const challenge = await challengeOf(
      plain((one.charge as (options: object) => Mpp.Handler)(price)),
    )
    expect(challenge.id).toMatch(/^[\w-]{43}$/)
  })

  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['no secret at all', []],
    ['31 bytes', 'x'.repeat(31)],
    ['one short among good ones', [secretKey, 'short']],
  ])('%s is refused with the remedy, and never shown (threat 29) [core-063]', (_, given) => {
    const bad = () =>
      Mpp.create({ methods: [server], realm, ...(given !== undefined && { secretKey: given }) })
    expect(bad).toThrow(/openssl rand -base64 32/)
    expect(bad).not.toThrow(/short"|xxx/)
  })

  test('counts bytes and not characters', () => {
    expect(() => create({ secretKey: 'ü'.repeat(16) })).not.toThrow()
    expect(() => create({ secretKey: 'ü'.repeat(15) })).toThrow(/32 bytes/)
  })

  test('is on nothing that the server shows [core-062]', () => {
    const mpp = create()
    expect(JSON.stringify(mpp)).not.toContain(secretKey)
    expect(Object.values(mpp).map(String).join()).not.toContain(secretKey)
  })
})

describe('methods', () => {
  test('none is an error', () => {
    expect(() => create({ methods: [] })).toThrow(/at least one payment method/)
    expect(() => create({ methods: [[]] })).toThrow(/at least one payment method/)
  })

  test('a client method or a bare declaration is named, with the remedy', () => {
    const bare = named('points')
    expect(() => create({ methods: [untyped(bare)] })).toThrow(
      /"points" has no server side.*\/server.*Method\.toServer/s,
    )
    expect(() => create({ methods: [untyped(undefined)] })).toThrow(TypeError)
  })

  test('lists are flattened, as a rail’s factory returns them', () => {
    const mpp = create({
      methods: [[server, createRail({}, named('coins')).server]],
    }) as unknown as Record<string, Record<string, unknown>>
    expect(Object.keys(mpp['points'] ?? {})).toEqual(['charge'])
    expect(Object.keys(mpp['coins'] ?? {})).toEqual(['charge'])
  })

  test('a name and intent given twice: the last is used, and loudly', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const used: string[] = []
    const make = (which: string) =>
      createRail({ settle: () => (used.push(which), { reference: which }) }).server
    const mpp = Mpp.create({ methods: [make('first'), make('last')], realm, secretKey })
    expect(warned).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('points/charge'))
    const { buy } = await import('./till.js')
    await buy(plain(mpp.charge(price)))
    expect(used).toEqual(['last'])
  })

  test('one name with two intents has both', () => {
    const session = Method.toServer(Method.from({ ...server, intent: 'session' }), {
      verify: () => ({ reference: 'r' }),
    })
    const mpp = Mpp.create({ methods: [server, session], realm, secretKey })
    expect(Object.keys(mpp.points)).toEqual(['charge', 'session'])
    expect(() => mpp.session(price)).not.toThrow()
    expect(() => mpp.charge(price)).not.toThrow()
  })

  test.each(['compose', 'on', 'realm', 'then', 'charge'])(
    '%s cannot be a method’s name',
    (name) => {
      expect(() => create({ methods: [createRail({}, named(name)).server] })).toThrow(
        new RegExp(`"${name}" cannot be a method's name`),
      )
    },
  )

  test.each(['compose', 'on', 'realm', 'then'])('%s cannot be an intent', (intent) => {
    const odd = Method.toServer(Method.from({ ...named('points'), intent }), {
      verify: () => ({ reference: 'r' }),
    })
    expect(() => create({ methods: [odd] })).toThrow(new RegExp(`"${intent}" cannot be an intent`))
  })

  test('toServer refuses what could not be paid, or could be paid twice (threat 3)', () => {
    expect(() => Method.toServer(named('points'), {})).toThrow(/verify.*settle/s)
    expect(() => Method.toServer(named('points'), { settle: () => ({ reference: 'r' }) })).toThrow(
      /replayKey/,
    )
  })

  test('from refuses names and intents that the draft does not know [core-012] [core-036]', () => {
    for (const name of ['Points', 'points2', 'my-points', '', 'pünkte'])
      expect(() => named(name)).toThrow(/a-z/)
    for (const intent of ['', 'a b', 'charge/1', 'ü'])
      expect(() => Method.from({ ...server, intent })).toThrow(/letters, digits and hyphens/)
  })
})

describe('the store', () => {
  test('in memory, in production: a warning that says what would be lost', () => {
    vi.stubEnv('NODE_ENV', 'production')
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    create()
    expect(warned).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(/memory.*restart forgets.*store/s),
    )
  })

  test.each([
    ['get, set and delete alone', { get: () => 1, set: () => 1, delete: () => 1 }],
    ['a Map', new Map()],
    ['an adapter', { ...Store.memory(), claim: undefined, compareAndSet: () => true }],
  ])('of %s cannot be atomic, and is refused with the remedy (threat 1)', (_, store) => {
    expect(() => create({ store: untyped(store) })).toThrow(/claim.*Store\.from/s)
  })

  test('no warning elsewhere, nor for a durable one', () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    create()
    vi.stubEnv('NODE_ENV', 'production')
    create({ store: { ...Store.memory(), volatile: false, name: 'durable' } })
    expect(warned).not.toHaveBeenCalled()
  })
})

describe('times', () => {
  test.each([0, -1, 0.5, 86_401, Number.NaN, Infinity])('expires: %d is refused', (expires) => {
    expect(() => create({ expires })).toThrow(/expires/)
    const { charge } = create() as unknown as Record<string, (options: object) => Mpp.Handler>
    expect(() => charge?.({ ...price, expires })).toThrow(/expires/)
  })

  test('a lease shorter than a settlement is refused: two servers could settle one payment', () => {
    expect(() => create({ deadlines: { settle: 50_000 } })).toThrow(/lease.*settle/s)
    expect(() => create({ deadlines: { settle: 100, lease: 100 } })).toThrow(/lease.*settle/s)
  })

  test.each([
    [{ settle: Number.NaN }],
    [{ settle: -1 }],
    [{ lease: Number.NaN }],
    [{ wait: Number.NaN }],
    [{ offer: 0 }],
    [{ lease: Infinity }],
  ])('%j is refused', (deadlines) => {
    expect(() => create({ deadlines })).toThrow(/deadlines/)
  })

  test('left undefined they are the defaults', () => {
    expect(() =>
      create({ deadlines: untyped({ settle: undefined, lease: undefined }) }),
    ).not.toThrow()
    expect(() => create({ deadlines: untyped({ settle: undefined, lease: 20_000 }) })).toThrow(
      /lease.*settle/s,
    )
  })
})
