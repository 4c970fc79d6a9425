/**
 * JSON from a wallet's service, of which nothing is taken for granted.
 *
 * @module
 */
import { WalletError } from './error.js'

export type Json = Readonly<Record<string, unknown>>

/** Whether a value is an object with named fields. */
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Parses an object; `undefined` for anything else. */
export function parse(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * Parses an answer.
 *
 * @throws WalletError `unreadable` for what is not a JSON object.
 */
export function read(name: string, text: string): Json {
  const value = parse(text)
  if (!value) throw new WalletError('unreadable', `${name} gives an answer that is not JSON.`)
  return value
}

/**
 * Takes an invoice out of an answer.
 *
 * @throws WalletError `unreadable` when there is none.
 */
export function readInvoice(name: string, value: unknown): string {
  if (typeof value !== 'string' || !/^ln[a-z0-9]{50,}$/i.test(value))
    throw new WalletError('unreadable', `${name} made no invoice that can be read.`)
  return value
}
