/**
 * Who calls: the key, the account for which it acts, and the version of the API that is spoken.
 *
 * @module
 */
import { invalid, Refusal } from './refusal.js'
import type { Account, World } from './world.js'

/** The version when a call names none: that of the `stripe` package 23.1.0. */
const defaultVersion = '2026-10-28.endive'

/** The first preview that has Shared Payment Tokens here. */
const firstPreview = '2025-09-30'

/** Headers by their names in small letters: no type of Node's, which a user of the declarations may lack. */
export type Headers = {
  readonly authorization?: string | undefined
  readonly [name: string]: string | string[] | undefined
}

/** What a call's headers say. */
export type Access = { caller: Account; account: Account; version: string; preview: boolean }

/** @throws Refusal 401 without a key of this Stripe, 403 for an account that the key may not act for. */
export function admit(world: World, headers: Headers): Access {
  const caller = authenticate(world, readKey(headers.authorization))
  const account = findAccount(world, caller, headers['stripe-account'] ?? headers['stripe-context'])
  const version = String(headers['stripe-version'] ?? defaultVersion)
  const [, date = '', channel] = /^(\d{4}-\d{2}-\d{2})(?:\.([a-z]+))?(?:;.*)?$/.exec(version) ?? []
  if (date === '') throw invalid(`Invalid Stripe API version: ${version}`)
  return { caller, account, version, preview: channel === 'preview' && date >= firstPreview }
}

/** The key, from Basic authentication, where it is the user's name, or Bearer. */
function readKey(authorization: string | undefined): string {
  const [, scheme = '', value = ''] = /^(\S+)\s+(\S+)\s*$/.exec(authorization ?? '') ?? []
  if (scheme.toLowerCase() === 'bearer') return value
  if (scheme.toLowerCase() !== 'basic') return ''
  const [user = ''] = Buffer.from(value, 'base64').toString().split(':')
  return user
}

function authenticate(world: World, key: string): Account {
  if (key === '')
    throw unauthenticated('No API key was given: send it as Bearer, or as the user of Basic.')
  if (/^[a-z]+_live_/.test(key)) throw unauthenticated(liveKeyRefused)
  const accounts = [...world.accounts.values()]
  const found = accounts.find(({ secretKey }) => secretKey === key)
  if (found) return found
  if (accounts.some(({ publishableKey }) => publishableKey === key)) {
    throw unauthenticated(
      'This call needs a secret key, not a publishable one.',
      'secret_key_required',
    )
  }
  throw unauthenticated(`Invalid API Key provided: ${key.slice(0, 8)}***`)
}

/** What who brings a live key is told, here and at the start. */
export const liveKeyRefused =
  'This is a local Stripe for tests. It refuses live keys: use the test key that it hands out.'

function unauthenticated(message: string, code?: string): Refusal {
  const error = {
    type: 'invalid_request_error',
    message,
    ...(code === undefined ? {} : { code }),
  } as const
  return new Refusal(401, error, { headers: { 'www-authenticate': 'Basic realm="Stripe"' } })
}

function findAccount(world: World, caller: Account, id: string | string[] | undefined): Account {
  if (id === undefined || id === caller.id) return caller
  const found = world.accounts.get(String(id))
  if (found?.platform === caller) return found
  const words = `The key '${caller.secretKey.slice(0, 8)}***' has no access to the account '${String(id)}', or there is none.`
  throw invalid(words, { code: 'account_invalid', status: 403 })
}
