/**
 * Requests to a wallet service over its relay, and their answers.
 *
 * @module
 * @see NIP-47
 */
import { deadline, within } from '../wallet/deadline.js'
import { WalletError } from '../wallet/error.js'
import { isObject, parse, type Json } from '../wallet/json.js'
import type { Connection } from './connection.js'
import type { Event } from './nostr.js'
import { openSession, type Session } from './session.js'
import type { SocketClass } from './websocket.js'

export type Request = {
  method: 'make_invoice' | 'pay_invoice' | 'lookup_invoice'
  params: Json
  /** Seconds to wait for the answer, if not as long as for any. */
  seconds?: number
  /** Seconds after which the wallet shall not begin any more, if not as many. */
  expires?: number
  signal?: AbortSignal | undefined
}

/** What the wallet answers: a result, or the code of an error. */
export type Reply = { result: Json } | { refusal: string }

export type Client = {
  /** Asks the wallet. It throws the signal's reason, or a {@link WalletError}. */
  ask(request: Request): Promise<Reply>
  close(): void
}

const REQUEST = 23194
const RESPONSE = 23195
/** Most milliseconds in which a relay takes a request, or is given up; half of what the answer may take, if that is less. */
const TAKEN = 10_000
/** Milliseconds without a request after which the connection is closed. One that is kept may be dead unnoticed. */
const IDLE = 30_000

type Options = {
  connection: Connection
  loadWebSocket: () => Promise<SocketClass | undefined>
  /** Seconds to connect, and to wait for an answer. */
  timeout: number
}

/** Makes a client. It connects with its first request, and again when the connection is gone. */
export function createClient({ connection, loadWebSocket, timeout }: Options): Client {
  let session: Promise<Session> | undefined
  let idle: ReturnType<typeof setTimeout> | undefined
  let asking = 0

  const connect = () => openSession({ connection, loadWebSocket, timeout })
  const open = () => {
    session = session
      ? session.then((current) => (current.relay.open ? current : connect()), connect)
      : connect()
    return session
  }
  const close = () => {
    clearTimeout(idle)
    session?.then(
      ({ relay }) => relay.close(),
      () => {},
    )
    session = undefined
  }
  return {
    async ask(request) {
      const { seconds = timeout, expires = timeout, signal } = request
      const end = deadline(seconds, signal)
      signal?.throwIfAborted()
      clearTimeout(idle)
      asking++
      try {
        return await exchange(await within(open(), end.signal), {
          request: { ...request, seconds, expires },
          service: connection.service,
          signal: end.signal,
        })
      } catch (error) {
        if (error instanceof WalletError || signal?.aborted || !end.late.aborted) throw error
        throw new WalletError('unanswered', 'The wallet did not answer in time.')
      } finally {
        if (--asking === 0) idle = setTimeout(close, IDLE)
      }
    },
    close,
  }
}

type Bounded = Request & { seconds: number; expires: number }
type Exchange = { request: Bounded; service: string; signal: AbortSignal }

async function exchange(session: Session, { request, service, signal }: Exchange): Promise<Reply> {
  const { relay, keys, info } = session
  if (info.methods && !info.methods.includes(request.method))
    throw new WalletError(
      'unsupported',
      `The connection does not allow ${request.method}: allow it in the wallet.`,
    )
  const asked = toEvent(session, service, request)
  // A relay that does not take a request in time may be gone without a word.
  const giveUp = setTimeout(() => relay.close(), Math.min(TAKEN, request.seconds * 500))
  let stop = () => {}
  const replied = new Promise<Reply>((resolve, reject) => {
    const event = (answer: Event) => {
      if (!answers(answer, asked, service) || !keys.verify(answer)) return
      const reply = readReply(session, request, answer.content)
      if (reply) resolve(reply)
      else reject(new WalletError('unreadable', 'The wallet gives an answer that makes no sense.'))
    }
    const filter = { kinds: [RESPONSE], authors: [service], '#e': [asked.id] }
    stop = relay.subscribe(filter, { event, failed: reject })
    relay.publish(asked).then(() => clearTimeout(giveUp), reject)
  })
  try {
    return await within(replied, signal)
  } finally {
    clearTimeout(giveUp)
    stop()
  }
}

function toEvent({ keys, info }: Session, service: string, { method, params, expires }: Bounded) {
  const until = Math.floor(Date.now() / 1000) + Math.ceil(expires)
  const tags = [
    ['p', service],
    ['expiration', String(until)],
    ...(info.scheme === 'nip44_v2' ? [['encryption', info.scheme]] : []),
  ]
  const content = keys.encrypt(info.scheme, JSON.stringify({ method, params }))
  return keys.sign({ kind: REQUEST, tags, content })
}

/** Whether an event is the answer to another. Whose signature it bears is yet to be seen. */
const answers = ({ kind, pubkey, tags }: Event, asked: Event, service: string): boolean =>
  kind === RESPONSE &&
  pubkey === service &&
  tags.some(([name, value]) => name === 'e' && value === asked.id)

function readReply({ keys, info }: Session, { method }: Request, content: string) {
  const answer = parse(decrypt(() => keys.decrypt(info.scheme, content)))
  const { result_type: type, error, result } = answer ?? {}
  if (isObject(error) && typeof error['code'] === 'string') return { refusal: error['code'] }
  return type === method && isObject(result) ? { result } : undefined
}

function decrypt(work: () => string): string {
  try {
    return work()
  } catch {
    return ''
  }
}
