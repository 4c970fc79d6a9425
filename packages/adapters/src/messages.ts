/**
 * Requests and responses of Node, as far as core uses them: users need no `@types/node` for our declarations.
 *
 * @module
 */
import type { Mpp } from '@polyrail/core/server'

type Listener = ReturnType<typeof Mpp.toNodeListener>

/** As much of `http.IncomingMessage` as is used. */
export type NodeRequest = Parameters<Listener>[0]

/** As much of `http.ServerResponse` as is used. */
export type NodeResponse = Parameters<Listener>[1]
