/**
 * The platform's WebSocket.
 *
 * @module
 */

/** The part of a WebSocket that a relay needs. */
export type Socket = {
  send(data: string): void
  close(): void
  addEventListener(type: 'open' | 'close' | 'error', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
}

export type SocketClass = new (url: string) => Socket

/** Finds the class; `undefined` where the platform has none. */
export async function loadWebSocket(): Promise<SocketClass | undefined> {
  return globalThis.WebSocket
}
