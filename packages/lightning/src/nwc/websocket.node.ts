/**
 * The platform's WebSocket, or, before Node 22, that of the package `ws`.
 *
 * @module
 */
import type { SocketClass } from './websocket.js'

/** Finds the class; `undefined` where neither is there. */
export async function loadWebSocket(): Promise<SocketClass | undefined> {
  if (globalThis.WebSocket) return globalThis.WebSocket
  try {
    return (await import('ws')).WebSocket
  } catch {
    return undefined
  }
}
