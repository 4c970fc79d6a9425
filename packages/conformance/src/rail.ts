/**
 * The fixture that a rail's author gives: the method, two prices, and a few knobs on its network.
 *
 * @module
 */
import type { Challenge, Method } from '@polyrail/core'

/** What a rail declares about itself. Each has a case for yes and a case for no. */
export type Capabilities = {
  /** The payer moves the money before the credential is sent; else the server moves it in `settle`. */
  pushes: boolean
  /** Every challenge carries fields of its own, such as an invoice. */
  issues: boolean
  /** A proof is made for one challenge and is worth nothing under another. */
  bindsChallenge: boolean
  /** The credential names its payer in `source`. */
  namesPayer: boolean
  /** After a lost settlement answer, the same credential finds out what became of it. */
  reconciles: boolean
}

/** How the network fails, once, at the next settlement, or at the next capture of money that is set aside. */
export type Fault =
  /** The call fails and no money has moved. */
  | 'before-settle'
  /** The money has moved and the answer is lost. */
  | 'after-settle'
  /** The call does not return before the settlement deadline. The money may or may not move. */
  | 'hang'

/** A proof that must not buy anything. */
export type Tampered = {
  /** What is wrong with it, to follow "a proof with …". */
  title: string
  payload: unknown
  /** The problem code that is expected; `verification-failed` when left out. */
  code?: string
}

export type Rail<method extends Method.Method = Method.Method> = {
  // oxlint-disable-next-line typescript/no-explicit-any -- what a route says is the rail's own business
  server: Method.Server<method, any>
  client: Method.Client<method>
  /** What a route says to ask the usual price. */
  options: object
  /** The same for a higher price. */
  dearer: object
  capabilities: Capabilities
  /** Spoils an honest proof in each way that the method must notice; at least two. */
  tamper(
    payload: Method.PayloadOf<method>,
    challenge: Challenge.Challenge<Method.RequestOf<method>>,
  ): readonly Tampered[] | Promise<readonly Tampered[]>
  /** Makes the network fail at the next settlement or capture. */
  fault(kind: Fault): void | Promise<void>
  /** How many payments have really moved so far, as the network itself counts them. */
  settled(): number | Promise<number>
  /** How many refunds have really been made so far; needed where the server has a `refund` hook. */
  refunded?(): number | Promise<number>
  /** Handed to the client's `createCredential`. */
  context?: unknown
  /** How long a settlement may take, in ms, before the server gives up: 2,000 when left out. */
  patience?: number
  /** Case id → why it cannot hold on this rail. */
  exempt?: Readonly<Record<string, string>>
  /** Called when the run is over. */
  stop?(): void | Promise<void>
}
