/**
 * The Lightning Development Kit, loaded once a process, and its results and options as plain values.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { importPeer } from './peers.js'

/** The module `lightningdevkit`, ready for use. */
export type Devkit = typeof import('lightningdevkit')

let loading: Promise<Devkit> | undefined

/**
 * Loads LDK. The WebAssembly module is shared by every node of the process.
 *
 * @throws Error that says what to install when `lightningdevkit` is missing.
 */
export function loadDevkit(): Promise<Devkit> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined
    throw error
  })
  return loading
}

async function load(): Promise<Devkit> {
  const devkit = await importPeer('lightningdevkit', () => import('lightningdevkit'))
  const wasm = await readFile(new URL(import.meta.resolve('lightningdevkit/liblightningjs.wasm')))
  const restore = hush(/^Loaded LDK/)
  try {
    await devkit.initializeWasmFromBinary(wasm)
  } finally {
    restore()
  }
  return devkit
}

/** LDK announces its version on the console; every other line passes. */
function hush(pattern: RegExp): () => void {
  const { log } = console
  console.log = (...parts: unknown[]) => {
    if (!pattern.test(String(parts[0]))) log(...parts)
  }
  return () => {
    console.log = log
  }
}

/**
 * The value of an LDK result that must be a success.
 *
 * @param result - A `Result_…Z`.
 * @param what - What was tried, for the error's message.
 * @throws Error with LDK's own words when it has any.
 */
export function unwrap<value>(result: { is_ok: () => boolean }, what: string): value {
  if (result.is_ok()) return (result as { res?: value }).res as value
  const { err } = result as { err?: { err?: unknown; constructor?: { name: string } } }
  const words = typeof err === 'object' ? (err.err ?? err.constructor?.name) : err
  throw new Error(`${what} failed${words === undefined ? '' : `: ${String(words)}`}`)
}

/** The value of an LDK option, or undefined when it holds none. */
export function optional<value>(option: object): value | undefined {
  return 'some' in option ? (option.some as value) : undefined
}

/** Whether LDK gave a value where it may give none: then what it gives points nowhere. */
export function isPresent(value: object): boolean {
  return 'ptr' in value && value.ptr !== 0n
}

/** Bytes as lower-case hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Hexadecimal digits as bytes, in an array of their own, as LDK wants them. */
export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}
